"""The record, as the console searches it: through the query index, with each leaf as it stands in its log."""

from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Final

from anyio import to_thread

from tallystick.api import Row, Wanted
from tallystick.audit import index, offline
from tallystick.terms import TenantId

_AFTER: Final = "\x7f"
"""Comes after every letter of a time, so that a bound with it takes in the moment itself."""


class SearchedRecord:
    """Searches the logs of a state directory. Safe between threads: one question after the other."""

    def __init__(self, state: Path) -> None:
        """Take the state directory; the index is made by the first question."""
        self._state = state
        self._lock = Lock()

    async def search(self, wanted: Wanted) -> tuple[Row, ...]:
        """Return leaves of one tenant, newest first. Raises `TallyError` where log or index cannot be read."""
        return await to_thread.run_sync(self._search, wanted)

    def _search(self, wanted: Wanted) -> tuple[Row, ...]:
        logs = sorted(path.parent for path in (self._state / "audit" / wanted.tenant).glob("*/checkpoint"))
        if not logs:
            return ()
        with self._lock:
            found = index.Index(self._state / index.PLACE)
            try:
                found.follow(logs)
                rows = found.search(self._query(wanted, logs))
            finally:
                found.close()
        by_origin = {log.name: log for log in logs}
        return tuple(_rows(rows, wanted, by_origin))[: wanted.limit]

    def _query(self, wanted: Wanted, logs: list[Path]) -> index.Query:
        until = wanted.until
        if wanted.before is not None:
            year, number = wanted.before
            log = next((log for log in logs if log.name == str(year)), None)
            told = _leaf(log, number) if log is not None else None
            until = str(told["ts"]) + _AFTER if told is not None else until
        return index.Query(
            person=wanted.subject,
            server=wanted.server,
            tool=wanted.tool,
            tenant=wanted.tenant,
            kind=wanted.kind,
            since=wanted.since,
            until=until,
            limit=wanted.limit + _SAME_MOMENT,
        )


_SAME_MOMENT: Final = 256
"""Leaves of one microsecond that a page may have to pass over: a batch of the writer is far smaller."""


def _rows(found: list[dict[str, object]], wanted: Wanted, logs: dict[str, Path]) -> Iterator[Row]:
    for one in found:
        year, number = str(one["log"]).rpartition("/")[2], int(str(one["index"]))
        log = logs.get(year)
        if log is None or (wanted.before is not None and (int(year), number) >= wanted.before):
            continue
        told = _leaf(log, number)
        if told is not None:
            yield Row(TenantId(wanted.tenant), int(year), number, told)


def _leaf(log: Path, number: int) -> dict[str, object] | None:
    for _, raw in offline.read_leaves(log, range(number, number + 1)):
        return dict(offline.read_fields(raw))
    return None
