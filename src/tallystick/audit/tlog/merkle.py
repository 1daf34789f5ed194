"""The Merkle tree of a log: hashes, growth and proofs (RFC 6962 section 2.1; verification as in RFC 9162 section 2.1).

Pure. Every function works on 32-byte SHA-256 hashes; those of a large tree are fetched through a `Node` callable.
"""

from collections.abc import Callable, Sequence
from hashlib import sha256

Node = Callable[[int, int], bytes]
"""`node(level, index)`: hash of the complete subtree over the leaves `[index << level, (index + 1) << level)`."""

EMPTY_ROOT = sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over a row of hashes: complete subtrees of one size, of which the last may be incomplete.

    Pairing level by level and lifting an odd last hash gives the same tree as the recursive split of RFC 6962.
    """
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        odd = row[-1:] if len(row) % 2 else []
        row = [sha256(b"\x01" + left + right).digest() for left, right in zip(row[::2], row[1::2], strict=False)] + odd
    return row[0]


def range_hash(start: int, end: int, node: Node) -> bytes:
    """Hash of the leaves `[start, end)`, which must be a range that occurs in an RFC 6962 tree."""
    width = end - start
    level = width.bit_length() - 1
    if width == 1 << level and start % width == 0:
        return node(level, start >> level)
    split = start + _split(width)
    return node_hash(range_hash(start, split, node), range_hash(split, end, node))


def tree_hash(size: int, node: Node) -> bytes:
    """Root of the tree over the first `size` leaves."""
    return range_hash(0, size, node) if size else EMPTY_ROOT


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, lowest hash first (RFC 6962 section 2.1.1)."""
    if not 0 <= index < size:
        msg = f"leaf {index} is not in a tree of {size}"
        raise ValueError(msg)
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        split = start + _split(end - start)
        if index < split:
            path.append(range_hash(split, end, node))
            end = split
        else:
            path.append(range_hash(start, split, node))
            start = split
    return path[::-1]


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """Proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (RFC 6962 section 2.1.2)."""
    if not 0 < old <= new:
        msg = f"no consistency proof from {old} to {new}"
        raise ValueError(msg)
    proof: list[bytes] = []
    start, end = 0, new
    while end != old:
        split = start + _split(end - start)
        if old <= split:
            proof.append(range_hash(split, end, node))
            end = split
        else:
            proof.append(range_hash(start, split, node))
            start = split
    if start:
        proof.append(range_hash(start, end, node))
    return proof[::-1]


def includes(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root that the audit path of the leaf *hash* leads to, or None when the path has the wrong shape."""
    if not 0 <= index < size:
        return None
    current, number, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            return None
        if number & 1 or number == last:
            current = node_hash(sibling, current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        number, last = number >> 1, last >> 1
    return current if last == 0 else None


def is_consistent(old: tuple[int, bytes], new: tuple[int, bytes], proof: Sequence[bytes]) -> bool:
    """Tell whether the proof connects two `(size, root)` pairs (RFC 9162 section 2.1.4.2)."""
    (old_size, old_root), (new_size, new_root) = old, new
    if old_size == new_size:
        return not proof and old_root == new_root
    if not 0 < old_size < new_size:
        return False
    hashes = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    if not hashes:
        return False
    number, last = old_size - 1, new_size - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    return _climb(hashes, number, last) == (old_root, new_root)


def _climb(hashes: list[bytes], number: int, last: int) -> tuple[bytes, bytes] | None:
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if number & 1 or number == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        number, last = number >> 1, last >> 1
    return (first, second) if last == 0 else None


def _split(width: int) -> int:
    """Largest power of two smaller than `width`."""
    return 1 << ((width - 1).bit_length() - 1)
