"""The threads behind the commits: one publishes tiles and checkpoints, one has witnesses cosign them."""

import socket
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Final

from tallystick.audit.log import Log
from tallystick.audit.model import Cosigner, Unwritable
from tallystick.audit.tlog.merkle import consistency
from tallystick.audit.tlog.tiles import tile_node
from tallystick.audit.writer.frames import Progress
from tallystick.audit.writer.logs import Logs
from tallystick.terms import TallyError

PUBLISH_SECONDS: Final = 0.2
AGAIN_SECONDS: Final = 1.0
"""After a round without a quorum: witnesses have back-offs of their own."""

Tell = Callable[[Sequence[Progress]], None]
"""Told how far logs have come, from any thread."""


class Publisher(threading.Thread):
    """Publishes behind the commits, at most every 200 ms unless somebody waits for it.

    Tells the main loop through `broken` when it cannot.
    """

    def __init__(self, logs: Logs, tell: Tell) -> None:
        super().__init__(daemon=True, name="publisher")
        self._logs = logs
        self._tell = tell
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
                # Cleared before publishing: whoever hurries after this has leaves that the next turn publishes.
                self._logs.hurried.clear()
                self._logs.fresh.clear()
                self._logs.publish()
                # Whoever publishes (a full backlog, a client that goes) has set `fresh`: it is told here.
                self._tell(self._logs.news())
                self._logs.hurried.wait(PUBLISH_SECONDS)
            self.failure = None
        except Unwritable as error:
            self.failure = error
        finally:
            self._alarm.close()

    def end(self, within_s: float | None = None) -> None:
        """End after what is being published now."""
        self._closing.set()
        self._logs.fresh.set()
        self._logs.hurried.set()
        self.join(within_s)

    def close(self) -> None:
        """Publish the rest; raises Unwritable."""
        self.end()
        if self.failure is not None:
            raise self.failure
        self._logs.publish()


class Witnessing(threading.Thread):
    """Has each published checkpoint cosigned, the newest of a log first, until closed."""

    def __init__(self, logs: Logs, cosigner: Cosigner, tell: Tell) -> None:
        super().__init__(daemon=True, name="witnessing")
        self._logs = logs
        self._cosigner = cosigner
        self._tell = tell
        self._closing = threading.Event()
        self.fresh = threading.Event()
        # What the last life left without a quorum is sent at once.
        self.fresh.set()

    def run(self) -> None:
        """Ask until closed. A log that cannot be written any more is told by its publisher."""
        try:
            while not self._closing.is_set():
                self.fresh.wait()
                self.fresh.clear()
                asked = [self._ask(log) for log in self._logs.open_logs()]
                if not all(asked):
                    self._closing.wait(AGAIN_SECONDS)
                    self.fresh.set()
        except Unwritable as error:
            sys.stderr.write(f"audit writer: no more cosignatures: {error.message}\n")

    def close(self) -> None:
        """End after the round that goes on: nobody waits for a witness that does not answer."""
        self._closing.set()
        self.fresh.set()

    def _ask(self, log: Log) -> bool:
        """Have the newest checkpoint of a log cosigned; False where that has to be tried again."""
        body = log.body
        size = int(body.split("\n")[1])
        # Nothing stands in an empty log, and witnesses refuse its checkpoint (C2SP tlog-witness).
        if size <= log.cosigned:
            return True
        try:
            found = self._cosigner.cosign(
                log.origin, body, lambda old: consistency(old, size, tile_node(log.read, size))
            )
        except (TallyError, OSError, LookupError) as error:
            # Whoever waits for cosignatures goes on waiting, and everybody else does not notice.
            sys.stderr.write(f"audit writer: {log.origin}: witnesses cannot be asked: {error}\n")
            return False
        if found.quorum:
            self._logs.cosign(log, body, found.lines)
            self._tell(self._logs.news())
        return found.quorum
