"""Checks the tiles, bundles and leaves of a tree against the root that a checkpoint commits to, from the top down.

What the checkpoint vouches for is known before it is used to blame. For each tile there are two witnesses: the hashes
it holds, and those that follow from what lies below it. Whichever leads to the hash above is genuine; the other is to
blame. The incomplete tiles, which nothing stands above, have to lead to the checkpoint's root together.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import product, zip_longest
from typing import Final, NamedTuple

from tallystick.audit.offline.content.story import Story
from tallystick.audit.offline.read import Files
from tallystick.audit.tlog.merkle import root
from tallystick.audit.tlog.tiles import HASH_BYTES, WIDTH, Edge, cut, pack, read_tile, tile_path, unpack, widths

AHEAD: Final = 3
"""Ranges that wait for each process, so that none is idle and the memory stays bounded."""
Hashes = Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Extent:
    """Which tree is checked, and how much of it: the leaves of `part`, and every tile above them.

    Leaves below `minimum` may be gone, by retention (C2SP tlog-tiles, pruning); of an `opaque` log nothing is read but
    the tree. `edges` are the genuine hashes of the incomplete tile of each level, None where nobody knows them.
    """

    size: int
    part: range
    minimum: int = 0
    opaque: bool = False
    edges: tuple[Hashes | None, ...] = ()

    def width(self, level: int, number: int) -> int:
        """Number of hashes in a tile."""
        return min(WIDTH, (self.size >> 8 * level) - number * WIDTH)

    def gone(self, level: int, number: int) -> bool:
        """Whether a tile may be missing."""
        return (number + 1) << 8 * (level + 1) <= self.minimum

    def pruned(self, number: int) -> bool:
        """Whether a bundle may be missing: the last one, too, once all leaves that it has are below the minimum."""
        return min((number + 1) * WIDTH, self.size) <= self.minimum

    def touches(self, level: int, number: int) -> bool:
        """Whether a tile stands above a leaf of the part."""
        span = 8 * (level + 1)
        return number << span < self.part.stop and self.part.start < (number + 1) << span


class Task(NamedTuple):
    """Neighbouring tiles of level 0: their numbers, and the hash of each that a genuine tile above holds."""

    numbers: range
    expected: tuple[bytes | None, ...]


def check_tree(
    files: Files, extent: Extent, digest: bytes, pool: tuple[Executor, int] | None, progress: Callable[[int], None]
) -> Story:
    """Check the part of a tree against its root; tasks run in the pool (and its number of processes), if there is one.

    `progress` is told how many leaves have been checked since the last time.
    """
    story = Story()
    if extent.part.start:
        story.lose(range(extent.part.start))
    edges = _genuine_edges(_Tiles(files, extent, story), len(widths(extent.size)), digest)
    extent = replace(extent, edges=edges)
    waiting: deque[tuple[Task, Future[Story]]] = deque()

    def join(task: Task, part: Story) -> None:
        story.follow(part)
        progress(min(task.numbers.stop * WIDTH, extent.size) - task.numbers.start * WIDTH)

    for task in _Tiles(files, extent, story).tasks():
        if pool is None:
            join(task, check_task(files, extent, task))
            continue
        waiting.append((task, pool[0].submit(check_task, files, extent, task)))
        if len(waiting) > AHEAD * pool[1]:
            oldest, future = waiting.popleft()
            join(oldest, future.result())
    for task, future in waiting:
        join(task, future.result())
    if None in edges and not story.damages:
        story.blame("checkpoint", None, "the tiles do not lead to its root")
    return story


def genuine_leaves(files: Files, extent: Extent, story: Story) -> Iterator[tuple[int, str, bytes]]:
    """Yield (index, file, leaf) of the part, but for leaves of which the story says that nothing is known."""
    for number in range(extent.part.start // WIDTH, -(-extent.part.stop // WIDTH)):
        leaves, _ = unpack(read_tile(files.read, None, number, extent.size) or b"")
        path = tile_path(None, number, extent.width(0, number))
        for index, leaf in enumerate(leaves, number * WIDTH):
            if index in extent.part and not any(index in lost for lost in story.unknown):
                yield index, path, leaf


def check_task(files: Files, extent: Extent, task: Task) -> Story:
    """Check neighbouring tiles of level 0 with their bundles and leaves."""
    story = Story(start=max(task.numbers.start * WIDTH, extent.part.start))
    tiles = _Tiles(files, extent, story)
    for number, expected in zip(task.numbers, task.expected, strict=True):
        if extent.touches(0, number):
            tiles.lowest(number, expected)
    return story


def _genuine_edges(tiles: "_Tiles", levels: int, digest: bytes) -> tuple[Hashes | None, ...]:
    """Hashes of the incomplete tile of each level: as stored or as they follow from below, which ever lead to the root.

    All None where neither do.
    """
    extent = tiles.extent
    numbers = [extent.size >> 8 * (level + 1) for level in range(levels)]
    stored = [tiles.stored(level, number) for level, number in enumerate(numbers)]
    if Edge(extent.size, [list(hashes or ()) for hashes in stored]).root() == digest:
        return tuple(hashes or () for hashes in stored)
    below = [tiles.below(level, number) for level, number in enumerate(numbers)]
    choices = [
        [hashes] if hashes is not None and hashes == other else [other] if hashes is None else [hashes, other]
        for hashes, other in zip(stored, below, strict=True)
    ]
    for chosen in product(*choices):
        if Edge(extent.size, [list(hashes) for hashes in chosen]).root() == digest:
            return chosen
    return (None,) * levels


class _Tiles:
    """The tiles of one tree, and what is wrong with them."""

    def __init__(self, files: Files, extent: Extent, story: Story) -> None:
        self.extent = extent
        self._files = files
        self._story = story

    def stored(self, level: int, number: int) -> Hashes | None:
        """Hashes of a tile as it is stored; None where it is missing or has the wrong length."""
        width = self.extent.width(level, number)
        tile = read_tile(self._files.read, level, number, self.extent.size) if width else b""
        return cut(tile) if tile is not None and len(tile) == width * HASH_BYTES else None

    def below(self, level: int, number: int) -> Hashes:
        """Hashes of a tile as they follow from what lies below it."""
        if level == 0:
            return [sha256(b"\0" + leaf).digest() for leaf in self._bundle(number)[1]]
        width = self.extent.width(level, number)
        children = [self.stored(level - 1, child) for child in range(number * WIDTH, number * WIDTH + width)]
        return [root(hashes) if hashes else b"" for hashes in children]

    def tasks(self) -> Generator[Task]:
        """Check all tiles above level 0 and yield what is left to check, in the order of the leaves."""
        for level in reversed(range(len(self.extent.edges))):
            number = self.extent.size >> 8 * (level + 1)
            if not self.extent.width(level, number):
                continue
            if level == 0:
                yield Task(range(number, number + 1), (None,))
            else:
                yield from self._above(level, number, self.extent.edges[level], expected=None)

    def _above(self, level: int, number: int, genuine: Hashes | None, expected: bytes | None) -> Generator[Task]:
        stored = self.stored(level, number)
        self._judge(level, number, stored, genuine, expected)
        first, width = number * WIDTH, self.extent.width(level, number)
        promised = genuine or (None,) * width
        if level == 1:
            yield Task(range(first, first + width), tuple(promised))
            return
        for child, digest in enumerate(promised, first):
            if self.extent.touches(level - 1, child):
                yield from self._above(level - 1, child, self._settle(level - 1, child, digest), digest)

    def lowest(self, number: int, expected: bytes | None) -> None:
        """Check a tile of level 0, its bundle and its leaves."""
        extent, width = self.extent, self.extent.width(0, number)
        content, leaves, whole = self._bundle(number)
        digests = [sha256(b"\0" + leaf).digest() for leaf in leaves]
        stored = self.stored(0, number)
        if width < WIDTH:
            genuine = extent.edges[0]
        else:
            genuine = next((row for row in (stored, digests) if row is not None and root(row) == expected), None)
        self._judge(0, number, stored, genuine, expected)
        path, first = tile_path(None, number, width), number * WIDTH
        if content is None and not extent.pruned(number):
            self._story.blame(path, first, "is missing")
        if content is None or genuine is None:
            self._story.lose(range(first, first + width))
            return
        wrong = set[int]() if digests == genuine else self._differing(path, first, digests, genuine)
        if not wrong and not (whole and len(leaves) == width):
            self._story.blame(path, first + width - 1, "bytes follow the last leaf")
        if not wrong:
            self._forerunners(None, number, content, 0)
        if not extent.opaque:
            self._read(path, number, leaves, wrong)

    def _read(self, path: str, number: int, leaves: Sequence[bytes], wrong: set[int]) -> None:
        part, first = self.extent.part, number * WIDTH
        inside = range(max(part.start, first), min(part.stop, first + self.extent.width(0, number)))
        for index in inside:
            if index - first not in wrong:
                self._story.read(path, index, leaves[index - first])

    def _differing(self, path: str, first: int, digests: Hashes, genuine: Hashes) -> set[int]:
        wrong = {at for at, digest in enumerate(genuine) if digests[at : at + 1] != [digest]}
        for at in sorted(wrong):
            self._story.lose(range(first + at, first + at + 1))
        if wrong:
            at = min(wrong)
            lost = "the leaf is not the one that was logged" if at < len(digests) else "the leaf is missing"
            self._story.blame(path, first + at, lost)
        return wrong

    def _settle(self, level: int, number: int, expected: bytes | None) -> Hashes | None:
        """Hashes of a complete tile that lead to the hash above it, as stored or from below; None where none do."""
        stored = self.stored(level, number)
        if expected is None:
            return None
        if stored is not None and root(stored) == expected:
            return stored
        below = self.below(level, number)
        return below if root(below) == expected else None

    def _judge(
        self, level: int, number: int, stored: Hashes | None, genuine: Hashes | None, expected: bytes | None
    ) -> None:
        path, first = tile_path(level, number, self.extent.width(level, number)), number * WIDTH << 8 * level
        if stored is None:
            if not self.extent.gone(level, number):
                self._story.blame(path, first, "is missing or has the wrong length")
        elif stored is genuine or stored == genuine:
            self._forerunners(level, number, b"".join(stored), HASH_BYTES)
        else:
            pairs = enumerate(zip_longest(stored, genuine or self.below(level, number)))
            at = next((at for at, (held, right) in pairs if held != right), None)
            if at is not None:
                self._story.blame(path, (number * WIDTH + at) << 8 * level, f"hash {at} is not that of what lies below")
            elif expected is not None:
                self._story.blame(path, first, "is not what the checkpoint commits to")

    def _forerunners(self, level: int | None, number: int, content: bytes, step: int) -> None:
        """Older, narrower versions of a tile must be its beginnings."""
        folder = tile_path(level, number) + ".p"
        for name in self._files.names(folder):
            width = int(name) if name.isdecimal() else 0
            if 0 < width < self.extent.width(level or 0, number):
                expected = content[: width * step] if step else pack(unpack(content)[0][:width])
                if self._files.read(f"{folder}/{name}") != expected:
                    text = "is not a beginning of the tile that follows it"
                    self._story.blame(tile_path(level, number, width), None, text)

    def _bundle(self, number: int) -> tuple[bytes | None, Sequence[bytes], bool]:
        content = read_tile(self._files.read, None, number, self.extent.size)
        return content, *unpack(content or b"")
