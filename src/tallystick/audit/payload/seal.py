"""A sealed record: header, nonce and AES-256-GCM ciphertext of one payload. Pure.

Bytes: "TP1\\n", u16 length of the header, u32 length of the ciphertext, header, 12-byte nonce, ciphertext with its tag.
The header is canonical JSON (RFC 8785) and the associated data of the encryption; it names the leaf (hex SHA-256 leaf
hash, RFC 6962) that the payload goes with, so that a record cannot be moved to another leaf, field, key or class.
"""

import re
from struct import Struct
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.payload.model import Damaged

MAGIC: Final = b"TP1\n"
CONTENT_LIMIT: Final = 64 << 20
"""Bytes of one payload: what one frame of the writer's socket can bring."""
RETENTION: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
"""Name of a retention class; it becomes a directory."""
_PREFIX: Final = Struct(">4sHI")
_NONCE: Final = 12
_TAG: Final = 16
_HEADER: Final = (
    b'{"call":"%b","class":"%b","field":"%b","key":"%b","leaf":"%b","size":%d,"ts":"%b","v":1}'  # its keys are sorted
)
_FIELD = re.compile(r"[a-z][a-z_]{0,31}")
_READ: Final = re.compile(
    rb'\{"call":"([0-9A-Za-z]{1,64})","class":"([a-z0-9][a-z0-9-]{0,62})","field":"([a-z][a-z_]{0,31})",'
    rb'"key":"([0-9a-f]{32})","leaf":"([0-9a-f]{64})","size":(0|[1-9][0-9]{0,8}),'
    rb'"ts":"([0-9]{4}-(?:0[1-9]|1[0-2])-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z)","v":1\}'
)
"""All that a header may be. INVARIANT: what this matches has one spelling, so that it is canonical without a parser."""


class Header(NamedTuple):
    """What a record says of itself in clear."""

    call: str
    retention: str
    field: str
    key: str
    leaf: str
    size: int
    ts: str

    @property
    def month(self) -> str:
        """Year and month (UTC) in which it was sealed."""
        return self.ts[:7]


class Parsed(NamedTuple):
    """A record taken apart. `bound` are the header's bytes, the associated data."""

    header: Header
    bound: bytes
    nonce: bytes
    body: bytes


def is_field(name: str) -> bool:
    """Whether a payload may be called so."""
    return _FIELD.fullmatch(name) is not None


def seal(cipher: AESGCM, header: bytes, nonce: bytes, content: bytes) -> bytes:
    """The record of a payload under a header that `header_of` made; the nonce is 12 random bytes, never used again."""
    body = cipher.encrypt(nonce, content, header)
    # One copy: a payload may be large.
    return b"".join((_PREFIX.pack(MAGIC, len(header), len(body)), header, nonce, body))


def header_of(parts: tuple[bytes, bytes, bytes, bytes, bytes, int, bytes]) -> bytes:
    """Header out of call id, class, field, key id, leaf hash, size and time. INVARIANT: none of them needs escaping."""
    return _HEADER % parts


def parse(record: bytes) -> Parsed:
    """Take a record apart; raises Damaged unless every byte is as `seal` would have written it."""
    if len(record) < _PREFIX.size:
        message = f"a sealed record of {len(record)} bytes is cut off"
        raise Damaged(message)
    magic, head, length = _PREFIX.unpack_from(record)
    start = _PREFIX.size + head
    if magic != MAGIC or len(record) != start + _NONCE + length:
        message = "a sealed record does not begin or end as one"
        raise Damaged(message)
    bound = record[_PREFIX.size : start]
    header = _read(bound)
    if length != header.size + _TAG:
        message = f"the sealed record of {header.call} {header.field} is not as long as it says"
        raise Damaged(message)
    return Parsed(header, bound, record[start : start + _NONCE], record[start + _NONCE :])


def unseal(cipher: AESGCM, parsed: Parsed) -> bytes:
    """The payload in clear; raises Damaged when the key, the header or the ciphertext is not the one it was made of."""
    try:
        return cipher.decrypt(parsed.nonce, parsed.body, parsed.bound)
    except InvalidTag as error:
        header = parsed.header
        message = f"the payload {header.field} of {header.call} was changed, or is under another key than it names"
        raise Damaged(message) from error


def _read(bound: bytes) -> Header:
    found = _READ.fullmatch(bound)
    if found is None:
        message = "the header of a sealed record is not canonical, or has a value that none can have"
        raise Damaged(message)
    call, retention, field, key, leaf, size, ts = [part.decode("ascii") for part in found.groups()]
    return Header(call, retention, field, key, leaf, int(size), ts)
