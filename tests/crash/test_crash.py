"""kill -9 under load, at every step of a call.

Nothing acknowledged is lost, no index is used twice, the in-doubt set is exact.
"""

from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from random import Random

import anyio
import pytest

from tests.crash.account import Account
from tests.crash.bank import CALLERS, Bank, founded
from tests.interaction.waiting import BOUND_S
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

VICTIMS = ("gateway", "writer", "both")
POINTS = ("first arrival", "all in flight", "first answer", "under load")
"""When the kill comes: one call has reached the server and the others are before it; all of them are at the server; the
server has let them go and the first answer is back; after any number of answers."""
ROUNDS = list(product(POINTS, VICTIMS))
ROUNDS_OF_SEVERAL = list(product(POINTS, ("gateway", "writer", "worker")))
"""With several workers `gateway` is their parent, and a writer that was killed is started again under the load."""


async def _live(bank: Bank, point: str, victim: str, after: int) -> None:
    """Run callers against the gateway until it is killed; nothing of it runs afterwards."""
    counting = bank.counting
    counting.waiting = 0
    counting.gate = anyio.Event()
    answers = 0
    killed = anyio.Event()
    if point == "under load":
        counting.gate.set()

    conditions: dict[str, Callable[[], bool]] = {
        "first arrival": lambda: counting.waiting > 0,
        "all in flight": lambda: counting.waiting == CALLERS,
        "first answer": lambda: answers > 0,
        "under load": lambda: answers >= after,
    }

    def look() -> None:
        if point == "first answer" and counting.waiting == CALLERS:
            counting.gate.set()
        if not killed.is_set() and conditions[point]():
            bank.kill(victim)
            killed.set()
            counting.gate.set()

    def answered() -> None:
        nonlocal answers
        answers += 1
        look()

    counting.noticed = look
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as group:
            for caller in bank.callers:
                caller.answered = answered
                group.start_soon(caller.run)
    assert killed.is_set()
    await bank.bury()


async def _crash(folder: Path, rounds: Sequence[tuple[str, str]], seed: int, workers: int = 0) -> Account:
    random = Random(seed)  # noqa: S311 - the same rounds every time
    async with founded(folder) as bank:
        bank.workers = workers
        account = Account(bank)
        await bank.start()
        for number, (point, victim) in enumerate(rounds):
            await _live(bank, point, victim, random.randint(50, 600))
            await bank.start()
            account.settle()
            if number % 10 == 9:
                account.verify()
        account.verify()
        bank.kill("both")
        await bank.bury()
    return account


@requirement("record:crash:acknowledged", "record:crash:indices", "record:in-doubt", "record:verifies")
async def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    rounds = [("all in flight", "gateway"), ("first answer", "writer"), ("under load", "both")]
    account = await _crash(tmp_path, rounds, seed=1)
    # Both halves are seen: a life with all calls at the server leaves each of them in doubt.
    assert account.in_doubt >= CALLERS
    assert account.indices


@pytest.mark.live
@pytest.mark.crash
@requirement("record:crash:acknowledged", "record:crash:indices", "record:in-doubt", "record:verifies")
async def test_no_kill_at_any_step_loses_anything(tmp_path: Path, crash_rounds: int) -> None:
    rounds = [ROUNDS[number % len(ROUNDS)] for number in range(crash_rounds)]
    account = await _crash(tmp_path, rounds, seed=2)
    assert account.in_doubt


@pytest.mark.live
@pytest.mark.crash
@requirement("record:crash:acknowledged", "record:crash:indices", "record:in-doubt", "record:verifies")
async def test_no_kill_among_several_workers_loses_anything(tmp_path: Path, crash_rounds: int) -> None:
    rounds = [ROUNDS_OF_SEVERAL[number % len(ROUNDS_OF_SEVERAL)] for number in range(crash_rounds)]
    account = await _crash(tmp_path, rounds, seed=3, workers=2)
    assert account.indices
