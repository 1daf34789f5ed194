"""The thread that locks checkpoints for good, with everything that they cover.

Incomplete tiles and versions of the checkpoint are locked for a day only, since others soon replace them. The newest
ones must not be lost when nothing replaces them any more: at the end of a year, or of a tenant. So what is newest is
locked for as long as complete tiles are: soon after a start, each hour, and at the end.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from tallystick.audit.scale.bucket.uploads import Uploads
from tallystick.audit.scale.database.connection import Database

FIRST_S: Final = 60.0
EACH_S: Final = 3600.0
_NEWEST: Final = "SELECT log, body FROM log WHERE tenant = ANY(%s) AND ready AND body <> kept"
_KEPT: Final = "UPDATE log SET kept = %s WHERE log = %s AND body = %s"


class Keeper(threading.Thread):
    """Locks the newest checkpoint of every log of the tenants whose writer this is."""

    def __init__(self, database: Database, tenants: Callable[[], list[str]], uploads: Callable[[str], Uploads]) -> None:
        super().__init__(daemon=True)
        self._database = database
        self._tenants = tenants
        self._uploads = uploads
        self._closing = threading.Event()

    def run(self) -> None:
        """Lock until closed; what cannot be locked now is tried again soon."""
        pause = FIRST_S
        while not self._closing.wait(pause):
            pause = EACH_S if self.keep() else FIRST_S

    def keep(self) -> bool:
        """Lock what is newest; False where something could not be."""
        try:
            for log, body in self._database.rows(_NEWEST, (self._tenants(),)):
                self._uploads(str(log)).keep(str(body))
                # Where a newer one has taken its place meanwhile, that one is for the next round.
                self._database.again(_KEPT, (str(body), str(log), str(body)))
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Lock what is newest, if that can be done now, and end."""
        self._closing.set()
        self.join()
        with suppress(OSError):
            self.keep()
