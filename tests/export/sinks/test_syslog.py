"""Syslog to rsyslog from Debian, over every transport: framing, trust on both sides, and a receiver that dies."""

import re
import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest

from tallystick.export.model import Unavailable
from tallystick.export.settings import SyslogOptions, Tls
from tallystick.export.sinks.syslog import SyslogSink
from tests.export.kept import Hand
from tests.export.sinks.authority import Authority
from tests.export.sinks.rsyslog import Rsyslog, running
from tests.export.sinks.sent import PLAIN, events, format_for


def options(
    port: int,
    transport: Literal["udp", "tcp", "tls"] = "tcp",
    tls: Tls = PLAIN,
    confirm: Literal["close", "sent"] = "close",
) -> SyslogOptions:
    """Settings for a receiver on this machine."""
    return SyslogOptions("127.0.0.1", port, transport, confirm, 1000, tls)


def indices(receiver: Rsyslog) -> list[int]:
    """Indices of the leaves in what was received, in its order."""
    found = [re.search(r' index="(\d+)" ', line) for line in receiver.lines()]
    return [int(match[1]) for match in found if match is not None]


def awaited(receiver: Rsyslog, count: int) -> list[int]:
    """Indices, once the receiver, ended in order, has written what it had."""
    receiver.stop()
    assert len(receiver.lines()) >= count, receiver.lines()
    return indices(receiver)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """A certificate authority of the bank."""
    return Authority(tmp_path / "tls", "bank-authority")


def tls_of(authority: Authority) -> Tls:
    """Trust that authority, and show a certificate of it."""
    certificate, key = authority.issue("tallystick")
    return Tls(str(authority.file), str(certificate), str(key))


@pytest.mark.parametrize("confirm", ["close", "sent"])
def test_messages_arrive_over_tcp_in_order(tmp_path: Path, confirm: Literal["close", "sent"]) -> None:
    with running("tcp") as receiver:
        chosen = options(receiver.port, confirm=confirm)
        sink = SyslogSink(chosen, Hand(waits=10_000).pause)
        for start in (0, 40):
            assert sink.deliver(events(format_for("syslog", chosen), range(start, start + 40))) == []
        sink.close()
        assert awaited(receiver, 80) == list(range(80))


def test_messages_arrive_over_tls_with_trust_on_both_sides(tmp_path: Path, authority: Authority) -> None:
    with running("tls", authority) as receiver:
        chosen = options(receiver.port, "tls", tls_of(authority))
        with closing(SyslogSink(chosen, Hand(waits=10_000).pause)) as sink:
            for start in (0, 100):
                assert sink.deliver(events(format_for("syslog", chosen), range(start, start + 100))) == []
        assert awaited(receiver, 200) == list(range(200))


def test_a_receiver_of_another_authority_gets_nothing(tmp_path: Path, authority: Authority) -> None:
    with running("tls", authority) as receiver:
        stranger = Authority(tmp_path / "tls", "stranger")
        sink = SyslogSink(options(receiver.port, "tls", tls_of(stranger)), Hand().pause)
        with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
            sink.deliver(events(format_for("syslog", options(receiver.port)), range(5)))
        assert awaited(receiver, 0) == []


def test_a_client_of_another_authority_is_not_let_in(tmp_path: Path, authority: Authority) -> None:
    with running("tls", authority) as receiver:
        stranger = Authority(tmp_path / "tls", "stranger")
        certificate, key = stranger.issue("stranger-client")
        sink = SyslogSink(
            options(receiver.port, "tls", Tls(str(authority.file), str(certificate), str(key))), Hand().pause
        )
        with pytest.raises(Unavailable):
            sink.deliver(events(format_for("syslog", options(receiver.port)), range(5)))
        assert awaited(receiver, 0) == []


def test_messages_arrive_over_udp(tmp_path: Path) -> None:
    with running("udp") as receiver:
        chosen = options(receiver.port, "udp", confirm="sent")
        sink = SyslogSink(chosen, Hand().pause)
        sink.deliver(events(format_for("syslog", chosen), range(10)))
        sink.close()
        # Nothing tells when a datagram has been read: what is on the wire is read before the receiver ends.
        assert set(awaited(receiver, 0)) <= set(range(10))


@pytest.mark.parametrize("form", ["ocsf", "cef", "leef"])
def test_every_form_is_one_message(tmp_path: Path, form: str) -> None:
    with running("tcp") as receiver:
        chosen = options(receiver.port)
        with closing(SyslogSink(chosen, Hand(waits=10_000).pause)) as sink:
            sink.deliver(events(format_for("syslog", chosen, form), range(3)))
        assert awaited(receiver, 3) == [0, 1, 2]
        start = {"ocsf": " {", "cef": " CEF:0|Tallystick|", "leef": " LEEF:2.0|Tallystick|"}[form]
        assert all(start in line for line in receiver.lines())


def test_a_receiver_that_dies_before_it_has_read_everything_has_taken_nothing() -> None:
    """The reset of a process that was killed, from a receiver that reads a little and goes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def read_a_little() -> None:
            stream, _ = listener.accept()
            stream.recv(100)
            stream.close()

        thread = threading.Thread(target=read_a_little)
        thread.start()
        chosen = options(listener.getsockname()[1])
        sink = SyslogSink(chosen, Hand().pause)
        with pytest.raises(Unavailable):
            sink.deliver(events(format_for("syslog", chosen), range(500)))
        thread.join()


def test_a_receiver_that_closed_before_anything_came_has_taken_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        chosen = options(listener.getsockname()[1])
        sink = SyslogSink(chosen, Hand(waits=10_000).pause)

        def close_at_once() -> None:
            stream, _ = listener.accept()
            stream.close()

        thread = threading.Thread(target=close_at_once)
        thread.start()
        with pytest.raises(Unavailable):
            sink.deliver(events(format_for("syslog", chosen), range(1)))
        thread.join()


@pytest.mark.parametrize("confirm", ["close", "sent"])
def test_a_receiver_that_was_restarted_between_two_batches_is_a_failure(confirm: Literal["close", "sent"]) -> None:
    """What it held in memory is gone, and nothing but the broken connection tells."""
    with running("tcp") as receiver:
        chosen = options(receiver.port, confirm=confirm)
        batch = events(format_for("syslog", chosen), range(3))
        with closing(SyslogSink(chosen, Hand(waits=10_000).pause)) as sink:
            sink.deliver(batch)
            receiver.kill()
            receiver.start()
            with pytest.raises(Unavailable):
                sink.deliver(batch)
            assert sink.deliver(batch) == []


def test_octets_are_counted_and_not_characters() -> None:
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def read() -> None:
            stream, _ = listener.accept()
            while part := stream.recv(65536):
                received.extend(part)
            stream.close()

        thread = threading.Thread(target=read)
        thread.start()
        chosen = options(listener.getsockname()[1])
        batch = events(format_for("syslog", chosen), range(3))
        with closing(SyslogSink(chosen, Hand(waits=10_000).pause)) as sink:
            sink.deliver(batch)
        thread.join()
    stream = bytes(received)
    for event in batch:
        length, _, rest = stream.partition(b" ")
        assert rest[: int(length)] == event.body
        stream = rest[int(length) :]
    assert stream == b""


def test_files_of_tls_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="the files of TLS cannot be used"):
        SyslogSink(options(6514, "tls", Tls(str(tmp_path / "nowhere.pem"))), Hand().pause)
