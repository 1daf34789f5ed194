"""What one log stores in the object store, and what happens while that is away.

`put` only takes a file in hand; `settle` stores everything, several at a time, and waits for as long as the store is
away: appends go on meanwhile, up to the backlog that `away` lets the journal see.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from errno import EIO
from hashlib import sha256
from typing import Final, NamedTuple

from tallystick.audit.scale.bucket.client import POOL, AwayError, ShadowedError
from tallystick.audit.scale.bucket.objects import Objects
from tallystick.audit.scale.options import Options
from tallystick.terms import Clock

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_HISTORY_S: Final = 3600.0
"""Between two checkpoints that are kept for as long as the tiles are."""


class _Entry(NamedTuple):
    content: bytes
    etag: str | None


class Uploads:
    """The objects of one log, as its writer stores them."""

    def __init__(self, objects: Objects, options: Options, clock: Clock, closing: threading.Event) -> None:
        self._objects = objects
        self._options = options
        self._clock = clock
        self._closing = closing
        self._pending: dict[str, bytes] = {}
        self._shown: dict[str, _Entry] = {}
        self._showing = threading.Lock()
        self._kept_at = 0.0
        self.away: str | None = None

    def read(self, path: str) -> bytes | None:
        """Content of an object, or None. Raises OSError."""
        found = self._pending.get(path)
        return found if found is not None else self._objects.read(path)

    def newest(self, name: str) -> bytes | None:
        """Newest version of an object that is overwritten, or None. Raises OSError."""
        with self._showing:
            return self._look(name).content or None

    def put(self, path: str, content: bytes) -> None:
        """Take an object in hand."""
        self._pending[path] = content

    def settle(self) -> None:
        """Store what was taken in hand. Raises FileExistsError, OSError; returns when everything is stored."""
        pause = _FIRST_PAUSE_S
        with ThreadPoolExecutor(POOL) as pool:
            while self._pending:
                tries = {path: pool.submit(self._store, path, content) for path, content in self._pending.items()}
                failed = self._gather(tries)
                if failed is not None:
                    self.away = str(failed)
                    if self._closing.wait(pause):
                        raise failed
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
        self.away = None

    def show(self, body: str, name: str) -> None:
        """Lay a version of an overwritten object over the one before, never an older one over a newer.

        Waits while the object store is away. Raises OSError when another writer has shown something newer.
        """
        content = body.encode()
        pause = _FIRST_PAUSE_S
        with self._showing:
            while True:
                try:
                    before = self._look(name)
                    etag = self._objects.show(name, content, self._options.partial_days, before.etag)
                    self._shown[name] = _Entry(content, etag)
                    break
                except ShadowedError as error:
                    self._shown.pop(name, None)
                    if _size(self._look(name).content) > _size(content):
                        text = f"a newer {name} is shown than this writer's: another one has taken over"
                        raise OSError(EIO, text) from error
                except AwayError as error:
                    self.away = str(error)
                    if self._closing.wait(pause):
                        raise
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
        self.away = None
        if name == "checkpoint" and self._clock() - self._kept_at >= _HISTORY_S:
            # One size may be signed twice, at two times.
            self.put(f"checkpoints/{_size(content)}-{sha256(content).hexdigest()[:16]}", content)
            self.settle()
            self._kept_at = self._clock()

    def _look(self, name: str) -> _Entry:
        if name not in self._shown:
            found = self._objects.get(name)
            self._shown[name] = _Entry(found.content, found.etag) if found else _Entry(b"", None)
        return self._shown[name]

    def _gather(self, tries: Mapping[str, "Future[None]"]) -> AwayError | None:
        """Take what is stored off the hands; the last failure that may pass. Raises what does not."""
        away: AwayError | None = None
        for path, stored in tries.items():
            try:
                stored.result()
                del self._pending[path]
            except AwayError as error:
                away = error
        return away

    def _store(self, path: str, content: bytes) -> None:
        partial = ".p/" in path
        days = self._options.partial_days if partial else self._options.retain_days
        self._objects.put_once(path, content, days, transient=partial)


def _size(content: bytes) -> int:
    """Leaves that a checkpoint covers; 0 for anything else."""
    _, size, *_ = [*content.split(b"\n"), b"", b""]
    return int(size) if size.isdigit() else 0
