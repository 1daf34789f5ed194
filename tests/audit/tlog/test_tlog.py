"""The log formats, against a log written by somebody else."""

from base64 import b64decode
from pathlib import Path

import msgspec
import pytest

from tallystick.audit import offline
from tallystick.audit.tlog import merkle, tiles
from tallystick.audit.tlog.note import NoteError, open_checkpoint, parse_vkey

VECTORS = Path(__file__).parent / "vectors"


class SignedTree(msgspec.Struct):
    """A checkpoint and what it says."""

    size: int
    note: str
    root: str


class Inclusion(msgspec.Struct):
    """A leaf and its audit path."""

    index: int
    size: int
    leaf: str
    proof: list[str]


class Consistency(msgspec.Struct):
    """A proof between two sizes."""

    old: int
    new: int
    proof: list[str]


class Vectors(msgspec.Struct):
    """The file of the foreign writer."""

    log_vkey: str
    cps: list[SignedTree]
    inclusion: list[Inclusion]
    consistency: list[Consistency]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return msgspec.json.decode((VECTORS / "vectors.json").read_bytes(), type=Vectors)


@pytest.fixture(scope="module")
def foreign_leaves() -> list[bytes]:
    return [leaf for _, leaf in offline.read_leaves(VECTORS, range(1000))]


def _read(path: str) -> bytes | None:
    file = VECTORS / path
    return file.read_bytes() if file.exists() else None


def test_a_foreign_log_verifies() -> None:
    report = offline.verify_log(VECTORS, (VECTORS / "log.vkey").read_text(), opaque=True)
    assert report.ok, report.damage
    assert report.size == 1000


def test_foreign_checkpoints_open_with_their_key(vectors: Vectors) -> None:
    verifier = parse_vkey(vectors.log_vkey)
    for signed in vectors.cps:
        checkpoint = open_checkpoint(signed.note, verifier)
        assert (checkpoint.size, checkpoint.root) == (signed.size, b64decode(signed.root))
    assert verifier.vkey == vectors.log_vkey


def test_our_tree_has_the_files_and_roots_of_the_foreign_writer(vectors: Vectors, foreign_leaves: list[bytes]) -> None:
    edge = tiles.Edge()
    files: dict[str, bytes] = {}
    for signed in vectors.cps:
        files |= edge.extend(foreign_leaves[edge.size : signed.size])
        assert edge.root() == b64decode(signed.root)
    theirs = {file.relative_to(VECTORS).as_posix(): file.read_bytes() for file in VECTORS.rglob("*") if file.is_file()}
    assert files == {path: content for path, content in theirs.items() if path.startswith("tile/")}


def test_foreign_inclusion_proofs_hold_and_are_ours(vectors: Vectors) -> None:
    roots = {signed.size: b64decode(signed.root) for signed in vectors.cps}
    for proven in vectors.inclusion:
        path = [b64decode(digest) for digest in proven.proof]
        leaf = merkle.leaf_hash(proven.leaf.encode())
        assert merkle.includes(leaf, proven.index, proven.size, path) == roots[proven.size]
        assert merkle.includes(leaf, proven.index, proven.size, [*path, bytes(32)]) is None
        assert merkle.inclusion(proven.index, proven.size, tiles.tile_node(_read, proven.size)) == path


def test_foreign_consistency_proofs_hold_and_are_ours(vectors: Vectors) -> None:
    roots = {signed.size: b64decode(signed.root) for signed in vectors.cps}
    roots[0] = merkle.EMPTY_ROOT
    for proven in vectors.consistency:
        proof = [b64decode(digest) for digest in proven.proof]
        if proven.old == 0:
            assert proof == []
            continue
        old, new = (proven.old, roots[proven.old]), (proven.new, roots[proven.new])
        assert merkle.is_consistent(old, new, proof)
        assert not merkle.is_consistent((proven.old, bytes(32)), new, proof)
        assert merkle.consistency(proven.old, proven.new, tiles.tile_node(_read, 1000)) == proof


@pytest.mark.parametrize("size", [0, 1, 2, 3, 7, 8, 255, 256, 257, 600])
def test_every_leaf_of_a_tree_is_proven_and_no_other(size: int) -> None:
    leaves = [number.to_bytes(4, "big") for number in range(size)]
    edge = tiles.Edge()
    files = edge.extend(leaves)
    node = tiles.tile_node(files.get, size)
    assert merkle.tree_hash(size, node) == edge.root()
    for index in {0, size // 3, size // 2, size - 1} if size else ():
        path = merkle.inclusion(index, size, node)
        assert merkle.includes(merkle.leaf_hash(leaves[index]), index, size, path) == edge.root()
        assert merkle.includes(merkle.leaf_hash(b"other"), index, size, path) != edge.root()
    loaded = tiles.load_edge(files.get, size)
    assert (loaded.levels, loaded.entries, loaded.root()) == (edge.levels, edge.entries, edge.root())


@pytest.mark.parametrize(
    ("number", "width", "path"),
    [(0, 256, "tile/0/000"), (273, 112, "tile/0/273.p/112"), (1234067, 256, "tile/0/x001/x234/067")],
)
def test_tile_paths_are_grouped_by_three_digits(number: int, width: int, path: str) -> None:
    assert tiles.tile_path(0, number, width) == path


def test_a_checkpoint_of_another_key_is_refused(vectors: Vectors) -> None:
    other = parse_vkey(vectors.log_vkey)
    forged = type(other)(other.name, bytes(32))
    with pytest.raises(NoteError, match="not signed by"):
        open_checkpoint(vectors.cps[0].note, forged)
