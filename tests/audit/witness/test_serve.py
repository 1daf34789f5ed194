"""The witness as a process of its own: what it promises over the network, killed or not."""

import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner

from tallystick.audit.tlog.note import open_checkpoint, parse_vkeys, read_note, signed_by, with_signatures
from tallystick.audit.tlog.policy import parse_policy
from tallystick.audit.witness import WitnessState
from tallystick.audit.witness.client import Witnesses
from tallystick.audit.witness.decide import BODY_LIMIT
from tallystick.audit.witness.serve import CONNECTIONS_LIMIT
from tallystick.cli.main import tally as tally_command
from tests.audit.witness.certificate import write_certificate
from tests.audit.witness.servers import running
from tests.audit.witness.trees import ORIGIN, tree

TALLY = str(Path(sys.executable).with_name("tally"))
LOG = tree(300)
MONITORED = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"


class Answered(NamedTuple):
    """An answer over the network."""

    status: int
    kind: str | None
    text: str


def tally(*words: str) -> str:
    """Run a command, which must succeed."""
    done = CliRunner().invoke(tally_command, words)
    assert done.exit_code == 0, done.output
    return done.output


class Process(NamedTuple):
    """A witness that serves, in a process of its own or (None) in a thread of this one."""

    running: "subprocess.Popen[str] | None"
    port: int

    def stop(self, number: signal.Signals) -> int:
        """Send the process a signal; returns its exit status."""
        assert self.running is not None
        self.running.send_signal(number)
        return self.running.wait(20)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answered:
        """One request on a connection of its own."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            return Answered(response.status, response.headers["Content-Type"], response.read().decode())
        finally:
            connection.close()


@contextmanager
def serving(directory: Path, *flags: str) -> Generator[Process]:
    """`tally witness serve`, until it is killed or the block ends."""
    words = [TALLY, "witness", "serve", "--state", str(directory), "--listen", "127.0.0.1:0", *flags]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        said = process.stdout.readline()
        found = re.search(r"listens at https?://127\.0\.0\.1:(\d+)$", said)
        assert found is not None, said
        try:
            yield Process(process, int(found[1]))
        finally:
            process.kill()


@contextmanager
def answering(directory: Path) -> Generator[Process]:
    """The same server in a thread of this process, for what does not depend on a process of its own."""
    with running(directory) as one:
        yield Process(None, int(one.server.server_address[1]))


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A witness that knows the log."""
    state = WitnessState.create(tmp_path / "witness", "w.example/one")
    state.add_log(LOG.vkeys)
    state.close()
    return tmp_path / "witness"


def test_a_log_is_cosigned_and_monitored_over_the_network(directory: Path) -> None:
    with serving(directory) as witness:
        cosigned = witness.ask("POST", "/add-checkpoint", LOG.at(5).request(0))
        assert (cosigned.status, cosigned.kind) == (200, "text/plain; charset=utf-8")
        shown = witness.ask("GET", MONITORED)
        assert (shown.status, shown.kind) == (200, "text/plain; charset=utf-8")
        assert open_checkpoint(shown.text, LOG.verifiers, every=True) == LOG.at(5).checkpoint
        assert shown.text.endswith(cosigned.text)
        assert witness.ask("POST", "/add-checkpoint", LOG.request(0)) == (409, "text/x.tlog.size", "5\n")
        assert witness.ask("POST", "/add-checkpoint", LOG.at(3).request(3)) == (409, "text/x.tlog.size", "5\n")
        assert witness.ask("POST", "/add-checkpoint", LOG.request(5)).status == 200


def test_what_is_no_question_of_the_protocol_is_refused(directory: Path) -> None:
    with answering(directory) as witness:
        for method, path, status in (
            ("GET", "/", 404),
            ("GET", "/add-checkpoint", 404),
            ("GET", f"/{'0' * 64}/checkpoint", 404),
            ("GET", MONITORED.upper(), 404),
            ("GET", f"/../witness.sqlite{MONITORED}", 404),
            ("POST", "/", 404),
            ("PUT", "/add-checkpoint", 501),
        ):
            assert witness.ask(method, path, b"" if method != "GET" else None).status == status, path
        assert witness.ask("POST", "/add-checkpoint", b"old").status == 400
        assert witness.ask("POST", "/add-checkpoint", b"x" * BODY_LIMIT).status == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (f"Content-Length: {BODY_LIMIT + 1}", b"413"),
        ("Content-Length: 5\r\nContent-Length: 6", b"411"),
        ("Content-Length: -5", b"411"),
        ("Content-Length: 99999999999999999999", b"411"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", b"411"),
        ("Transfer-Encoding: chunked", b"411"),
        ("X: y", b"411"),
        ("X: " + "y" * 70_000, b"431"),
        ("\r\n".join(f"X-{number}: y" for number in range(200)), b"431"),
    ],
)
def test_a_request_without_measure_is_refused_before_it_is_read(tmp_path: Path, head: str, status: bytes) -> None:
    with running(tmp_path / "one") as one:
        with socket.create_connection(one.server.server_address[:2], timeout=20) as connection:  # pyright: ignore[reportArgumentType] - a TCP address
            connection.sendall(f"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n{head}\r\n\r\n".encode())
            answer = connection.makefile("rb").read()
        assert answer.split(b" ")[1] == status


def test_a_connection_is_kept_for_the_next_request(directory: Path) -> None:
    with answering(directory) as witness:
        connection = HTTPConnection("127.0.0.1", witness.port, timeout=20)
        for old, size in ((0, 5), (5, 300), (300, 300)):
            connection.request("POST", "/add-checkpoint", LOG.at(size).request(old))
            response = connection.getresponse()
            assert (response.status, response.will_close) == (200, False)
            response.read()
        connection.close()


def test_a_flood_of_silent_connections_keeps_no_log_out(directory: Path) -> None:
    with answering(directory) as witness:
        silent = [socket.create_connection(("127.0.0.1", witness.port)) for _ in range(2 * CONNECTIONS_LIMIT)]
        assert witness.ask("POST", "/add-checkpoint", LOG.at(5).request(0)).status == 200
        # The longest without a request has gone first.
        silent[0].settimeout(20)
        assert silent[0].recv(1) == b""
        threads = [thread for thread in threading.enumerate() if "process_request" in thread.name]
        for thread in threads[:-CONNECTIONS_LIMIT]:
            thread.join(20)
            assert not thread.is_alive(), "the thread of a connection that was closed goes on"
        for connection in silent:
            connection.close()


def test_killed_at_any_moment_it_never_signs_two_histories(directory: Path) -> None:
    """Forks race for each size; the witness is killed again and again meanwhile. One history is all it ever signs."""
    forks = [LOG, tree(300, "other")]
    signed: list[tuple[int, bytes]] = []
    old = 0
    for size in (1, 40, 256, 300):
        with serving(directory) as witness, ThreadPoolExecutor(8) as threads:

            def submit(number: int, old: int = old, size: int = size, witness: Process = witness) -> None:
                log = forks[number % 2].at(size)
                try:
                    answer = witness.ask("POST", "/add-checkpoint", log.request(old))
                except (OSError, HTTPException):
                    return
                if answer.status == 200:
                    signed.append((size, log.checkpoint.root))
                    if number > 3:
                        witness.stop(signal.SIGKILL)

            list(threads.map(submit, range(16)))
        old = size
    assert signed
    roots = dict(signed)
    assert all(roots[size] == root for size, root in signed), "two roots of one size were signed"
    mine = [fork for fork in forks if all(fork.at(size).checkpoint.root == root for size, root in roots.items())]
    assert len(mine) == 1, "the sizes that were signed are of two histories"


def test_what_was_signed_is_remembered_by_the_next_process(directory: Path) -> None:
    with serving(directory) as witness:
        assert witness.ask("POST", "/add-checkpoint", LOG.request(0)).status == 200
        witness.stop(signal.SIGKILL)
    with serving(directory) as witness:
        assert witness.ask("POST", "/add-checkpoint", LOG.at(200).request(0)).text == "300\n"
        assert witness.stop(signal.SIGTERM) == 130


def test_one_directory_is_served_by_one_process(directory: Path) -> None:
    with serving(directory):
        words = [TALLY, "witness", "serve", "--state", str(directory), "--listen", "127.0.0.1:0"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert "another witness serves" in done.stderr


def test_a_log_that_is_added_is_known_without_a_restart(directory: Path, tmp_path: Path) -> None:
    other, vkey = tree(5, origin="bank.example/other/2026"), tmp_path / "other"
    vkey.write_text(other.vkeys)
    with answering(directory) as witness:
        assert witness.ask("POST", "/add-checkpoint", other.request(0)).status == 404
        said = tally("witness", "add-log", "--state", str(directory), "--every-year", str(vkey))
        assert said.startswith("bank.example/other/* is known by:\n  bank.example/other/2026+")
        assert witness.ask("POST", "/add-checkpoint", other.request(0)).status == 200
        next_year = other._replace(origin="bank.example/other/2027")
        assert witness.ask("POST", "/add-checkpoint", next_year.request(0)).status == 200


def test_what_was_refused_is_shown_to_whoever_runs_the_witness(directory: Path) -> None:
    words = ["witness", "show", "--state", str(directory)]
    with answering(directory) as witness:
        witness.ask("POST", "/add-checkpoint", LOG.request(0))
        shown = CliRunner().invoke(tally_command, words)
        assert f"seen {ORIGIN}: 300 leaves, root {LOG.checkpoint.root.hex()}" in shown.output
        assert shown.exit_code == 0
        assert witness.ask("POST", "/add-checkpoint", tree(300, "other").request(300)).status == 409
    shown = CliRunner().invoke(tally_command, words)
    assert shown.exit_code == 1
    assert f"REFUSED {ORIGIN}" in shown.output
    assert "two histories" in shown.output


def test_the_policy_that_is_written_is_the_one_that_logs_need(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy"
    with answering(directory) as witness:
        url = f"http://127.0.0.1:{witness.port}"
        tally("witness", "policy", "--state", str(directory), "--url", url, "-o", str(file))
        policy = parse_policy(file.read_bytes())
        witnesses = Witnesses(policy)
        note = LOG.note
        cosigned = witnesses.cosign(ORIGIN, note, lambda old: LOG.prove(old, 300))
        witnesses.close()
    assert cosigned.quorum
    assert policy.cosigners(with_signatures(note, cosigned.lines)) == {"w.example/one:ed25519", "w.example/one:mldsa44"}


def test_over_tls_the_certificate_is_checked(directory: Path, tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    write_certificate(certificate, key)
    with serving(directory, "--tls-cert", str(certificate), "--tls-key", str(key)) as witness:
        file, said = tmp_path / "policy", list[str]()
        url = f"https://127.0.0.1:{witness.port}"
        tally("witness", "policy", "--state", str(directory), "--url", url, "-o", str(file))
        # Somebody who says nothing, or no TLS, is in nobody's way.
        address = ("127.0.0.1", witness.port)
        with socket.create_connection(address), socket.create_connection(address) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            for authorities, quorum in ((certificate, True), (None, False)):
                witnesses = Witnesses(parse_policy(file.read_bytes()), authorities=authorities, say=said.append)
                assert witnesses.cosign(ORIGIN, LOG.note, lambda old: LOG.prove(old, 300)).quorum is quorum
                witnesses.close()
    assert "CERTIFICATE_VERIFY_FAILED" in said[0]


@pytest.mark.parametrize("flags", [("--listen", "nowhere"), ("--listen", "127.0.0.1:99999"), ("--tls-cert", __file__)])
def test_a_wrong_call_says_what_is_wrong(directory: Path, flags: tuple[str, str]) -> None:
    done = CliRunner().invoke(tally_command, ["witness", "serve", "--state", str(directory), *flags])
    assert done.exit_code == 2
    assert "HOST:PORT" in done.output or "go together" in done.output


def test_a_witness_prints_its_public_keys_when_it_is_made(tmp_path: Path) -> None:
    keys = parse_vkeys(tally("witness", "init", "--state", str(tmp_path / "w"), "--key-name", "w.example/one"))
    body = LOG.checkpoint.body
    with running(tmp_path / "w", LOG.vkeys) as witness:
        lines = [key.sign(witness.state.name, body, 5) for key in witness.state.keys]
    assert [one.verifier for one in signed_by(read_note(with_signatures(LOG.note, lines)), keys)] == list(keys)


def test_a_file_that_holds_no_keys_and_a_place_that_cannot_be_written_are_told(directory: Path, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)))
    for words, why in (
        (["add-log", "--state", str(directory), str(tmp_path / "noise")], "line 1: a verifier key reads"),
        (["policy", "--state", str(directory), "-o", str(tmp_path / "nowhere" / "policy")], "cannot be written"),
        (["show", "--state", str(tmp_path)], "holds no witness"),
    ):
        done = subprocess.run([TALLY, "witness", *words], capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 2
        assert why in done.stderr
