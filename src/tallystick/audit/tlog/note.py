"""Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint) with Ed25519 keys (signature type 0x01).

Pure. Parsing is strict: every byte of a note or key is either checked or refused, so that one text has one meaning.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tallystick.terms import TallyError

ED25519 = 1
_SIGNATURES_LIMIT = 100
_NAME = re.compile(r"[^\s+]+")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]+)\n")
_SIGNATURE = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)")
_HASH_BYTES = _KEY_BYTES = 32


class NoteError(TallyError):
    """A note, checkpoint or key text that is malformed or not signed by the expected key."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid", message)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its origin, the number of leaves and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key that signs notes under a name; `key` is the 32-byte raw Ed25519 public key."""

    name: str
    key: bytes

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || 0x0A || type || key)."""
        return sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.key).digest()[:4]

    @property
    def vkey(self) -> str:
        """The key in its text form, `name+hex(id)+base64(type || key)`."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([ED25519]) + self.key).decode()}"


def parse_vkey(text: str) -> Verifier:
    """Read a verifier key; raises NoteError."""
    match = _KEY.fullmatch(text.removesuffix("\n"))
    if match is None:
        msg = "a verifier key reads name+8 hex digits+base64"
        raise NoteError(msg)
    material = _decode(match[3])
    if len(material) != 1 + _KEY_BYTES or material[0] != ED25519:
        msg = "the verifier key is not an Ed25519 key"
        raise NoteError(msg)
    verifier = Verifier(match[1], material[1:])
    if verifier.key_id.hex() != match[2]:
        msg = "the verifier key does not match its own key id"
        raise NoteError(msg)
    return verifier


def verifier_of(name: str, private: Ed25519PrivateKey) -> Verifier:
    """Public side of a signing key, under the name of the log it signs for."""
    if not _NAME.fullmatch(name):
        msg = f"{name!r} cannot name a key: spaces and plus signs are not allowed"
        raise NoteError(msg)
    return Verifier(name, private.public_key().public_bytes_raw())


def sign_checkpoint(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> str:
    """Return the signed note of a checkpoint; the key's name is the origin."""
    body = f"{checkpoint.origin}\n{checkpoint.size}\n{b64encode(checkpoint.root).decode()}\n"
    signature = verifier_of(checkpoint.origin, private).key_id + private.sign(body.encode())
    return f"{body}\n\u2014 {checkpoint.origin} {b64encode(signature).decode()}\n"


def open_checkpoint(text: str, verifier: Verifier) -> Checkpoint:
    """Read a signed checkpoint and verify it; signatures of other keys are ignored. Raises NoteError."""
    body, found, lines = text.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        msg = "no signatures under the checkpoint"
        raise NoteError(msg)
    body += "\n"
    signatures = [_signature(line) for line in lines[:-1].split("\n")[:_SIGNATURES_LIMIT]]
    ours = [value[4:] for name, value in signatures if name == verifier.name and value[:4] == verifier.key_id]
    if not ours:
        msg = f"not signed by {verifier.name}+{verifier.key_id.hex()}"
        raise NoteError(msg)
    public = Ed25519PublicKey.from_public_bytes(verifier.key)
    try:
        for signature in ours:
            public.verify(signature, body.encode())
    except InvalidSignature as error:
        msg = f"the signature of {verifier.name} does not fit the text"
        raise NoteError(msg) from error
    return _parse_body(body, verifier.name)


def _parse_body(body: str, origin: str) -> Checkpoint:
    match = _BODY.match(body)
    if match is None or match[1] != origin:
        msg = f"a checkpoint of this log reads {origin}, size, root"
        raise NoteError(msg)
    digest = _decode(match[3])
    if len(digest) != _HASH_BYTES:
        msg = "the root is not 32 bytes"
        raise NoteError(msg)
    return Checkpoint(origin, int(match[2]), digest)


def _signature(line: str) -> tuple[str, bytes]:
    match = _SIGNATURE.fullmatch(line)
    if match is None:
        msg = "a signature line reads dash, name, base64"
        raise NoteError(msg)
    return match[1], _decode(match[2])


def _decode(text: str) -> bytes:
    """Strict base64: one value has exactly one text."""
    try:
        value = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        msg = "not base64"
        raise NoteError(msg) from error
    if b64encode(value).decode() != text:
        msg = "not canonical base64"
        raise NoteError(msg)
    return value
