"""What one log stores in the object store, and what happens while that is away.

`put` only takes a file in hand; `settle` stores everything, several at a time, and waits for as long as the store is
away: appends go on meanwhile, up to the backlog that `away` lets the journal see.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from errno import EIO
from hashlib import sha256
from typing import Final, NamedTuple

from tallystick.audit.scale.bucket.client import POOL, AwayError, ShadowedError
from tallystick.audit.scale.bucket.copy import LocalCopy
from tallystick.audit.scale.bucket.objects import Objects
from tallystick.audit.scale.options import Options
from tallystick.audit.tlog.tiles import WIDTH, tile_path, widths

_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 2.0
_PARTIAL: Final = ".p/"


class _Entry(NamedTuple):
    content: bytes
    etag: str | None


class Uploads:
    """The objects of one log, as its writer stores them."""

    def __init__(self, objects: Objects, options: Options, closing: threading.Event, copy: LocalCopy) -> None:
        self._objects = objects
        self._copy = copy
        self._options = options
        self._closing = closing
        self._pending: dict[str, bytes] = {}
        self._shown: dict[str, _Entry] = {}
        self._showing = threading.Lock()
        self._partials: set[str] = set()
        self.away: str | None = None

    def read(self, path: str) -> bytes | None:
        """Content of an object, or None. Raises OSError."""
        found = self._pending.get(path)
        return found if found is not None else self._objects.read(path)

    def catch_up(self) -> None:
        """Bring the copy up to date, and note what an earlier writer left to be forgotten. Raises OSError."""
        self._copy.catch_up(self._objects)
        for path in partial_tiles(_size(self.newest("checkpoint") or b"")):
            beside = self._objects.versions(path.partition(_PARTIAL)[0] + _PARTIAL)
            self._partials.update(version.path for version in beside if version.latest and not version.marker)

    def newest(self, name: str) -> bytes | None:
        """Newest version of an object that is overwritten, or None. Raises OSError."""
        with self._showing:
            return self._look(name).content or None

    def put(self, path: str, content: bytes) -> None:
        """Take an object in hand."""
        self._pending[path] = content
        if _PARTIAL in path:
            self._partials.add(path)

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
        self._copy.put(name, content)

    def forget(self, size: int) -> None:
        """Hide incomplete tiles that are complete in a tree of `size` leaves. What fails is waste, and no damage."""
        done = [path for path in self._partials if _is_complete(path, size)]
        self._partials.difference_update(done)
        self._copy.forget(done)
        with suppress(OSError):
            self._objects.hide(done)

    def keep(self, body: str) -> None:
        """Lock a checkpoint, and what it needs beside complete tiles, for as long as those. Raises OSError."""
        content, days = body.encode(), self._options.retain_days
        for path in ("vkey", *partial_tiles(_size(content))):
            self._objects.lock(path, days)
        # One size may be signed twice, at two times.
        name = f"checkpoints/{_size(content)}-{sha256(content).hexdigest()[:16]}"
        self._objects.put_once(name, content, days)

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
                self._copy.put(path, self._pending.pop(path))
            except AwayError as error:
                away = error
        return away

    def _store(self, path: str, content: bytes) -> None:
        days = self._options.partial_days if _PARTIAL in path else self._options.retain_days
        self._objects.put_once(path, content, days)


def partial_tiles(size: int) -> list[str]:
    """Paths of the incomplete tiles and the incomplete bundle of a tree of `size` leaves."""
    tiles = [tile_path(level, size >> 8 * (level + 1), width) for level, width in enumerate(widths(size)) if width]
    return [*tiles, *([tile_path(None, size // WIDTH, size % WIDTH)] if size % WIDTH else [])]


def _is_complete(path: str, size: int) -> bool:
    """Tell whether the tile of which `path` is an incomplete version is complete in a tree of `size` leaves."""
    _, level, *groups = path.partition(_PARTIAL)[0].split("/")
    number = int("".join(group.removeprefix("x") for group in groups))
    return number < size >> 8 * (1 if level == "entries" else int(level) + 1)


def _size(content: bytes) -> int:
    """Leaves that a checkpoint covers; 0 for anything else."""
    _, size, *_ = [*content.split(b"\n"), b"", b""]
    return int(size) if size.isdigit() else 0
