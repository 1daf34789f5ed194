"""Tiles and entry bundles of a log: paths, bytes and growth (C2SP tlog-tiles).

Pure. A tile is up to 256 hashes of one level; a bundle is up to 256 leaves, each behind a big-endian uint16 length.
"""

from collections.abc import Callable, Iterable, Sequence

from tallystick.audit.tlog.merkle import EMPTY_ROOT, Node, leaf_hash, root

WIDTH = 256
HASH_BYTES = 32
_GROUP = 1000
LEAF_LIMIT = 65_535
"""Largest leaf, in bytes, that the uint16 prefix of a bundle can hold."""

Read = Callable[[str], bytes | None]
"""Content of a file of the log by its relative path, or None when there is no such file."""


def tile_path(level: int | None, number: int, width: int = WIDTH) -> str:
    """Path of tile `number`, which holds `width` hashes, on `level`; level None means the bundle of entries."""
    groups = [f"{number % _GROUP:03d}"]
    while number >= _GROUP:
        number //= _GROUP
        groups.append(f"x{number % _GROUP:03d}")
    name = "entries" if level is None else str(level)
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{name}/{'/'.join(reversed(groups))}{partial}"


def pack(leaves: Iterable[bytes]) -> bytes:
    """Entry bundle of the leaves."""
    return b"".join([len(leaf).to_bytes(2, "big") + leaf for leaf in leaves])


def unpack(bundle: bytes) -> tuple[list[bytes], bool]:
    """Leaves of a bundle, and whether the bundle ended where a leaf ended."""
    leaves: list[bytes] = []
    at, end = 0, len(bundle)
    while at + 2 <= end:
        stop = at + 2 + (bundle[at] << 8 | bundle[at + 1])
        if stop > end:
            break
        leaves.append(bundle[at + 2 : stop])
        at = stop
    return leaves, at == end


def cut(tile: bytes) -> list[bytes]:
    """Hashes of a tile."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def widths(size: int) -> list[int]:
    """Width of the incomplete tile of each level, from level 0 up, in a tree of `size` leaves (0 = none)."""
    found: list[int] = []
    while size:
        found.append(size % WIDTH)
        size //= WIDTH
    return found


def read_tile(read: Read, level: int | None, number: int, size: int) -> bytes | None:
    """Tile or bundle as a tree of `size` leaves shows it; a complete one may stand in for an incomplete one."""
    width = min(WIDTH, (size >> (8 * (level or 0))) - number * WIDTH)
    found = read(tile_path(level, number, width))
    if found is None and width < WIDTH:
        whole = read(tile_path(level, number))
        if whole is not None:
            found = pack(unpack(whole)[0][:width]) if level is None else whole[: width * HASH_BYTES]
    return found


def tile_node(read: Read, size: int) -> Node:
    """Fetch nodes of a tree of `size` leaves out of its tiles; raises LookupError when a tile is missing or short."""

    def node(level: int, index: int) -> bytes:
        tile_level, inner = divmod(level, 8)
        number, offset = divmod(index << inner, WIDTH)
        tile = read_tile(read, tile_level, number, size) or b""
        hashes = cut(tile)[offset : offset + (1 << inner)]
        if len(hashes) != 1 << inner or len(hashes[-1]) != HASH_BYTES:
            path = tile_path(tile_level, number)
            msg = f"{path}: hash {offset} is missing"
            raise LookupError(msg)
        return root(hashes)

    return node


class Edge:
    """The right edge of a growing tree: everything needed to add leaves and to know the root.

    `levels[n]` holds the hashes of the incomplete tile of level n, `entries` the leaves of the incomplete bundle.
    """

    __slots__ = ("entries", "levels", "size")

    def __init__(self, size: int = 0, levels: Sequence[list[bytes]] = (), entries: Sequence[bytes] = ()) -> None:
        self.size = size
        self.levels = [list(level) for level in levels]
        self.entries = list(entries)

    def root(self) -> bytes:
        """Root of the whole tree: each level's hashes, closed by the incomplete subtree below it."""
        below: list[bytes] = []
        for hashes in self.levels:
            row = hashes + below
            below = [root(row)] if row else []
        return below[0] if below else EMPTY_ROOT

    def extend(self, leaves: Iterable[bytes]) -> dict[str, bytes]:
        """Add leaves; return the tiles and bundles that changed, by path: complete ones and the new incomplete ones."""
        changed: dict[str, bytes] = {}
        touched: set[int] = set()
        for leaf in leaves:
            self.entries.append(leaf)
            self._push(0, leaf_hash(leaf), changed, touched)
            self.size += 1
            if len(self.entries) == WIDTH:
                changed[tile_path(None, (self.size - 1) // WIDTH)] = pack(self.entries)
                self.entries = []
        if self.entries and touched:
            changed[tile_path(None, self.size // WIDTH, len(self.entries))] = pack(self.entries)
        for level in sorted(touched):
            if hashes := self.levels[level]:
                changed[tile_path(level, self.size >> 8 * (level + 1), len(hashes))] = b"".join(hashes)
        return changed

    def _push(self, level: int, digest: bytes, changed: dict[str, bytes], touched: set[int]) -> None:
        if level == len(self.levels):
            self.levels.append([])
        touched.add(level)
        hashes = self.levels[level]
        hashes.append(digest)
        if len(hashes) == WIDTH:
            number = (self.size + 1 >> 8 * (level + 1)) - 1
            changed[tile_path(level, number)] = b"".join(hashes)
            self.levels[level] = []
            self._push(level + 1, root(hashes), changed, touched)


def load_edge(read: Read, size: int) -> Edge:
    """Right edge of a tree of `size` leaves out of its tiles; raises LookupError when one is missing or short."""
    levels: list[list[bytes]] = []
    for level, width in enumerate(widths(size)):
        tile = read_tile(read, level, size >> 8 * (level + 1), size) if width else b""
        if tile is None or len(tile) != width * HASH_BYTES:
            path = tile_path(level, size >> 8 * (level + 1), width)
            raise LookupError(path)
        levels.append(cut(tile))
    bundle = read_tile(read, None, size // WIDTH, size) if size % WIDTH else b""
    entries, whole = unpack(bundle or b"")
    if not whole or len(entries) != size % WIDTH:
        raise LookupError(tile_path(None, size // WIDTH, size % WIDTH))
    return Edge(size, levels, entries)
