"""The thread that publishes tiles and checkpoints behind the commits."""

import socket
import threading

from tallystick.audit.model import Unwritable
from tallystick.audit.writer.logs import Logs

PUBLISH_SECONDS = 0.2


class Publisher(threading.Thread):
    """Publishes behind the commits, at most every 200 ms; tells the main loop through `broken` when it cannot."""

    def __init__(self, logs: Logs) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self._closing = threading.Event()
        self.broken, self._alarm = socket.socketpair()
        self.failure: Unwritable | None = None

    def run(self) -> None:
        """Publish until closed."""
        # INVARIANT: a publisher that ended by any error never publishes again; only a clean end takes this mark away.
        self.failure = Unwritable("the publisher ended by an unforeseen error; restart Tallystick to recover")
        try:
            while not self._closing.is_set():
                self._logs.fresh.wait()
                self._logs.fresh.clear()
                self._logs.publish()
                self._closing.wait(PUBLISH_SECONDS)
            self.failure = None
        except Unwritable as error:
            self.failure = error
        finally:
            self._alarm.close()

    def close(self) -> None:
        """Publish the rest; raises Unwritable."""
        self._closing.set()
        self._logs.fresh.set()
        self.join()
        if self.failure is not None:
            raise self.failure
        self._logs.publish()
