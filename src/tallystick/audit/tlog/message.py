"""What a signature of each C2SP type is made over (signed-note, tlog-cosignature), and how the signature is laid out.

Pure. Type 0x01 signs the text of the note; 0x04 signs it under a header with the time; 0x06 signs a binary structure
that names the cosigner, the time, the log and the tree, so that one key can never be made to sign two meanings.
"""

from struct import Struct
from typing import Final, NamedTuple

ED25519: Final = 0x01
COSIGNATURE: Final = 0x04
ML_DSA_44: Final = 0x06
KEY_BYTES: Final = {ED25519: 32, COSIGNATURE: 32, ML_DSA_44: 1312}
"""Length of the public key of each signature type that is understood."""
SIGNATURE_BYTES: Final = {ED25519: 64, COSIGNATURE: 64, ML_DSA_44: 2420}
"""Length of a signature without its time."""
KIND_NAMES: Final = {ED25519: "Ed25519", COSIGNATURE: "Ed25519 cosignature", ML_DSA_44: "ML-DSA-44"}

_LABEL: Final = b"subtree/v1\n\x00"
_TIME: Final = Struct(">Q")
_LAST_TIME: Final = 2**63 - 1
_NAME_LIMIT: Final = 255


class Tree(NamedTuple):
    """The parts of a checkpoint that type 0x06 signs: its origin, its number of leaves and its 32-byte root."""

    origin: str
    size: int
    root: bytes


def timed(kind: int) -> bool:
    """Tell whether signatures of this type begin with the time at which they were made."""
    return kind != ED25519


def message(kind: int, name: str, body: str, tree: Tree, at: int) -> bytes:
    """The bytes that the key `name` signs for a checkpoint; `at` is in whole seconds since the epoch."""
    if kind == ED25519:
        return body.encode()
    if kind == COSIGNATURE:
        return f"cosignature/v1\ntime {at}\n{body}".encode()
    hashed = _prefixed(name) + _TIME.pack(at) + _prefixed(tree.origin) + _TIME.pack(0) + _TIME.pack(tree.size)
    return _LABEL + hashed + tree.root


def join(kind: int, at: int, signature: bytes) -> bytes:
    """What stands in a signature line behind the key id."""
    return _TIME.pack(at) + signature if timed(kind) else signature


def split(kind: int, value: bytes) -> tuple[int, bytes] | None:
    """Time (0 where the type has none) and signature out of a line's value; None when it has the wrong form."""
    if not timed(kind):
        return (0, value) if len(value) == SIGNATURE_BYTES[kind] else None
    if len(value) != _TIME.size + SIGNATURE_BYTES[kind]:
        return None
    at: int = _TIME.unpack_from(value)[0]
    return (at, value[_TIME.size :]) if at <= _LAST_TIME else None


def _prefixed(text: str) -> bytes:
    """A string of 1 to 255 bytes behind its length."""
    encoded = text.encode()
    if not 0 < len(encoded) <= _NAME_LIMIT:
        msg = f"an ML-DSA-44 signature cannot name {text[:40]!r}: it must have 1 to {_NAME_LIMIT} bytes"
        raise ValueError(msg)
    return bytes([len(encoded)]) + encoded
