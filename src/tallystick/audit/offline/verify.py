"""Verifying a log from its files and public key alone. Damage is a value that names the file and the index."""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from tallystick.audit.leaf.call import canonical
from tallystick.audit.offline.read import Damage, is_fields, reader, text
from tallystick.audit.tlog.merkle import leaf_hash, root
from tallystick.audit.tlog.note import Checkpoint, Verifier, open_checkpoint, parse_vkey
from tallystick.audit.tlog.tiles import HASH_BYTES, WIDTH, Edge, Read, cut, pack, read_tile, tile_path, unpack, widths
from tallystick.terms import TallyError

_KINDS = {"intent", "outcome", "denial", "in_doubt", "open", "config"}
_CLOSING = {"outcome", "in_doubt"}


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify_log` found. `opened` are the indices of intents that have no outcome (yet)."""

    origin: str
    size: int
    root: str
    kinds: dict[str, int]
    opened: tuple[int, ...]
    damage: tuple[Damage, ...]

    @property
    def ok(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.damage

    def to_json(self) -> dict[str, object]:
        """The report as a JSON object."""
        return {"ok": self.ok, **asdict(self)}


def verify_log(directory: Path, vkey: str, *, opaque: bool = False) -> Report:
    """Re-derive everything: signature, leaf hashes, tiles, root; unless opaque, also read what the leaves say."""
    try:
        verifier = parse_vkey(vkey)
        checkpoint = open_checkpoint(text(directory / "checkpoint"), verifier)
    except TallyError as error:
        return Report("", 0, "", {}, (), (Damage("checkpoint", None, error.message),))
    check = _Verification(directory, checkpoint, opaque=opaque)
    check.run(verifier)
    opened = tuple(check.opened)
    return Report(
        checkpoint.origin, checkpoint.size, checkpoint.root.hex(), dict(check.kinds), opened, tuple(check.damage)
    )


class _Verification:
    """One pass, from the top tiles down: what the checkpoint vouches for is known before it is used to blame."""

    def __init__(self, directory: Path, checkpoint: Checkpoint, *, opaque: bool) -> None:
        self.damage: list[Damage] = []
        self.kinds: Counter[str] = Counter()
        self.opened: dict[int, str] = {}
        self._directory = directory
        self._read: Read = reader(directory)
        self._size = checkpoint.size
        self._root = checkpoint.root
        self._opaque = opaque

    def run(self, verifier: Verifier) -> None:
        stated = self._read("vkey")
        if stated is not None and stated != (verifier.vkey + "\n").encode():
            self._blame("vkey", None, "is not the key that signed the checkpoint")
        levels = len(widths(self._size))
        edges = [self._stored(level, self._size >> 8 * (level + 1)) or [] for level in range(levels)]
        sound = Edge(self._size, edges).root() == self._root
        above: list[bytes] = []
        above_genuine = True
        for level in reversed(range(levels)):
            row: list[bytes] = []
            row_genuine = True
            for number in range(-(-(self._size >> 8 * level) // WIDTH)):
                hashes = self._stored(level, number)
                full = self._width(level, number) == WIDTH
                genuine = hashes is not None and (root(hashes) == above[number] if full else sound)
                self._tile(level, number, hashes, vouched=genuine, from_above=above_genuine if full else False)
                row += hashes or [b""] * self._width(level, number)
                row_genuine = row_genuine and genuine
            above, above_genuine = row, row_genuine
        if not sound and not self.damage:
            self._blame("checkpoint", None, "the tiles do not lead to its root")

    def _tile(self, level: int, number: int, hashes: list[bytes] | None, *, vouched: bool, from_above: bool) -> None:
        """Check one tile against what lies below it; on level 0 that is the bundle and its leaves."""
        width = self._width(level, number)
        path = tile_path(level, number, width)
        leaves = self._leaves(number) if level == 0 else []
        if hashes is None:
            self._blame(path, number * WIDTH << 8 * level, "is missing or has the wrong length")
        below = [leaf_hash(leaf) for leaf in leaves] if level == 0 else self._roots_below(level, number)
        differing = [at for at, digest in enumerate(hashes or []) if at >= len(below) or below[at] != digest]
        if level == 0 and (vouched or hashes is None):
            self._bundle(number, leaves, differing)
        elif not vouched and hashes is not None:
            if differing:
                self._blame(
                    path,
                    number * WIDTH + differing[0] << 8 * level,
                    f"hash {differing[0]} is not that of what lies below",
                )
            elif from_above:
                self._blame(path, number * WIDTH << 8 * level, "is not what the checkpoint commits to")
        if hashes is not None and not differing and vouched:
            self._forerunners(level, number, b"".join(hashes), HASH_BYTES)

    def _bundle(self, number: int, leaves: list[bytes], differing: list[int]) -> None:
        path = tile_path(None, number, self._width(0, number))
        wrong = set(differing)
        for at in differing[:1]:
            found = "the leaf is not the one that was logged" if at < len(leaves) else "the leaf is missing"
            self._blame(path, number * WIDTH + at, found)
        content = read_tile(self._read, None, number, self._size) or b""
        if not wrong and content != pack(leaves[: self._width(0, number)]):
            self._blame(path, number * WIDTH + len(leaves) - 1, "bytes follow the last leaf")
        for at, leaf in enumerate(leaves[: self._width(0, number)]):
            if at not in wrong and not self._opaque:
                self._leaf(path, number * WIDTH + at, leaf)
        if not wrong:
            self._forerunners(None, number, content, 0)

    def _forerunners(self, level: int | None, number: int, content: bytes, step: int) -> None:
        """Older, narrower versions of a tile must be its beginnings."""
        directory = self._directory / (tile_path(level, number) + ".p")
        for file in sorted(directory.iterdir()) if directory.is_dir() else ():
            width = int(file.name) if file.name.isdecimal() else 0
            if 0 < width < self._width(level or 0, number):
                expected = content[: width * step] if step else pack(unpack(content)[0][:width])
                if file.read_bytes() != expected:
                    self._blame(
                        f"{tile_path(level, number, width)}", None, "is not a beginning of the tile that follows it"
                    )

    def _leaf(self, path: str, index: int, leaf: bytes) -> None:
        """What a leaf says must be readable, canonical, and agree with the leaf that it closes."""
        try:
            fields = json.loads(leaf)
        except ValueError:
            fields = None
        if not is_fields(fields) or canonical(fields) != leaf:
            self._blame(path, index, "the leaf is not canonical JSON")
            return
        kind = str(fields.get("kind"))
        self.kinds[kind] += 1
        intent = fields.get("intent")
        if kind not in _KINDS or not isinstance(fields.get("ts"), str) or fields.get("v") != 1:
            self._blame(path, index, "the leaf has no known kind, time or version")
        elif kind == "intent":
            self.opened[index] = str(fields.get("id"))
        elif kind in _CLOSING and isinstance(intent, int) and self.opened.pop(intent, None) != fields.get("id"):
            self._blame(path, index, f"closes leaf {intent}, which is no open intent of the same call")

    def _leaves(self, number: int) -> list[bytes]:
        return unpack(read_tile(self._read, None, number, self._size) or b"")[0]

    def _width(self, level: int, number: int) -> int:
        return min(WIDTH, (self._size >> 8 * level) - number * WIDTH)

    def _stored(self, level: int, number: int) -> list[bytes] | None:
        width = self._width(level, number)
        tile = read_tile(self._read, level, number, self._size) if width else b""
        return cut(tile) if tile is not None and len(tile) == width * HASH_BYTES else None

    def _roots_below(self, level: int, number: int) -> list[bytes]:
        children = range(number * WIDTH, number * WIDTH + self._width(level, number))
        return [root(self._stored(level - 1, child) or []) for child in children]

    def _blame(self, file: str, index: int | None, text: str) -> None:
        self.damage.append(Damage(file, index, text))
