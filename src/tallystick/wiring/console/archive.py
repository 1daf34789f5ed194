"""The record, as the console searches it: through the query index of the state directory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock

from anyio import to_thread

from tallystick.audit import index


class SearchedRecord:
    """Searches the logs of a state directory. Safe between threads: one question after the other."""

    def __init__(self, state: Path) -> None:
        """Take the state directory; the index is made by the first question."""
        self._state = state
        self._lock = Lock()

    async def search(self, query: index.Query) -> Sequence[Mapping[str, object]]:
        """Return the records that fit, by `index.COLUMNS`. Raises `TallyError` where log or index cannot be read."""
        return await to_thread.run_sync(self._search, query)

    def _search(self, query: index.Query) -> Sequence[Mapping[str, object]]:
        logs = sorted(path.parent for path in (self._state / "audit").glob("*/*/checkpoint"))
        with self._lock:
            found = index.Index(self._state / index.PLACE)
            try:
                found.follow(logs)
                return found.search(query)
            finally:
                found.close()
