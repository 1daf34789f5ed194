"""How far a record has come: published, cosigned, proven; and what was captured with it."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick import audit
from tallystick.audit import client as clients
from tallystick.audit.client import ORDERS_LIMIT, WriterClient, connect, start_writer
from tallystick.audit.model import Capture, Content, Cosigned, Cosigner, Unwritable
from tallystick.audit.payload import Gone
from tallystick.audit.reach import Reaching
from tallystick.audit.tlog.merkle import is_consistent
from tallystick.audit.tlog.note import Verifier, read_checkpoint, read_note, signature_line
from tallystick.audit.writer import frames, publish
from tallystick.audit.writer.sequence import Sequencer
from tallystick.terms import TallyError
from tests.audit.sample import BANK, Ticking, call_of, capture, denial, intent, outcome, payload
from tests.audit.writer.office import HOST, Desks, opened, running
from tests.interaction.processes import writers_of
from tests.interaction.waiting import BOUND_S, until

pytestmark = pytest.mark.anyio
LATE_DECEMBER = 1_798_761_599.0
"""2026-12-31T23:59:59Z."""


@asynccontextmanager
async def _client(
    state: Path, clock: Ticking | None = None, cosigner: Cosigner | None = None
) -> AsyncGenerator[tuple[WriterClient, Desks]]:
    """A client of a writer in this process."""
    ours, theirs = socket.socketpair()
    with running(state, [theirs], clock, cosigner) as desks:
        client = await connect(ours)
        try:
            yield client, desks
        finally:
            client.close()
            with anyio.move_on_after(BOUND_S):
                await client.closed


def _log(state: Path, year: int = 2026) -> Path:
    return state / "audit" / BANK / str(year)


async def test_a_record_that_has_to_be_published_is_under_a_checkpoint_before_the_wait_ends(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        for number in range(3):
            index = await recorder.append(BANK, denial(number))
            await recorder.reach(BANK, index, "durable")
            await recorder.reach(BANK, index, "published")
            (log,) = (tmp_path / "audit" / BANK).iterdir()
            assert audit.offline.size_of(log) > index
            await recorder.reach(BANK, index, "published")


async def test_nobody_waits_for_the_rest_of_the_publishers_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Were the pause kept, the second wait would take longer than the test.
    monkeypatch.setattr(publish, "PUBLISH_SECONDS", 10 * BOUND_S)
    with anyio.fail_after(BOUND_S):
        async with _client(tmp_path) as (recorder, _):
            for number in range(3):
                await recorder.reach(BANK, await recorder.append(BANK, denial(number)), "published")


async def test_what_is_published_because_a_client_goes_is_told_to_whoever_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The publisher only comes round when it is told to: what somebody else publishes is news all the same.
    monkeypatch.setattr(publish, "PUBLISH_SECONDS", 10 * BOUND_S)
    with anyio.fail_after(BOUND_S):
        async with _client(tmp_path) as (recorder, desks):
            first = await recorder.append(BANK, denial(0))
            desks.logs.orphan(4242)
            assert desks.logs.standing(BANK).published == first + 1
            await recorder.reach(BANK, first, "published")


async def test_a_proof_needs_nothing_but_the_key(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        indices = [await recorder.append(BANK, denial(number)) for number in range(5)]
        proofs = [await recorder.prove(BANK, index) for index in indices]
        with pytest.raises(TallyError, match="no leaf 99"):
            await recorder.order({"order": "prove", "tenant": BANK, "index": 99})
    (log,) = (tmp_path / "audit" / BANK).iterdir()
    vkey = audit.offline.read_vkey(log)
    for number, proof in enumerate(proofs):
        assert not isinstance(audit.offline.check_proof(proof, vkey, denial(number)), audit.offline.Damage)
        assert isinstance(audit.offline.check_proof(proof, vkey, denial(number + 1)), audit.offline.Damage)


async def test_a_writer_that_dies_fails_whoever_waits(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        index = await recorder.append(BANK, denial(0))
        (writer,) = writers_of(os.getpid())
        os.kill(writer, signal.SIGSTOP)
        waits = [recorder.reach(BANK, index, "cosigned"), recorder.order({"order": "status"})]
        os.kill(writer, signal.SIGKILL)
        for wait in waits:
            with pytest.raises(Unwritable, match="has gone"):
                await wait
        with pytest.raises(Unwritable, match="has gone"):
            recorder.reach(BANK, index, "published")


async def test_the_last_leaf_of_a_year_is_published_and_cosigned_too(tmp_path: Path) -> None:
    clock, witness = Ticking(LATE_DECEMBER), Witness()
    async with _client(tmp_path, clock, witness) as (recorder, _):
        witness.gate.clear()
        last = await recorder.append(BANK, denial(0))
        waits = [recorder.reach(BANK, last, level) for level in ("published", "cosigned")]
        clock.now += 10
        assert await recorder.append(BANK, denial(1)) == 1
        witness.gate.set()
        for wait in waits:
            await wait
        assert _cosigned(tmp_path, "cosigned") == (1, True)


async def test_outcomes_of_last_years_calls_are_followed_in_last_years_log(tmp_path: Path) -> None:
    clock = Ticking(LATE_DECEMBER)
    async with _client(tmp_path, clock) as (recorder, _):
        first = [await recorder.append(BANK, leaf) for leaf in (denial(0), denial(1), intent(2))]
        clock.now += 10
        assert await recorder.append(BANK, denial(3)) == 1, "after the leaf that opens the new log"
        ended = await recorder.append(BANK, outcome(2, first[2]))
        assert ended == 3
        await recorder.reach(BANK, ended, "published")
        assert audit.offline.size_of(_log(tmp_path)) == 4
        proof = await recorder.prove(BANK, ended)
    vkey = audit.offline.read_vkey(_log(tmp_path))
    assert not isinstance(audit.offline.check_proof(proof, vkey, outcome(2, first[2])), audit.offline.Damage)


async def test_a_checkpoint_of_as_many_leaves_as_an_index_does_not_cover_it() -> None:
    reaching, future = Reaching(), asyncio.get_running_loop().create_future()
    reaching.note(BANK, 2026, range(5, 6))
    assert not reaching.want(BANK, 5, "published", future)
    reaching.move(frames.Progress(BANK, 2026, 5, 6))
    assert not future.done()
    reaching.move(frames.Progress(BANK, 2026, 6, 6))
    assert future.done()
    late = asyncio.get_running_loop().create_future()
    assert not reaching.want(BANK, 6, "cosigned", late)


def test_an_index_that_comes_again_in_a_new_year_is_the_new_years() -> None:
    reaching = Reaching()
    reaching.note(BANK, 2026, range(7))
    reaching.note(BANK, 2027, range(1))
    reaching.note(BANK, 2026, range(7, 9))
    assert [reaching.year_of(BANK, index) for index in (0, 1, 8)] == [2027, 2027, 2026]
    reaching.note(BANK, 2027, range(1, 9))
    assert reaching.year_of(BANK, 8) == 2027


class Witness:
    """A witness that cosigns what is consistent with what it saw last, unless it is away."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._seen: dict[str, tuple[int, bytes]] = {}
        self.away = 0
        self.gate = threading.Event()
        self.gate.set()
        self.asked: list[int] = []

    def cosign(self, origin: str, checkpoint: str, prove: Callable[[int], list[bytes]]) -> Cosigned:
        """Answer as a quorum of one."""
        found = read_checkpoint(read_note(checkpoint).body)
        self.asked.append(found.size)
        assert self.gate.wait(BOUND_S)
        if self.away:
            self.away -= 1
            return Cosigned((), quorum=False)
        assert found.origin == origin
        seen = self._seen.get(origin)
        if seen is not None:
            assert is_consistent(seen, (found.size, found.root), prove(seen[0]))
        self._seen[origin] = (found.size, found.root)
        key = Verifier("witness", self._key.public_key().public_bytes_raw())
        line = signature_line("witness", key.key_id + self._key.sign(read_note(checkpoint).body.encode()))
        return Cosigned((line,), quorum=True)


def _cosigned(state: Path, name: str) -> tuple[int, bool]:
    """Size of a checkpoint that is shown, and whether the witness has signed it."""
    note = read_note((_log(state) / name).read_text())
    return read_checkpoint(note.body).size, any(signature.name == "witness" for signature in note.signatures)


async def test_a_record_that_has_to_be_cosigned_waits_for_the_quorum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "AGAIN_SECONDS", 0.01)
    witness = Witness()
    witness.away = 2
    async with _client(tmp_path, cosigner=witness) as (recorder, _):
        index = await recorder.append(BANK, denial(0))
        await recorder.reach(BANK, index, "cosigned")
        assert len(witness.asked) >= 3, "it is asked again until it answers"
        assert _cosigned(tmp_path, "checkpoint") == _cosigned(tmp_path, "cosigned") == (1, True)
        for number in range(1, 4):
            await recorder.reach(BANK, await recorder.append(BANK, denial(number)), "cosigned")
        assert "witness" in await recorder.prove(BANK, 3)


async def test_cosignatures_that_come_late_never_take_the_checkpoint_back(tmp_path: Path) -> None:
    witness = Witness()
    async with _client(tmp_path, cosigner=witness) as (recorder, _):
        witness.gate.clear()
        first = await recorder.append(BANK, denial(0))
        early = recorder.reach(BANK, first, "cosigned")
        await until(lambda: witness.asked == [1])
        second = await recorder.append(BANK, denial(1))
        await recorder.reach(BANK, second, "published")
        witness.gate.set()
        await early
        assert _cosigned(tmp_path, "checkpoint")[0] == 2
        await recorder.reach(BANK, second, "cosigned")
        assert _cosigned(tmp_path, "checkpoint") == _cosigned(tmp_path, "cosigned") == (2, True)
        assert audit.offline.verify_log(_log(tmp_path), audit.offline.read_vkey(_log(tmp_path))).ok


async def test_what_is_captured_can_be_revealed_once_its_leaf_is_published(tmp_path: Path) -> None:
    async with _client(tmp_path) as (recorder, desks):
        leaves = [(number, size) for number, size in enumerate((1, 1000, 100_000, 3 << 20, 70_000))]
        futures = [recorder.append(BANK, denial(number), capture(number, size)) for number, size in leaves]
        futures.append(recorder.append(BANK, denial(9)))
        assert [await future for future in futures] == [*range(6)]
        await recorder.reach(BANK, 5, "published")
        vault = desks.vaults.vault(BANK)
        for number, size in leaves:
            assert vault.reveal(call_of(number), "args") == payload(number, size)


async def test_a_capture_that_no_writer_takes_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    async with _client(tmp_path) as (recorder, _):
        for wrong in (
            Capture("alice", "standard", ()),
            Capture("a" * 64, "../elsewhere", ()),
            Capture("a" * 64, "standard", (Content("args", bytes(33 << 20)),)),
        ):
            with pytest.raises(ValueError, match=r"capture|payloads"):
                recorder.append(BANK, denial(0), wrong)
        assert await recorder.append(BANK, denial(0)) == 0


def test_a_payload_that_cannot_be_sealed_is_refused_and_the_others_of_its_round_go_on(tmp_path: Path) -> None:
    wrong = Capture("a" * 64, "standard", (Content("No Field", b"x"),))
    captures = [capture(0), wrong, capture(2)]
    pairs = [socket.socketpair() for _ in captures]
    alarm, far = socket.socketpair()
    told: list[tuple[int, int]] = []
    with opened(tmp_path) as desks, alarm, far:
        for number, ((ours, _), captured) in enumerate(zip(pairs, captures, strict=True)):
            ours.sendall(frames.framed(BANK, *frames.bundle_of([denial(number)], {0: frames.check_capture(captured)})))
            ours.shutdown(socket.SHUT_WR)
        Sequencer(desks.logs, b"hello").serve([theirs for _, theirs in pairs], alarm)
        for ours, _ in pairs:
            with ours:
                (_, (kind, number, _, _)), _ = frames.answers(ours.recv(4096))
            told.append((kind, frames.place_of(number)[1] if kind == frames.ACKNOWLEDGED else -1))
        desks.logs.publish()
        assert desks.logs.standing(BANK).size == 2
        assert desks.vaults.vault(BANK).reveal(call_of(2), "args") == payload(2)
    assert told == [(frames.ACKNOWLEDGED, 0), (frames.REFUSED, -1), (frames.ACKNOWLEDGED, 1)]


async def test_a_payload_that_is_refused_does_not_stop_the_writer(tmp_path: Path) -> None:
    async with _client(tmp_path) as (recorder, _):
        refused = recorder.append(BANK, denial(1), Capture("a" * 64, "standard", (Content("No Field", b"x"),)))
        with pytest.raises(Unwritable, match="names of their own"):
            await refused
        assert await recorder.append(BANK, denial(2), capture(2)) == 0


def test_a_payload_that_comes_too_late_with_its_leaf_is_not_kept(tmp_path: Path) -> None:
    with opened(tmp_path) as desks:
        desks.logs.append(BANK, [intent(0), intent(1)], [7, 8])
        desks.logs.orphan(7)
        captures = {0: capture(0), 1: capture(1)}
        runs = desks.logs.append(BANK, [outcome(0, 0), outcome(1, 1)], [8, 8], captures)
        assert [run.first for run in runs] == [None, 3]
        desks.logs.publish()
        vault = desks.vaults.vault(BANK)
        assert isinstance(vault.reveal(call_of(0), "args"), Gone)
        assert vault.reveal(call_of(1), "args") == payload(1)


async def test_the_bytes_that_wait_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PENDING_BYTES", 10_000)
    async with _client(tmp_path) as (recorder, _):
        futures = [recorder.append(BANK, denial(number), capture(number, 3000)) for number in range(2)]
        with pytest.raises(Unwritable, match="2 leaves wait"):
            recorder.append(BANK, denial(2), capture(2, 3000))
        assert [await future for future in futures] == [0, 1]
        assert await recorder.append(BANK, denial(2), capture(2, 3000)) == 2


async def test_the_orders_that_wait_are_bounded(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
        asked = {"order": "prove", "tenant": BANK, "index": 0}
        orders = [recorder.order(asked) for _ in range(ORDERS_LIMIT)]
        with pytest.raises(audit.Unwritable, match="orders wait"):
            recorder.order(asked)
        assert len({str((await order)["proof"]) for order in orders}) == 1
        assert await recorder.order(asked)


async def test_a_load_larger_than_a_frame_arrives_in_order(tmp_path: Path) -> None:
    async with _client(tmp_path) as (recorder, desks):
        futures = [recorder.append(BANK, denial(number), capture(number, 1 << 20)) for number in range(40)]
        assert await _all(futures) == [*range(40)]
        await recorder.reach(BANK, 39, "published")
        assert desks.vaults.vault(BANK).reveal(call_of(39), "args") == payload(39, 1 << 20)


async def _all(futures: Sequence["clients.asyncio.Future[int]"]) -> list[int]:
    return [await future for future in futures]
