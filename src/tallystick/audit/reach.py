"""What a client knows of how far its leaves have come, and who waits for them to come further."""

import asyncio
from typing import Final

from tallystick.audit.desk import Fields
from tallystick.audit.model import Level
from tallystick.audit.writer.frames import Progress
from tallystick.terms import TallyError, TenantId

_STRAYS_LIMIT: Final = 4096
Waiting = asyncio.Future[int] | asyncio.Future[None] | asyncio.Future[Fields]


class _Wanted:
    """Somebody who waits until a leaf has come so far."""

    __slots__ = ("future", "index", "level")

    def __init__(self, index: int, level: Level, future: asyncio.Future[None]) -> None:
        self.index = index
        self.level = level
        self.future = future

    def reached(self, known: Progress) -> bool:
        """Tell whether the leaf is there, or nobody waits any more."""
        return self.future.done() or self.index < (known.cosigned if self.level == "cosigned" else known.published)


class Reaching:
    """Follows the logs of all tenants. An index alone does not name a leaf: every year has a log of its own."""

    def __init__(self) -> None:
        # The newest log of each tenant, and which leaves went into the one before it.
        self._years: dict[TenantId, int] = {}
        self._strays: dict[tuple[TenantId, int], int] = {}
        self._progress: dict[tuple[str, int], Progress] = {}
        self._wanted: dict[tuple[str, int], list[_Wanted]] = {}

    def note(self, tenant: TenantId, year: int, indices: range) -> None:
        """Note which log some leaves went into."""
        newest = self._years.get(tenant, 0)
        if year >= newest:
            self._years[tenant] = year
            # An index of the log before may come again in this one.
            if self._strays:
                for index in indices:
                    self._strays.pop((tenant, index), None)
            return
        for index in indices:
            self._strays[tenant, index] = year
        while len(self._strays) > _STRAYS_LIMIT:
            del self._strays[next(iter(self._strays))]

    def year_of(self, tenant: TenantId, index: int) -> int:
        """Return the year of the log that a leaf went into."""
        return self._strays.get((tenant, index)) or self._years.get(tenant, 0)

    def want(self, tenant: TenantId, index: int, level: Level, future: asyncio.Future[None]) -> bool:
        """Resolve the future once a leaf has come so far; tells whether it has already."""
        place = (tenant, self.year_of(tenant, index))
        wanted, known = _Wanted(index, level, future), self._progress.get(place)
        if known is not None and wanted.reached(known):
            future.set_result(None)
            return True
        self._wanted.setdefault(place, []).append(wanted)
        return False

    def move(self, found: Progress) -> None:
        """Note how far a log has come, and let go whoever waits for no more."""
        place = (found.tenant, found.year)
        known = self._progress.get(place, found)
        # Two threads of the writer tell it, so an older word may come later.
        published, cosigned = max(known.published, found.published), max(known.cosigned, found.cosigned)
        found = self._progress[place] = Progress(found.tenant, found.year, published, cosigned)
        left: list[_Wanted] = []
        for wanted in self._wanted.pop(place, ()):
            if not wanted.reached(found):
                left.append(wanted)
            elif not wanted.future.done():
                wanted.future.set_result(None)
        if left:
            self._wanted[place] = left

    def fail(self, failure: TallyError) -> None:
        """Fail whoever waits: there is nobody any more to tell how far a log comes."""
        for waiting in self._wanted.values():
            for wanted in waiting:
                fail(wanted.future, failure)
        self._wanted.clear()


def fail(future: Waiting, failure: TallyError) -> None:
    """Give a future its failure, unless it has ended."""
    if not future.done():
        future.set_exception(failure)
        future.exception()  # a caller that was cancelled meanwhile will not fetch it; that is no warning
