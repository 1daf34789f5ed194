"""`<state>/keys/signing.json`: which keys sign, which are about to, and which did. Replaced as a whole, durably.

A key is named by its file: `audit-ed25519` and `audit-mldsa44`, and for later pairs `audit-ed25519.2` and so on.
"""

from base64 import b64encode
from pathlib import Path
from typing import Final

import msgspec

from tallystick.audit.disk import sync_directory, write_durably
from tallystick.audit.tlog.message import ED25519, ML_DSA_44
from tallystick.audit.tlog.note import NoteError, Verifier, decode

ROLL: Final = "signing.json"
PREFIXES: Final = {"audit-ed25519": ED25519, "audit-mldsa44": ML_DSA_44}


class Retired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key that signs no more: its file, which may still have to be destroyed, and base64(type || public key)."""

    file: str
    key: str

    @classmethod
    def of(cls, file: str, verifier: Verifier) -> "Retired":
        """The entry of a key, whatever name it signed under."""
        return cls(file, b64encode(bytes([verifier.kind]) + verifier.key).decode())

    def verifier(self, name: str) -> Verifier:
        """The public key, under a name."""
        material = decode(self.key)
        return Verifier(name, material[1:], material[0])


class Roll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of the keys that sign now, of those that will once a leaf has said so, and of those that will no more."""

    current: tuple[str, ...]
    coming: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    retired: tuple[Retired, ...] = ()

    @property
    def next_number(self) -> int:
        """Number of the next pair: none is used twice."""
        return 1 + max(number_of(file) for file in self.current)


def kind_of(file: str) -> int:
    """Signature type of a key by its file's name; raises ValueError."""
    prefix, _, number = file.partition(".")
    if prefix not in PREFIXES or (number and not number.isdecimal()):
        msg = f"{file!r} names no signing key"
        raise ValueError(msg)
    return PREFIXES[prefix]


def number_of(file: str) -> int:
    """Number of the pair that a key belongs to."""
    return int(file.partition(".")[2] or 1)


def files_of(number: int) -> tuple[str, ...]:
    """Files of a pair, Ed25519 first."""
    return tuple(prefix if number == 1 else f"{prefix}.{number}" for prefix in PREFIXES)


def read_roll(keys: Path) -> Roll | None:
    """The roll of a directory of keys, or None where there is none yet; raises OSError or ValueError."""
    try:
        content = (keys / ROLL).read_bytes()
    except FileNotFoundError:
        return None
    try:
        roll = msgspec.json.decode(content, type=Roll)
        for file in (*roll.current, *roll.coming, *roll.going, *(entry.file for entry in roll.retired)):
            kind_of(file)
        for entry in roll.retired:
            entry.verifier("retired")
    except (msgspec.MsgspecError, ValueError, NoteError, IndexError) as error:
        msg = f"keys/{ROLL} is damaged: {error}; restore the keys directory"
        raise ValueError(msg) from error
    if not roll.current:
        msg = f"keys/{ROLL} names no key that signs; restore the keys directory"
        raise ValueError(msg)
    return roll


def write_roll(keys: Path, roll: Roll) -> None:
    """Replace the roll, durably."""
    write_durably(keys / ROLL, msgspec.json.format(msgspec.json.encode(roll)), 0o600)
    sync_directory(keys)
