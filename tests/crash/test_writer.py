"""kill -9 of the writer under load, again and again: nothing acknowledged is lost, no index is used twice."""

import asyncio
import os
import signal
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random

import anyio
import pytest

from tallystick import audit
from tallystick.audit.client import WriterClient, connect, start_writer
from tallystick.audit.model import Capture, Content
from tallystick.audit.payload import open_provider, open_vaults
from tests.audit.sample import BANK, Ticking, call_of, intent, outcome, payload
from tests.crash.nursery import Nursery, nursery
from tests.interaction.waiting import until
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
HOST = "localhost"
CALLERS = 16
SIZES = (40, 300, 300, 2000, 70_000)
"""Bytes of payloads: within a sector, over some, over many."""


class Load:
    """Calls in parallel that append intents and outcomes with payloads, and remember what was acknowledged."""

    def __init__(self, recorder: WriterClient, numbers: "count[int]", until: int) -> None:
        self._recorder = recorder
        self._numbers = numbers
        self._until = until
        self.acknowledged: dict[int, bytes] = {}
        self.captured: set[tuple[int, str]] = set()
        self.enough = asyncio.Event()

    async def run(self) -> None:
        """Call until the writer is gone."""
        try:
            while True:
                number = next(self._numbers)
                index = await self._append(number, intent(number), "args")
                if number % 3:
                    await self._append(number, outcome(number, index), "result")
        except audit.Unwritable:
            self.enough.set()

    async def _append(self, number: int, leaf: bytes, field: str) -> int:
        content = Content(field, payload(number, SIZES[number % len(SIZES)]))
        captured = Capture(f"{number % 50:064x}", "standard", (content,)) if number % 7 else None
        index = await self._recorder.append(BANK, leaf, captured)
        assert index not in self.acknowledged, "no index is given twice"
        self.acknowledged[index] = leaf
        if captured is not None:
            self.captured.add((number, field))
        if len(self.acknowledged) >= self._until:
            self.enough.set()
        return index


async def _live(writers: Nursery, state: Path, numbers: "count[int]", until_killed: int) -> Load:
    """Let one writer live until so many leaves are acknowledged, and kill it."""
    pid, ours = writers.spawn(state, HOST)
    with closing(ours):
        load = Load(await connect(ours), numbers, until_killed)
        async with anyio.create_task_group() as calls:
            for _ in range(CALLERS):
                calls.start_soon(load.run)
            await load.enough.wait()
            os.kill(pid, signal.SIGKILL)
    # A process may be a zombie while a thread of it still syncs, and holds the lock: it has gone when it is taken away.
    await until(lambda: not Path(f"/proc/{pid}").exists())
    return load


async def _kill_and_recover(state: Path, rounds: int) -> None:
    acknowledged: dict[int, bytes] = {}
    captured: set[tuple[int, str]] = set()
    numbers, random = count(), Random(rounds)  # noqa: S311 - the same rounds every time
    with nursery() as writers:
        for _ in range(rounds):
            load = await _live(writers, state, numbers, random.randint(1, 150))
            assert not acknowledged.keys() & load.acknowledged.keys(), "no index is used again after a restart"
            acknowledged |= load.acknowledged
            captured |= load.captured
    async with start_writer(state, HOST):
        pass
    _check_log(state, acknowledged)
    _check_payloads(state, captured)


def _check_log(state: Path, acknowledged: dict[int, bytes]) -> None:
    (log,) = (state / "audit" / BANK).iterdir()
    report = audit.offline.verify_log(log, audit.offline.read_vkey(log))
    assert report.damage == ()
    leaves = [leaf for _, leaf in audit.offline.read_leaves(log, range(report.size))]
    assert {index: leaves[index] for index in acknowledged} == acknowledged
    fields = [audit.offline.read_fields(leaf) for leaf in leaves]
    ended = [each["intent"] for each in fields if each["kind"] in ("outcome", "in_doubt")]
    intents = [index for index, each in enumerate(fields) if each["kind"] == "intent"]
    assert sorted(map(int, map(str, ended))) == intents, "each intent is closed once, and in doubt only without outcome"
    assert len({each["id"] for each in fields if each["kind"] == "intent"}) == len(intents)


def _check_payloads(state: Path, captured: set[tuple[int, str]]) -> None:
    vaults = open_vaults(state, open_provider(state), Ticking())
    vault = vaults.vault(BANK)
    for number, field in captured:
        assert vault.reveal(call_of(number), field) == payload(number, SIZES[number % len(SIZES)]), (number, field)
    vaults.close()


@requirement("record:crash:acknowledged", "record:crash:indices", "record:in-doubt", "record:verifies")
async def test_a_killed_writer_loses_nothing_and_knows_what_is_in_doubt(tmp_path: Path) -> None:
    await _kill_and_recover(tmp_path, 50)


@pytest.mark.live
@pytest.mark.crash
@requirement("record:crash:acknowledged", "record:crash:indices", "record:in-doubt", "record:verifies")
async def test_a_writer_killed_again_and_again_loses_nothing(tmp_path: Path, crash_rounds: int) -> None:
    # Its rounds are cheap: a thousand where a round of the whole gateway is run a hundred times.
    await _kill_and_recover(tmp_path, 10 * crash_rounds)
