"""Signed notes, checkpoints and verifier keys (C2SP signed-note, tlog-checkpoint, tlog-cosignature).

Pure. Parsing is strict: every byte of a note or key is either checked or refused, so that one text has one meaning.
Signatures of unknown keys are ignored; one by a known key that does not fit refuses the whole note.
"""

import re
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from tallystick.audit.tlog.message import ED25519, KEY_BYTES, KIND_NAMES, ML_DSA_44, Tree, message, split
from tallystick.terms import TallyError

SIGNATURES_LIMIT = 100
"""Signature lines that are looked at."""
_NAME = re.compile(r"[^\s+]+")
_KEY = re.compile(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")
_BODY = re.compile(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]+)\n(?:[^\n]+\n)*")
_SIGNATURE = re.compile("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_HASH_BYTES = 32
_ID_BYTES = 4


class NoteError(TallyError):
    """A note, checkpoint or key text that is malformed or not signed by the expected key."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid", message)


class NotSignedError(NoteError):
    """A well-formed note that none of the expected keys (or, where all are asked for, not every one) has signed."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log commits to: its origin, the number of leaves and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes

    @property
    def body(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"


@dataclass(frozen=True, slots=True)
class Verifier:
    """A raw public key that signs notes under a name; `kind` is its C2SP signature type (0x01, 0x04 or 0x06)."""

    name: str
    key: bytes
    kind: int = ED25519

    @property
    def key_id(self) -> bytes:
        """First four bytes of SHA-256(name || 0x0A || type || key)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.key).digest()[:_ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key in its text form, `name+hex(id)+base64(type || key)`."""
        return f"{self.name}+{self.key_id.hex()}+{b64encode(bytes([self.kind]) + self.key).decode()}"

    @property
    def label(self) -> str:
        """How the key is named to people: the text form without the key itself, and the type."""
        return f"{self.name}+{self.key_id.hex()} ({KIND_NAMES[self.kind]})"


class Signature(NamedTuple):
    """One signature line: the key's name and id, what it signed, and the line itself without its newline."""

    name: str
    key_id: bytes
    value: bytes
    line: str


class Signed(NamedTuple):
    """A known key that has signed, and when it says it did (seconds since the epoch; 0 for a type without a time)."""

    verifier: Verifier
    at: int
    line: str


class Note(NamedTuple):
    """A note, taken apart but not verified."""

    body: str
    signatures: tuple[Signature, ...]


def parse_vkey(text: str) -> Verifier:
    """Read a verifier key of any type that is understood; raises NoteError."""
    match = _KEY.fullmatch(text.removesuffix("\n"))
    if match is None:
        msg = "a verifier key reads name+8 hex digits+base64"
        raise NoteError(msg)
    material = decode(match[3])
    kind, key = material[0] if material else 0, material[1:]
    if kind not in KEY_BYTES:
        msg = f"the verifier key has the unknown type {kind:#04x}"
        raise NoteError(msg)
    if len(key) != KEY_BYTES[kind]:
        msg = f"the verifier key is no {KIND_NAMES[kind]} key: it has {len(key)} bytes"
        raise NoteError(msg)
    verifier = Verifier(match[1], key, kind)
    if verifier.key_id.hex() != match[2]:
        msg = "the verifier key does not match its own key id"
        raise NoteError(msg)
    return verifier


def parse_vkeys(text: str) -> tuple[Verifier, ...]:
    """Read a file of verifier keys, one per line; empty lines are skipped. Raises NoteError, which names the line."""
    found: list[Verifier] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append(parse_vkey(line.strip()))
            except NoteError as error:
                msg = f"line {number}: {error.message}"
                raise NoteError(msg) from error
    if not found:
        msg = "there is no verifier key in it"
        raise NoteError(msg)
    return tuple(dict.fromkeys(found))


def verifier_of(name: str, private: Ed25519PrivateKey) -> Verifier:
    """Public side of an Ed25519 signing key, under the name of the log it signs for."""
    return Verifier(checked_name(name), private.public_key().public_bytes_raw())


def checked_name(name: str) -> str:
    """Return a name that a key can have; raises NoteError."""
    if not _NAME.fullmatch(name):
        msg = f"{name!r} cannot name a key: spaces and plus signs are not allowed"
        raise NoteError(msg)
    return name


def sign_checkpoint(checkpoint: Checkpoint, private: Ed25519PrivateKey) -> str:
    """Return the note of a checkpoint, signed with one Ed25519 key; the key's name is the origin."""
    value = verifier_of(checkpoint.origin, private).key_id + private.sign(checkpoint.body.encode())
    return f"{checkpoint.body}\n{signature_line(checkpoint.origin, value)}\n"


def signature_line(name: str, value: bytes) -> str:
    """A signature line without its newline; `value` is the key id and the signature."""
    return f"\u2014 {name} {b64encode(value).decode()}"


def read_note(text: str) -> Note:
    """Take a note apart without verifying it; raises NoteError."""
    body, found, lines = text.rpartition("\n\n")
    if not found or not lines.endswith("\n"):
        msg = "no signatures under the checkpoint"
        raise NoteError(msg)
    if _CONTROL.search(text):
        msg = "a note has no control characters"
        raise NoteError(msg)
    return Note(body + "\n", tuple(parse_signature(line) for line in lines[:-1].split("\n")[:SIGNATURES_LIMIT]))


def read_checkpoint(body: str) -> Checkpoint:
    """What the text of a note commits to; raises NoteError."""
    match = _BODY.fullmatch(body)
    if match is None:
        msg = "a checkpoint reads origin, size, root"
        raise NoteError(msg)
    digest = decode(match[3])
    if len(digest) != _HASH_BYTES:
        msg = "the root is not 32 bytes"
        raise NoteError(msg)
    return Checkpoint(match[1], int(match[2]), digest)


def signed_by(note: Note, verifiers: Iterable[Verifier]) -> tuple[Signed, ...]:
    """Which of the known keys have signed, in the order of their lines.

    Raises NoteError when one has not: a line with a known key's name and id whose signature does not fit the text.
    """
    known = {(verifier.name, verifier.key_id): verifier for verifier in verifiers}
    checkpoint = read_checkpoint(note.body)
    tree = Tree(checkpoint.origin, checkpoint.size, checkpoint.root)
    found: list[Signed] = []
    for signature in note.signatures:
        verifier = known.get((signature.name, signature.key_id))
        if verifier is not None:
            found.append(Signed(verifier, _verify(verifier, note.body, tree, signature), signature.line))
    return tuple(found)


def open_checkpoint(text: str, verifiers: Verifier | Sequence[Verifier], *, every: bool = False) -> Checkpoint:
    """Read a signed checkpoint and verify it; signatures of other keys are ignored. Raises NoteError.

    `verifiers` are keys of one log, whose name is its origin: one of them must have signed, or with `every` all.
    """
    wanted = (verifiers,) if isinstance(verifiers, Verifier) else tuple(verifiers)
    note = read_note(text)
    signed = {signed.verifier for signed in signed_by(note, wanted)}
    missing = [verifier.label for verifier in wanted if verifier not in signed]
    if not signed or (every and missing):
        msg = f"not signed by {', '.join(missing) or 'any key'}"
        raise NotSignedError(msg)
    checkpoint = read_checkpoint(note.body)
    if any(verifier.name != checkpoint.origin for verifier in signed):
        msg = f"a checkpoint of this log reads {wanted[0].name}, size, root"
        raise NoteError(msg)
    return checkpoint


def with_signatures(text: str, lines: Iterable[str]) -> str:
    """A note with further signature lines; one with the name and id of a line that is there replaces it."""
    note = read_note(text)
    kept = {(signature.name, signature.key_id): signature.line for signature in note.signatures}
    kept |= {(signature.name, signature.key_id): signature.line for signature in map(parse_signature, lines)}
    return f"{note.body}\n" + "".join(f"{line}\n" for line in kept.values())


def parse_signature(line: str) -> Signature:
    """Take one signature line apart; raises NoteError."""
    match = _SIGNATURE.fullmatch(line)
    value = b"" if match is None else decode(match[2])
    if match is None or len(value) <= _ID_BYTES:
        msg = "a signature line reads dash, name, base64"
        raise NoteError(msg)
    return Signature(match[1], value[:_ID_BYTES], value[_ID_BYTES:], line)


def decode(text: str) -> bytes:
    """Strict base64: one value has exactly one text. Raises NoteError."""
    try:
        value = b64decode(text, validate=True)
    except (Base64Error, ValueError) as error:
        msg = "not base64"
        raise NoteError(msg) from error
    if b64encode(value).decode() != text:
        msg = "not canonical base64"
        raise NoteError(msg)
    return value


def _verify(verifier: Verifier, body: str, tree: Tree, signature: Signature) -> int:
    msg = f"the signature of {verifier.label} does not fit the text"
    parts = split(verifier.kind, signature.value)
    if parts is None:
        raise NoteError(msg)
    at, raw = parts
    try:
        content = message(verifier.kind, verifier.name, body, tree, at)
        if verifier.kind == ML_DSA_44:
            MLDSA44PublicKey.from_public_bytes(verifier.key).verify(raw, content)
        else:
            Ed25519PublicKey.from_public_bytes(verifier.key).verify(raw, content)
    except (InvalidSignature, ValueError) as error:
        raise NoteError(msg) from error
    return at
