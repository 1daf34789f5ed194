"""PostgreSQL tells when something is published (LISTEN and NOTIFY), over a connection of its own that comes back."""

from collections.abc import Callable
from threading import Event, Thread
from typing import Final

CHANNEL: Final = "tallystick_control"
"""Where a process tells the others. They look at the tables, so a message has no content that could be wrong."""

_AGAIN_S: Final = 1.0


class Listener(Thread):
    """Calls `wake` for every message, and whenever it may have missed one. A net of polling is its caller's."""

    def __init__(self, dsn: str, wake: Callable[[], None]) -> None:
        super().__init__(daemon=True, name="control-listener")
        self._dsn, self._wake = dsn, wake
        self._ended = Event()

    def run(self) -> None:
        """Listen until `end`; a connection that is lost is made again."""
        import psycopg  # noqa: PLC0415 - an extra: only who has chosen PostgreSQL needs it

        while not self._ended.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True) as connection:
                    connection.execute("LISTEN " + CHANNEL)
                    # Whatever was said while nobody listened.
                    self._wake()
                    while not self._ended.is_set():
                        for _ in connection.notifies(timeout=_AGAIN_S, stop_after=1):
                            self._wake()
            except psycopg.Error:
                self._ended.wait(_AGAIN_S)

    def end(self) -> None:
        """Let it end within a second; does not wait."""
        self._ended.set()
