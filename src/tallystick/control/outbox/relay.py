"""Brings the outbox to the record: each leaf is marked as given, appended until durable, and only then taken out.

What was given without an answer (a crash, a record that went away) is looked for in the record before it is given
again. So every change is on record exactly once, as far as the record can be asked; where it cannot, nothing moves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Final, Protocol

import anyio
from anyio import to_thread

from tallystick.audit import Unwritable
from tallystick.control.entries import Unrecorded
from tallystick.control.state import Control
from tallystick.terms import TallyError, TenantId

Append = Callable[[TenantId, bytes], Awaitable[int]]
"""Makes a leaf durable and returns its index; raises Unwritable."""

_BATCH: Final = 256
_FIRST_PAUSE_S: Final = 0.25
_LONGEST_PAUSE_S: Final = 5.0
_LOOK_S: Final = 1.0
"""Seconds between two looks whether it is our turn, or we are to stop."""


class Find(Protocol):
    """Asks the record which leaves it has."""

    def __call__(self, tenant: TenantId, ids: Sequence[str], /) -> Awaitable[frozenset[str]]:
        """Return those of the ids that a durable leaf of the tenant's logs has; raises `TallyError` if unanswerable.

        It must see everything that was durable before it was called.
        """
        ...


Order = Callable[[Mapping[str, object]], Awaitable[Mapping[str, object]]]
"""Gives an order to the writer of the record (`audit.desk`)."""


def found_by(order: Order) -> Find:
    """Ask the record by its writer's order `find`, which works wherever the record lives."""

    async def find(tenant: TenantId, ids: Sequence[str]) -> frozenset[str]:
        answer = await order({"order": "find", "tenant": tenant, "ids": list(ids)})
        found = answer.get("found")
        if not isinstance(found, list):
            raise TallyError(code="internal", message="the writer of the record does not say what it found")
        return frozenset(map(str, found))  # pyright: ignore[reportUnknownArgumentType] - JSON

    return find


class Relay:
    """Runs beside the console. Of several processes over one database, one relays at a time."""

    def __init__(self, control: Control, append: Append, find: Find) -> None:
        self._control, self._append, self._find = control, append, find
        self.failure: str | None = None
        self._is_first = True

    async def run(self) -> None:
        """Relay for ever. A record or a database that is away is tried again; `failure` says so meanwhile."""
        while True:
            try:
                with self._control.relaying() as mine:
                    if mine:
                        await self._relay()
            except TallyError as error:
                self.failure = error.message
            await anyio.sleep(_LOOK_S)

    async def drain(self) -> int:
        """Bring what is in the outbox now; return how many leaves. Raises `TallyError` as soon as one cannot be."""
        moved = 0
        while rows := await to_thread.run_sync(self._control.outbox, _BATCH):
            await self._bring(rows)
            moved += len(rows)
        self._is_first = False
        return moved

    async def _relay(self) -> None:
        pause, seen = _FIRST_PAUSE_S, -1
        while True:
            try:
                head = await to_thread.run_sync(self._control.head)
                await self.drain()
            except TallyError as error:
                self.failure = error.message
                await anyio.sleep(pause)
                pause = min(_LONGEST_PAUSE_S, pause * 2)
                continue
            self.failure, pause, seen = None, _FIRST_PAUSE_S, head
            look = partial(self._control.wait_for_change, seen, _LOOK_S)
            await to_thread.run_sync(look, abandon_on_cancel=True)

    async def _bring(self, rows: Sequence[Unrecorded]) -> None:
        # INVARIANT: what may be on record is not appended again before the record was asked, and what is taken out of
        # the outbox is on record.
        # What lies there at the start may come from a backup that was made before it was given out.
        there = await self._there([row for row in rows if row.doubtful or self._is_first])
        missing = [row for row in rows if row.id not in there]
        await to_thread.run_sync(self._control.tried, [row.number for row in missing])
        done = [row.number for row in rows if row.id in there]
        failure: Unwritable | None = None
        for row, answer in self._appended(missing):
            try:
                if not isinstance(answer, Unwritable):
                    await answer
                    done.append(row.number)
                    continue
                failure = answer
            except Unwritable as error:
                failure = error
        if done:
            await to_thread.run_sync(self._control.recorded, done)
        if failure is not None:
            raise failure

    def _appended(self, rows: Sequence[Unrecorded]) -> list[tuple[Unrecorded, Awaitable[int] | Unwritable]]:
        """Give them all to the writer, which makes one batch of them."""
        answers: list[tuple[Unrecorded, Awaitable[int] | Unwritable]] = []
        for row in rows:
            try:
                answers.append((row, self._append(row.tenant, row.leaf)))
            except Unwritable as error:
                answers.append((row, error))
        return answers

    async def _there(self, doubtful: Sequence[Unrecorded]) -> frozenset[str]:
        found: set[str] = set()
        for tenant in dict.fromkeys(row.tenant for row in doubtful):
            found |= await self._find(tenant, [row.id for row in doubtful if row.tenant == tenant])
        return frozenset(found)
