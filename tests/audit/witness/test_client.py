"""How a log asks its witnesses: at once, with the right proofs, and believing nobody."""

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tallystick.audit.model import Cosigned
from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.message import COSIGNATURE
from tallystick.audit.tlog.note import read_note, signed_by, with_signatures
from tallystick.audit.tlog.policy import Policy
from tallystick.audit.witness import WitnessError, WitnessState
from tallystick.audit.witness.ask import parse_url
from tallystick.audit.witness.client import LONGEST_PAUSE_SECONDS, Witnesses, open_witnesses
from tests.audit.witness.servers import Lie, Running, lying, policy, policy_lines, running
from tests.audit.witness.trees import ORIGIN, Tree, tree

LOG = tree(600)


class Said(list[str]):
    """What a client has told its operator."""


class Hand:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Seconds."""
        return self.now


Open = Callable[[Policy], Witnesses]


@pytest.fixture
def said() -> Said:
    return Said()


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def client(said: Said, hand: Hand) -> Iterator[Open]:
    with ExitStack() as opened:

        def build(given: Policy) -> Witnesses:
            witnesses = Witnesses(given, say=said.append, clock=hand, patience_s=20)
            opened.callback(witnesses.close)
            return witnesses

        yield build


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Running, Running]]:
    with running(tmp_path / "one", LOG.vkeys) as one, running(tmp_path / "two", LOG.vkeys) as two:
        yield one, two


def ask(witnesses: Witnesses, log: Tree) -> Cosigned:
    size = len(log.leaves)
    return witnesses.cosign(log.origin, log.note, lambda old: log.prove(old, size))


def test_two_witnesses_cosign_a_log_as_it_grows(client: Open, two: tuple[Running, Running], said: Said) -> None:
    one, other = two
    given = policy("both", one.lines("a"), other.lines("b"), "group both all a b\n")
    witnesses = client(given)
    for size in (1, 2, 256, 257, 600, 600):
        log = LOG.at(size)
        note = log.note
        cosigned = witnesses.cosign(ORIGIN, note, lambda old, log=log, size=size: log.prove(old, size))
        assert cosigned.quorum
        text = with_signatures(note, cosigned.lines)
        assert given.cosigners(text) == {"a0", "a1", "b0", "b1"}
        assert len(signed_by(read_note(text), LOG.verifiers)) == 2
    assert said == []


def test_a_witness_that_was_not_asked_in_this_life_tells_where_it_stands(
    client: Open, two: tuple[Running, Running]
) -> None:
    one, _ = two
    assert ask(client(policy("a", one.lines("a"))), LOG.at(5)).quorum
    assert ask(client(policy("a", one.lines("a"))), LOG).quorum
    assert one.state.seen(ORIGIN).size == 600


def test_a_witness_that_is_down_is_no_quorum_of_one_and_no_hindrance_to_another(
    client: Open, two: tuple[Running, Running], tmp_path: Path, said: Said
) -> None:
    one, _ = two
    down = policy_lines(
        WitnessState.create(tmp_path / "down", "down.example/w"), "b", f"http://127.0.0.1:{closed_port()}"
    )
    assert not ask(client(policy("both", one.lines("a"), down, "group both all a b\n")), LOG).quorum
    assert ask(client(policy("either", one.lines("a"), down, "group either any a b\n")), LOG).quorum
    assert all("cannot be reached" in line for line in said)
    assert len(said) == 2


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_witness_that_never_answers_holds_up_nobody_else(
    client: Open, two: tuple[Running, Running], tmp_path: Path
) -> None:
    one, _ = two
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        slow = policy_lines(WitnessState.create(tmp_path / "slow", "slow.example/w"), "b", url)
        witnesses = client(policy("either", one.lines("a"), slow, "group either any a b\n"))
        # The second round comes while the silent one is still being waited for: it is not asked again.
        for size in (5, 600):
            assert ask(witnesses, LOG.at(size)).quorum
        # Whoever is asked has one connection that waits, and no more.
        silent.settimeout(5)
        connection, _ = silent.accept()
        silent.setblocking(False)  # noqa: FBT003 - positional in the standard library
        with connection, pytest.raises(BlockingIOError):
            silent.accept()


def test_a_log_that_was_rolled_back_gets_no_cosignature_and_is_told_why(
    client: Open, two: tuple[Running, Running], said: Said
) -> None:
    one, _ = two
    assert ask(client(policy("a", one.lines("a"))), LOG.at(300)).quorum
    restored = LOG.at(200)
    assert ask(client(policy("a", one.lines("a"))), restored) == ((), False)
    assert "has cosigned 300 leaves of bank.example/acme/2026, and this log has 200" in said[0]
    # Grown past the old size again, with other leaves: the proof cannot lead there.
    forked = Tree((*restored.leaves, *tree(300, "other").leaves))
    assert not ask(client(policy("a", one.lines("a"))), forked).quorum
    assert "422" in said[1]
    assert one.state.seen(ORIGIN).root == LOG.at(300).checkpoint.root


def test_two_histories_of_one_log_never_get_the_same_quorum(
    client: Open, two: tuple[Running, Running], said: Said
) -> None:
    one, other = two
    both = policy("both", one.lines("a"), other.lines("b"), "group both all a b\n")
    assert ask(client(policy("a", one.lines("a"))), LOG.at(300)).quorum
    split = tree(300, "other")
    assert ask(client(policy("b", other.lines("b"))), split).quorum
    for history in (LOG.at(300), split, LOG, tree(600, "other")):
        assert not ask(client(both), history).quorum
    assert any("two histories" in line for line in said)
    assert one.state.refusals()
    assert other.state.refusals()


def test_several_logs_are_remembered_apart(client: Open, tmp_path: Path) -> None:
    logs = [tree(30, origin=f"bank.example/tenant-{number}/2026") for number in range(3)]
    with running(tmp_path / "one", *(log.vkeys for log in logs)) as one:
        witnesses = client(policy("a", one.lines("a")))
        for size in (1, 7, 30):
            for log in logs:
                assert ask(witnesses, log.at(size)).quorum
        assert [one.state.seen(log.origin).size for log in logs] == [30, 30, 30]


def test_a_witness_that_was_restarted_is_asked_over_a_new_connection(client: Open, tmp_path: Path, said: Said) -> None:
    with running(tmp_path / "one", LOG.vkeys) as one:
        witnesses, port = client(policy("a", one.lines("a"))), int(one.server.server_address[1])
        assert ask(witnesses, LOG.at(5)).quorum
    with running(tmp_path / "one", port=port) as one:
        assert ask(witnesses, LOG).quorum
        assert one.state.seen(ORIGIN).size == 600
    assert said == []


def test_a_witness_that_fails_is_left_alone_longer_each_time_until_it_is_back(
    client: Open, tmp_path: Path, said: Said, hand: Hand
) -> None:
    asked: list[bytes] = []

    def broken(body: bytes) -> Lie:
        asked.append(body)
        return Lie(500, "text/plain", b"broken\n")

    state = WitnessState.create(tmp_path / "one", "one.example/w")
    with lying(broken) as url:
        witnesses = client(policy("a", policy_lines(state, "a", url)))
        pause = 1.0
        for expected in range(1, 10):
            assert not ask(witnesses, LOG).quorum
            assert not ask(witnesses, LOG).quorum
            assert len(asked) == expected, "it was asked again within the pause"
            hand.now += pause
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
        port = int(url.rpartition(":")[2])
    state.close()
    assert [line.partition(": ")[2] for line in said] == ["it answered 500: 'broken'"]
    with running(tmp_path / "one", LOG.vkeys, port=port):
        assert ask(witnesses, LOG).quorum
    assert said[-1].endswith("cosigns again")


FORGER = signing_key(COSIGNATURE, bytes([66]) * 32)


@pytest.mark.parametrize(
    ("lie", "why"),
    [
        (Lie(200, "text/plain", b"certainly\n"), "its answer is wrong: a signature line reads"),
        (Lie(200, "text/plain", b""), "no signature lines"),
        (Lie(200, "text/plain", b"\xff\xfe\n"), "no signature lines"),
        (Lie(200, "text/plain", FORGER.sign("f.example", LOG.checkpoint.body, 5).encode() + b"\n"), "other keys"),
        (Lie(409, "text/x.tlog.size", b"10000000000\n"), "has cosigned 10000000000 leaves"),
        (Lie(409, "text/x.tlog.size", b"0\n"), "it answered 409"),
        (Lie(409, "text/x.tlog.size", b"-1\n"), "it answered 409"),
        (Lie(409, "text/plain", b"5\n"), "it answered 409"),
        (Lie(409, "text/x.tlog.size", b"5\n"), "it answered 409: '5"),
        (Lie(404, "text/plain", b"\x1b[2Junknown log\n"), r"it answered 404: '\x1b[2Junknown log'"),
        (Lie(307, "text/plain", b"http://127.0.0.1:1/elsewhere"), "it answered 307"),
        (Lie(200, "text/plain", b"x" * (1 << 20)), "no signature lines"),
        (Lie(200, "text/plain", b"x" * (300 << 10), missing=1 << 40), "no signature lines"),
    ],
)
def test_a_witness_that_lies_is_not_believed(
    client: Open, two: tuple[Running, Running], said: Said, tmp_path: Path, lie: Lie, why: str
) -> None:
    one, _ = two
    liar = WitnessState.create(tmp_path / "liar", "liar.example/w")
    with lying(lambda _: lie) as url:
        witnesses = client(policy("either", one.lines("a"), policy_lines(liar, "b", url), "group either any a b\n"))
        cosigned = ask(witnesses, LOG)
    assert cosigned.quorum
    assert {line.split(" ")[1] for line in cosigned.lines} == {"one.example/w"}
    assert why in said[0]


def test_a_cosignature_of_another_checkpoint_is_not_taken(client: Open, tmp_path: Path, said: Said) -> None:
    liar = WitnessState.create(tmp_path / "liar", "liar.example/w")
    body = LOG.at(5).checkpoint.body
    lines = "".join(f"{key.sign('liar.example/w', body, 5)}\n" for key in liar.keys)
    timeless = "".join(f"{key.sign('liar.example/w', LOG.checkpoint.body, 0)}\n" for key in liar.keys)
    for answer, why in ((lines, "does not fit"), (timeless, "without a time")):
        with lying(lambda _, answer=answer: Lie(200, "text/plain", answer.encode())) as url:
            assert not ask(client(policy("b", policy_lines(liar, "b", url))), LOG).quorum
        assert why in said[-1]


def test_a_witness_that_tells_another_size_each_time_is_asked_only_so_often(
    client: Open, tmp_path: Path, said: Said
) -> None:
    sizes = iter(range(1, 500))
    liar = WitnessState.create(tmp_path / "liar", "liar.example/w")
    with lying(lambda _: Lie(409, "text/x.tlog.size", f"{next(sizes)}\n".encode())) as url:
        assert not ask(client(policy("b", policy_lines(liar, "b", url))), LOG).quorum
    assert "another size each time" in said[0]
    assert next(sizes) == 4


def test_a_witness_is_sent_the_signatures_of_the_log_only(client: Open, tmp_path: Path) -> None:
    bodies: list[bytes] = []

    def listen(body: bytes) -> Lie:
        bodies.append(body)
        return Lie(500, "text/plain", b"")

    liar = WitnessState.create(tmp_path / "liar", "liar.example/w")
    stranger = FORGER.sign("f.example", LOG.checkpoint.body, 5)
    with lying(listen) as url:
        witnesses = client(policy("b", policy_lines(liar, "b", url)))
        note = LOG.note
        witnesses.cosign(ORIGIN, with_signatures(note, [stranger]), lambda _: [])
    assert bodies == [f"old 0\n\n{note}".encode()]


def test_what_cannot_be_proven_is_not_asked(client: Open, two: tuple[Running, Running], said: Said) -> None:
    one, _ = two
    assert ask(client(policy("a", one.lines("a"))), LOG.at(5)).quorum

    def lost(old: int) -> list[bytes]:
        raise LookupError(old)

    assert not client(policy("a", one.lines("a"))).cosign(ORIGIN, LOG.note, lost).quorum
    assert "no proof from the 5 leaves" in said[0]


def test_a_policy_whose_quorum_nobody_can_fill_is_refused_at_once(two: tuple[Running, Running]) -> None:
    nowhere = policy_lines(two[0].state, "a", "")
    with pytest.raises(WitnessError, match="cannot fill the quorum 'a'"):
        Witnesses(policy("a", nowhere))
    witnesses = Witnesses(policy("none", nowhere))
    assert ask(witnesses, LOG) == ((), True)
    witnesses.close()


@pytest.mark.parametrize(
    "url",
    ["ftp://w.example", "http://", "https://user@w.example", "https://w.example?x", "https://w.example#x", "w.example",
     "http://w.example:99999", "http://w.ex\u00e4mple", "http://[::1"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused(url: str, two: tuple[Running, Running]) -> None:
    with pytest.raises(WitnessError, match="no address of a witness"):
        Witnesses(policy("a", policy_lines(two[0].state, "a", url)))


def test_an_address_may_have_a_path_and_a_trailing_slash() -> None:
    assert parse_url("https://w.example/internal/audit/") == (True, "w.example", None, "/internal/audit")
    assert parse_url("http://[::1]:8443") == (False, "::1", 8443, "")


def test_a_policy_file_is_opened_with_its_lines_named(tmp_path: Path) -> None:
    file = tmp_path / "witnesses.policy"
    file.write_text("quorum none\n")
    open_witnesses(file).close()
    file.write_text("quorum nobody\n")
    with pytest.raises(Exception, match="line 1: 'nobody' is not defined"):
        open_witnesses(file)
