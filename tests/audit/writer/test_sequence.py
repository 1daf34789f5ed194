"""One writer for several clients: one order, one group commit, and nobody is hurt by a client that fails."""

import os
import resource
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import closing, contextmanager
from pathlib import Path

import anyio
import msgspec
import pytest

from tallystick import audit
from tallystick.audit.client import WriterClient, join_writer, start_writer
from tallystick.audit.leaf.call import configured, in_doubt, opening
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Capture, Content, Event
from tallystick.audit.tlog.tiles import pack
from tallystick.audit.writer import frames
from tallystick.audit.writer.frames import (
    ANSWER,
    CAPTURED,
    FRAME,
    HURRY,
    LEAVES,
    ONCE,
    ORDER,
    PROTOCOL,
    READY,
    Progress,
)
from tallystick.audit.writer.sequence import ANSWERS_LIMIT, Run, Sequencer
from tallystick.terms import TenantId
from tests.audit.sample import BANK, NOON, call_of, denial, intent, outcome
from tests.interaction.processes import kill, writers_of
from tests.interaction.waiting import BOUND_S, until

pytestmark = pytest.mark.anyio
HOST = "localhost"
OTHER = TenantId("other")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the writer of this test listens."""
    return tmp_path / "run" / "audit.sock"


@pytest.fixture
async def owner(tmp_path: Path, path: Path) -> AsyncGenerator[WriterClient]:
    """The client that keeps the writer alive, as the parent of workers does."""
    async with start_writer(tmp_path, HOST, initialize=True, listen=path) as client:
        yield client


def _fields(state: Path, tenant: str = BANK) -> list[dict[str, object]]:
    (log,) = (state / "audit" / tenant).iterdir()
    report = audit.offline.verify_log(log, audit.offline.read_vkey(log))
    assert report.damage == ()
    return [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, range(report.size))]


async def test_clients_share_one_order_and_each_learns_its_own_indices(
    owner: WriterClient, path: Path, tmp_path: Path
) -> None:
    assert [entry.stat().st_mode & 0o777 for entry in (path.parent, path)] == [0o700, 0o600]
    async with join_writer(path) as one, join_writer(path) as two:
        assert (one.commitment_key, one.host) == (owner.commitment_key, HOST)
        found: list[int] = []
        for turn in range(20):
            futures = [
                client.append(tenant, denial(turn)) for client in (one, two, owner) for tenant in (BANK, OTHER, BANK)
            ]
            indices = [await future for future in futures]
            assert all(before < after for before, after in zip(indices[::3], indices[2::3], strict=True))
            found += [index for place, index in enumerate(indices) if place % 3 != 1]
        assert sorted(found) == list(range(120)), "no index is given twice"
    owner.close()
    await owner.closed
    await until(lambda: not writers_of(os.getpid()))
    assert len([each for each in _fields(tmp_path) if each["kind"] == "denial"]) == 120


async def test_a_client_that_goes_leaves_its_open_intents_in_doubt_and_nobody_elses(
    owner: WriterClient, path: Path, tmp_path: Path
) -> None:
    async with join_writer(path) as one, join_writer(path) as two:
        mine = [await one.append(BANK, intent(number)) for number in range(3)]
        theirs = [await two.append(BANK, intent(number)) for number in range(3, 6)]
        await one.append(BANK, outcome(0, mine[0]))
        one.close()
        await one.closed
        # What the gone client left is closed before anything later of the others is taken.
        assert await two.append(BANK, outcome(3, theirs[0])) == 9
        with pytest.raises(audit.Unwritable, match="comes too late"):
            await two.append(BANK, outcome(1, mine[1]))
        later = [two.append(BANK, denial(9)), two.append(BANK, outcome(2, mine[2])), two.append(BANK, denial(10))]
        assert [await later[0], await later[2]] == [10, 11]
        with pytest.raises(audit.Unwritable, match="comes too late"):
            await later[1]
    assert await owner.append(BANK, denial(11)) == 14
    owner.close()
    await owner.closed
    await until(lambda: not writers_of(os.getpid()))
    fields = _fields(tmp_path)
    assert [each["intent"] for each in fields if each["kind"] == "in_doubt"] == [*mine[1:], *theirs[1:]]


async def test_a_leaf_is_appended_once_for_all_clients_until_its_value_changes(owner: WriterClient, path: Path) -> None:
    async def put(client: WriterClient, value: str) -> int:
        return await client.append_once(BANK, b"configuration", value.encode(), configured(BANK, value, None, NOON))

    async with join_writer(path) as one, join_writer(path) as two:
        assert [await put(client, "sha256:a") for client in (one, two, owner)] == [0, 0, 0]
        assert [await put(client, "sha256:b") for client in (two, one)] == [1, 1]
        assert await put(one, "sha256:a") == 2, "what was in force before is in force anew"
        # Its answer takes its turn among those of other leaves.
        futures = [one.append(BANK, denial(0)), one.append(OTHER, denial(0))]
        again = one.append_once(BANK, b"configuration", b"sha256:a", b"{}")
        futures.append(one.append(BANK, denial(1)))
        assert [await future for future in futures] == [3, 0, 4]
        assert await again == 2


async def test_what_was_refused_once_is_not_taken_for_written_the_next_time(owner: WriterClient) -> None:
    nobody = TenantId("no/tenant")
    for _ in range(2):
        with pytest.raises(audit.Unwritable, match="no name of a tenant"):
            await owner.append_once(nobody, b"configuration", b"sha256:a", configured(nobody, "sha256:a", None, NOON))


def _raw(path: Path) -> socket.socket:
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(BOUND_S)
    stream.connect(str(path))
    kind, length, version = ANSWER.unpack(stream.recv(ANSWER.size))
    assert (kind, version) == (READY, PROTOCOL)
    assert len(stream.recv(length)) == length
    return stream


_BUNDLE = pack([denial(0)])
_KEY = {"purpose": "checkpoint", "action": "introduced", "keys": ["mine+00000000+AAAA"], "operator": "mallory"}
_HOLD = {"hold": "case-12", "action": "released", "matter": "none", "operator": "mallory"}
_BY = {"operator": "mallory", "basis": "none", "keys": 0, "payloads": 0, "holds_checked": 0}
_ERASURE = {**_BY, "action": "erase", "classes": ["standard"], "subject": "0" * 64}
_BEAT = {"every_s": 60, "size": 0, "opened": 0}


_ONLY_THE_WRITERS = [
    event(Event("key", call_of(1), NOON, BANK, _KEY)),
    event(Event("hold", call_of(1), NOON, BANK, _HOLD)),
    event(Event("erasure", call_of(1), NOON, BANK, _ERASURE)),
    event(Event("heartbeat", call_of(1), NOON, BANK, _BEAT)),
    in_doubt(call_of(1), BANK, 0, NOON),
    opening(BANK, ("localhost/bank/2025", 0, "0" * 64), NOON),
]


async def test_a_client_that_writes_what_only_the_writer_writes_is_dropped(owner: WriterClient, path: Path) -> None:
    for leaf in _ONLY_THE_WRITERS:
        bundle = pack([denial(0), leaf])
        with closing(_raw(path)) as stream:
            stream.sendall(FRAME.pack(len(bundle), 4, LEAVES) + b"bank" + bundle)
            assert await anyio.to_thread.run_sync(stream.recv, 100) == b"", f"closed without an answer: {leaf!r}"
    assert await owner.append(BANK, denial(0)) == 0


_NOWHERE = msgspec.msgpack.encode(Capture("0" * 64, "../../keys", (Content("args", b"{}"),)))
_ASTRAY = frames.bundle_of([denial(0)], {0: _NOWHERE})[1]
_GARBAGE = [
    b"GET / HTTP/1.1\r\nhost: x\r\n\r\n",
    b"\xff" * 100,
    FRAME.pack(frames.BUNDLE_LIMIT + 1, 4, LEAVES),
    FRAME.pack(len(_BUNDLE), 4, 7) + b"bank" + _BUNDLE,
    FRAME.pack(len(_BUNDLE), 4, CAPTURED) + b"bank" + _BUNDLE,
    FRAME.pack(len(_BUNDLE) + 6, 4, CAPTURED) + b"bank" + _BUNDLE + b"\0\0\0\2no",
    FRAME.pack(len(_ASTRAY), 4, CAPTURED) + b"bank" + _ASTRAY,
    FRAME.pack(2, 0, ORDER) + b"{}",
    FRAME.pack(1, 0, HURRY) + b"x",
    FRAME.pack(len(_BUNDLE) - 1, 4, LEAVES) + b"bank" + _BUNDLE[:-1],
    FRAME.pack(0, 4, LEAVES) + b"bank",
    FRAME.pack(2, 4, LEAVES) + b"bank\0\0",
    FRAME.pack(len(_BUNDLE), 2, LEAVES) + b"\xff\xfe" + _BUNDLE,
    FRAME.pack(len(_BUNDLE), 4, ONCE) + b"bank" + _BUNDLE,
    FRAME.pack(9002, 4, LEAVES) + b"bank" + pack([bytes(9000)]),
]


async def test_a_client_that_sends_garbage_is_dropped_and_the_others_go_on(owner: WriterClient, path: Path) -> None:
    for garbage in _GARBAGE:
        with closing(_raw(path)) as stream:
            stream.sendall(garbage)
            assert await anyio.to_thread.run_sync(stream.recv, 100) == b"", (
                f"closed without an answer: {garbage[:40]!r}"
            )
    assert await owner.append(BANK, denial(0)) == 0


async def test_a_frame_cut_short_by_a_client_that_dies_is_not_recorded(owner: WriterClient, path: Path) -> None:
    with closing(_raw(path)) as stream:
        stream.sendall(FRAME.pack(len(_BUNDLE), 4, LEAVES) + b"bank" + _BUNDLE[:-1])
    assert await owner.append(BANK, denial(0)) == 0


async def test_a_client_that_does_not_read_is_never_waited_for(owner: WriterClient, path: Path) -> None:
    with closing(_raw(path)) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        one = pack([denial(0)])
        frames = (FRAME.pack(len(one), 4, LEAVES) + b"bank" + one) * 40_000
        await anyio.to_thread.run_sync(stream.sendall, frames)
        assert await owner.append(BANK, denial(1)) <= 40_000
        answers = 0
        while answers < 40_000 * ANSWER.size:
            answers += len(await anyio.to_thread.run_sync(stream.recv, 1 << 20))
    assert await owner.append(BANK, denial(2)) == 40_001


async def test_a_client_joins_again_when_the_writer_is_back_and_nothing_acknowledged_is_lost(
    tmp_path: Path, path: Path
) -> None:
    async with (
        start_writer(tmp_path, HOST, initialize=True, listen=path),
        join_writer(path) as client,
        anyio.create_task_group() as group,
    ):
        group.start_soon(client.stay, path)
        (writer,) = writers_of(os.getpid())
        first = await client.append(BANK, intent(0))
        kill(writer)
        await until(lambda: not client.connected)
        with pytest.raises(audit.Unwritable, match=r"has gone|no audit writer"):
            client.append(BANK, denial(1))
        async with start_writer(tmp_path, HOST, listen=path):
            await until(lambda: client.connected)
            with pytest.raises(audit.Unwritable, match="comes too late"):
                await client.append(BANK, outcome(0, first))
            assert await client.append(BANK, denial(2)) == 3
            group.cancel_scope.cancel()
            client.close()
    assert [each["kind"] for each in _fields(tmp_path)] == [
        "intent",
        "in_doubt",
        "heartbeat",
        "denial",
        "heartbeat",
    ]


async def test_a_client_stays_away_from_the_writer_of_another_record(tmp_path: Path) -> None:
    path = tmp_path / "run" / "audit.sock"
    async with start_writer(tmp_path / "a", HOST, initialize=True, listen=path), join_writer(path) as client:
        client.close()
        await client.closed
        async with start_writer(tmp_path / "b", HOST, initialize=True, listen=path):
            with pytest.raises(audit.Unwritable, match="another one than before"):
                await client.join(path)
            with pytest.raises(audit.Unwritable, match="another one than before"):
                client.append(BANK, denial(0))


async def test_nobody_listens_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(audit.Unwritable, match="no audit writer listens at"):
        async with join_writer(tmp_path / "nothing.sock"):
            pytest.fail("it joined")


class _Paper:
    """A ledger that only counts."""

    def __init__(self) -> None:
        self.commits: list[tuple[str, int]] = []
        self.orphaned: list[int] = []

    def append(self, tenant: str, leaves: list[bytes] | object, owners: object, captures: object) -> list[Run]:
        """Number the leaves."""
        del owners, captures
        assert isinstance(leaves, list)
        first = sum(size for name, size in self.commits if name == tenant)
        self.commits.append((tenant, len(leaves)))  # pyright: ignore[reportUnknownArgumentType] - only counted
        return [Run(first, len(leaves))]  # pyright: ignore[reportUnknownArgumentType] - only counted

    def orphan(self, owner: int) -> None:
        """Note who has gone."""
        self.orphaned.append(owner)

    def progress(self) -> list[Progress]:
        """Tell nothing."""
        return []

    def hurry(self) -> None:
        """Never do."""


@contextmanager
def _sequencing(ledger: _Paper, streams: list[socket.socket]) -> Generator[None]:
    alarm, far = socket.socketpair()
    sequencer = Sequencer(ledger, b"hello")
    thread = threading.Thread(target=sequencer.serve, args=(streams, alarm))
    yield
    thread.start()
    thread.join(BOUND_S)
    assert not thread.is_alive()
    for each in (alarm, far):
        each.close()


def test_what_has_arrived_from_all_clients_is_one_commit_for_each_log() -> None:
    ledger = _Paper()
    pairs = [socket.socketpair() for _ in range(4)]
    one = pack([denial(0)])
    with _sequencing(ledger, [theirs for _, theirs in pairs]):
        for ours, _ in pairs:
            for tenant in (b"bank", b"other", b"bank"):
                ours.sendall(FRAME.pack(len(one), len(tenant), LEAVES) + tenant + one)
            ours.shutdown(socket.SHUT_WR)
    assert ledger.commits == [("bank", 8), ("other", 4)]
    assert sorted(ledger.orphaned) == [1, 2, 3, 4]
    for place, (ours, _) in enumerate(pairs):
        told = ours.recv(4096)[ANSWER.size + len(b"hello") :]
        answers = [ANSWER.unpack_from(told, at)[1] for at in range(0, len(told), ANSWER.size)]
        assert answers == [2 * place, place, 2 * place + 1], "in the order of its own frames"
        ours.close()


def test_a_client_that_leaves_its_answers_unread_is_dropped() -> None:
    ledger, (ours, theirs), (alarm, far) = _Paper(), socket.socketpair(), socket.socketpair()
    sequencer = Sequencer(ledger, b"hello")
    thread = threading.Thread(target=sequencer.serve, args=([theirs], alarm), daemon=True)
    thread.start()
    sequencer.post(None, bytes(ANSWERS_LIMIT + (1 << 20)))
    thread.join(BOUND_S)
    assert not thread.is_alive(), "nobody is left to serve"
    for each in (ours, alarm, far):
        each.close()


def test_nobody_waits_for_the_open_intents_of_a_client_that_never_had_one() -> None:
    ledger, (ours, theirs) = _Paper(), socket.socketpair()
    with _sequencing(ledger, [theirs]):
        ours.sendall(FRAME.pack(6, 0, ORDER) + b"\0\0\0\1{}")
        ours.shutdown(socket.SHUT_WR)
    ours.close()
    assert ledger.orphaned == []


async def test_a_writer_may_open_as_many_files_as_its_machine_allows(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 512), hard))
    try:
        async with start_writer(tmp_path, HOST, initialize=True):
            (writer,) = writers_of(os.getpid())
            told = resource.prlimit(writer, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert told == (hard, hard)


async def test_another_user_is_not_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours, theirs = socket.socketpair()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "here"))
    listener.listen()
    alarm, far = socket.socketpair()
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    thread = threading.Thread(target=Sequencer(_Paper(), b"hello", listener).serve, args=([theirs], alarm))
    thread.start()
    with closing(socket.socket(socket.AF_UNIX)) as stream:
        stream.settimeout(BOUND_S)
        stream.connect(str(tmp_path / "here"))
        assert stream.recv(100) == b""
    ours.close()
    thread.join(BOUND_S)
    assert "is not let in" in capsys.readouterr().err
    for each in (alarm, far, listener):
        each.close()
