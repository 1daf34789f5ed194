"""Reading a log as it grows, and believing nothing: every leaf that is handed out is under a signed checkpoint.

Any part can be read at random and is verified on the way: a bundle against its tile, a tile against the one above it,
the topmost against the root. A checkpoint has to continue the one that was believed before.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tallystick.audit.offline.read import UnreadableError
from tallystick.audit.tlog.merkle import consistency, is_consistent, leaf_hash, root
from tallystick.audit.tlog.note import Checkpoint, NoteError, open_checkpoint, parse_vkeys
from tallystick.audit.tlog.tiles import (
    HASH_BYTES,
    WIDTH,
    Edge,
    Read,
    cut,
    read_tile,
    tile_node,
    tile_path,
    unpack,
    widths,
)
from tallystick.terms import TallyError

_BUNDLES = 24
"""Bundles kept in memory, at most 2 MiB each and a tenth of that as a rule: intents are joined from them."""
_TILES = 64
_Key = TypeVar("_Key")
_RESTING = 2
"""Of each, while nothing is read: somebody may follow a thousand logs, and a log's next outcomes are near its end."""


class UntrustedError(TallyError):
    """What the files of a log say is not what its signed checkpoints vouch for."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid", message)


class Followed:
    """A log, of which only verified leaves are read. `believed` is the checkpoint that an earlier reader ended with."""

    def __init__(self, read: Read, vkeys: Sequence[str], believed: Checkpoint | None = None) -> None:
        self._read = read
        self.vkeys = tuple(vkeys)
        self._believed = believed
        self._text: bytes | None = None
        self._edges: list[list[bytes]] = []
        self._tiles: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._bundles: OrderedDict[int, list[bytes]] = OrderedDict()

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that is believed; raises UnreadableError before there is one."""
        if self._believed is None:
            message = "no checkpoint was read yet"
            raise UnreadableError(message)
        return self._believed

    def refresh(self) -> Checkpoint:
        """Read the newest checkpoint and return it; raises UntrustedError, or UnreadableError."""
        text = self._read("checkpoint")
        if text is None:
            message = "the log has no checkpoint"
            raise UnreadableError(message)
        if text != self._text:
            fresh = self._opened(text.decode(errors="replace"))
            try:
                self._compare(fresh)
                self._edges = self._edges_of(fresh)
            except LookupError as error:
                message = f"{fresh.origin}: a tile is missing: {error}"
                raise UnreadableError(message) from error
            self._text, self._believed = text, fresh
        return self.checkpoint

    def leaves(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, leaf) from `start` up to the checkpoint; raises UntrustedError, or UnreadableError."""
        for index in range(start, self.checkpoint.size):
            yield index, self.leaf(index)

    def leaf(self, index: int) -> bytes:
        """One leaf under the checkpoint; raises UntrustedError, or UnreadableError."""
        if not 0 <= index < self.checkpoint.size:
            message = f"no leaf {index}: the checkpoint covers {self.checkpoint.size}"
            raise UnreadableError(message)
        return self._bundle(index // WIDTH)[index % WIDTH]

    def rest(self) -> None:
        """Let go of what only a reader in the middle of a log needs; what is read next is the end."""
        _trim(self._bundles, _RESTING)
        _trim(self._tiles, _RESTING)

    def _opened(self, text: str) -> Checkpoint:
        try:
            return open_checkpoint(text, parse_vkeys("\n".join(self.vkeys)))
        except NoteError as error:
            message = f"the checkpoint is not signed by a key that is trusted: {error.message}"
            raise UntrustedError(message) from error

    def _compare(self, fresh: Checkpoint) -> None:
        old = self._believed
        if old is None:
            return
        if fresh.origin != old.origin or fresh.size < old.size:
            message = f"{fresh.origin}: rolled back from {old.size} leaves to {fresh.size}"
            raise UntrustedError(message)
        if fresh.size == old.size:
            proven = fresh.root == old.root
        else:
            proof = consistency(old.size, fresh.size, tile_node(self._read, fresh.size)) if old.size else []
            proven = not old.size or is_consistent((old.size, old.root), (fresh.size, fresh.root), proof)
        if not proven:
            message = f"{fresh.origin}: two signed checkpoints of {old.size} and {fresh.size} leaves tell two histories"
            raise UntrustedError(message)

    def _edges_of(self, fresh: Checkpoint) -> list[list[bytes]]:
        edges: list[list[bytes]] = []
        for level, width in enumerate(widths(fresh.size)):
            number = fresh.size >> 8 * (level + 1)
            tile = (read_tile(self._read, level, number, fresh.size) if width else b"") or b""
            if len(tile) != width * HASH_BYTES:
                raise LookupError(tile_path(level, number, width))
            edges.append(cut(tile))
        if Edge(fresh.size, edges).root() != fresh.root:
            message = f"{fresh.origin}: the newest tiles do not lead to the root that is signed"
            raise UntrustedError(message)
        return edges

    def _tile(self, level: int, number: int) -> list[bytes]:
        """Verified hashes of a tile, which the checkpoint vouches for through the tiles above it."""
        if number == self.checkpoint.size >> 8 * (level + 1):
            return self._edges[level]
        known = self._tiles.get((level, number))
        if known is not None:
            return known
        tile = self._read(tile_path(level, number))
        if tile is None:
            message = f"{self.checkpoint.origin}: {tile_path(level, number)} is missing"
            raise UnreadableError(message)
        row = cut(tile)
        if len(tile) != WIDTH * HASH_BYTES or root(row) != self._tile(level + 1, number // WIDTH)[number % WIDTH]:
            message = f"{self.checkpoint.origin}: {tile_path(level, number)} is not what the checkpoint vouches for"
            raise UntrustedError(message)
        _keep(self._tiles, (level, number), row, _TILES)
        return row

    def _bundle(self, number: int) -> list[bytes]:
        size = self.checkpoint.size
        width = min(WIDTH, size - number * WIDTH)
        known = self._bundles.get(number)
        if known is not None and len(known) == width:
            self._bundles.move_to_end(number)
            return known
        found = read_tile(self._read, None, number, size)
        if found is None:
            message = f"{self.checkpoint.origin}: {tile_path(None, number, width)} is missing"
            raise UnreadableError(message)
        leaves, whole = unpack(found)
        hashes = [leaf_hash(leaf) for leaf in leaves]
        vouched = self._tile(0, number)
        if not whole or hashes != vouched:
            same = [mine == theirs for mine, theirs in zip(hashes, vouched, strict=False)]
            first = number * WIDTH + (same.index(False) if False in same else min(len(hashes), len(vouched)))
            message = f"{self.checkpoint.origin}: leaf {first} is not the one that the checkpoint vouches for"
            raise UntrustedError(message)
        _keep(self._bundles, number, leaves, _BUNDLES)
        return leaves


def _keep(kept: OrderedDict[_Key, list[bytes]], key: _Key, value: list[bytes], at_most: int) -> None:
    kept[key] = value
    _trim(kept, at_most)


def _trim(kept: OrderedDict[_Key, list[bytes]], at_most: int) -> None:
    while len(kept) > at_most:
        kept.popitem(last=False)
