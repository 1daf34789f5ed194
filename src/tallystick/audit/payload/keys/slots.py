"""A slot of a keyring: one wrapped data key, or the mark that it was destroyed, in 512 bytes. Pure.

512 bytes, aligned, because a disk writes a sector whole or not at all: a destroyed slot is written over the live one.
"""

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

SLOT_BYTES: Final = 512
LIVE, ERASED, EXPIRED, RETIRED = 1, 2, 3, 4
READABLE: Final = frozenset({LIVE, RETIRED})
NO_LEAF: Final = -1
WRAPPED_BYTES: Final = 48
NONCE_BYTES: Final = 12
SUBJECT_LIMIT: Final = 128
_MAGIC: Final = b"TKS1"
# Magic, state, keyring key version, made and ended (microseconds), leaf, key id, subject, class, nonce, wrapped key.
_SLOT: Final = Struct(">4sBIQQq16s129p65p12s48s")
_BOUND: Final = Struct(">IQ16s129p65p")
_CHECK: Final = Struct(">I")
_FREE: Final = bytes(SLOT_BYTES)
_REST: Final = bytes(SLOT_BYTES - _SLOT.size - _CHECK.size)


class Slot(NamedTuple):
    """A data key of one subject and retention class, wrapped under a version of the keyring key.

    `state` is LIVE, RETIRED (what is sealed under it can be read, and nothing more is sealed), ERASED or EXPIRED. In
    the last two the key is zeros, `ended_us` the time and `leaf` the index of the leaf that records it. The subject is
    a reference, never a name.
    """

    state: int
    version: int
    made_us: int
    ended_us: int
    leaf: int
    key_id: bytes
    subject: str
    retention: str
    nonce: bytes
    wrapped: bytes

    def bound(self, tenant: str) -> bytes:
        """What the wrapping is bound to: everything that does not change while the key lives, and the tenant."""
        identity = _BOUND.pack(self.version, self.made_us, self.key_id, self.subject.encode(), self.retention.encode())
        return b"tallystick slot 1\0" + tenant.encode() + b"\0" + identity


def encode(slot: Slot) -> bytes:
    """The 512 bytes of a slot, with a CRC-32 of all the others at their end."""
    state, version, made_us, ended_us, leaf, key_id, subject, retention, nonce, wrapped = slot
    fields = (state, version, made_us, ended_us, leaf, key_id, subject.encode(), retention.encode(), nonce, wrapped)
    content = _SLOT.pack(_MAGIC, *fields) + _REST
    return content + _CHECK.pack(crc32(content))


def decode(content: bytes) -> Slot | None:
    """The slot in 512 bytes, None where nothing was ever written; raises ValueError for a damaged one."""
    if content == _FREE:
        return None
    if len(content) != SLOT_BYTES or crc32(content[: -_CHECK.size]) != _CHECK.unpack_from(content, SLOT_BYTES - 4)[0]:
        message = "its checksum does not fit"
        raise ValueError(message)
    magic, state, version, made_us, ended_us, leaf, key_id, subject, retention, nonce, wrapped = _SLOT.unpack_from(
        content
    )
    slot = Slot(
        state,
        version,
        made_us,
        ended_us,
        leaf,
        key_id,
        subject.decode("ascii"),
        retention.decode("ascii"),
        nonce,
        wrapped,
    )
    if magic != _MAGIC or state not in {LIVE, ERASED, EXPIRED, RETIRED} or encode(slot) != content:
        message = "it is no slot of this version"
        raise ValueError(message)
    if state not in READABLE and (any(nonce) or any(wrapped)):
        message = "it is destroyed and still holds a key"
        raise ValueError(message)
    return slot


def destroyed(slot: Slot, state: int, leaf: int | None, at_us: int) -> Slot:
    """The mark that takes the slot's place: who and why, and no key."""
    return slot._replace(
        state=state,
        ended_us=at_us,
        leaf=NO_LEAF if leaf is None else leaf,
        nonce=bytes(NONCE_BYTES),
        wrapped=bytes(WRAPPED_BYTES),
    )
