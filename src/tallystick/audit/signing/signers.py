"""Signing checkpoints with every current key, and replacing the keys so that nobody has to trust a gap.

A change of keys has two halves. `begin_rotation` or `end_rotation` writes down what is going to happen and gives the
fields of `key` leaves; once these leaves are durable and published in every open log, `settle` makes it so. Hence a new
key signs nothing before a checkpoint of the old ones covers the leaf that introduces it, and an old key is destroyed
after a leaf has said so. A crash in between leaves `unfinished`: write its leaves (again), publish, settle.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tallystick.audit.disk import destroy, make_directory, sync_directory, write_durably
from tallystick.audit.signing.roll import Retired, Roll, files_of, kind_of, number_of, read_roll, write_roll
from tallystick.audit.tlog.cosign import SEED_BYTES, SigningKey, signing_key
from tallystick.audit.tlog.note import Checkpoint, Verifier, open_checkpoint, read_note, signed_by
from tallystick.terms import TallyError


class KeyChangeError(TallyError):
    """A change of keys that cannot begin now."""

    def __init__(self, message: str) -> None:
        super().__init__("conflict", message)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What `key` leaves have to say."""

    action: Literal["introduced", "retired"]
    keys: tuple[SigningKey, ...]

    def fields(self, origin: str) -> dict[str, object]:
        """Fields of the `key` leaf in the log of this origin."""
        vkeys = [key.verifier(origin).vkey for key in self.keys]
        return {"purpose": "checkpoint", "action": self.action, "keys": vkeys}


class Signers:
    """The signing keys of a state directory. One thread may sign while another rotates."""

    def __init__(self, keys: Path, roll: Roll) -> None:
        self._keys = keys
        self._roll = roll
        # Replaced as a whole, so that whoever signs meanwhile sees all of it or nothing.
        self._signing = tuple(_read_key(keys, file) for file in roll.current)

    def sign(self, checkpoint: Checkpoint, at: float) -> str:
        """The note of a checkpoint, signed with every current key; `at` is the time (seconds since the epoch)."""
        body = checkpoint.body
        return f"{body}\n" + "".join(f"{key.sign(checkpoint.origin, body, at)}\n" for key in self._signing)

    def verifiers(self, origin: str) -> tuple[Verifier, ...]:
        """Public sides of the keys that sign now, Ed25519 first."""
        return tuple(key.verifier(origin) for key in self._signing)

    def known(self, origin: str) -> tuple[Verifier, ...]:
        """Those that sign now and those that have been retired: whatever this state directory may have signed with."""
        return (*self.verifiers(origin), *(entry.verifier(origin) for entry in self._roll.retired))

    def open(self, text: str, origin: str) -> Checkpoint:
        """Read a checkpoint that one of these keys, retired ones included, has signed; raises NoteError."""
        return open_checkpoint(text, self.known(origin))

    def has_signed(self, text: str, origin: str) -> bool:
        """Tell whether a key that signs now has signed a checkpoint; raises NoteError where a signature is wrong."""
        return bool(signed_by(read_note(text), self.verifiers(origin)))

    def vkeys(self, origin: str) -> str:
        """Content of a log's `vkey` file: one line for each key that signs now."""
        return "".join(f"{verifier.vkey}\n" for verifier in self.verifiers(origin))

    def begin_rotation(self) -> KeyChange:
        """Make a new pair of keys, which sign beside the old ones once settled. Raises TallyError, OSError."""
        self._at_rest()
        if len({number_of(file) for file in self._roll.current}) > 1:
            message = "the last rotation has not ended: first end it, with `tally audit rotate-keys end`"
            raise KeyChangeError(message)
        coming = files_of(self._roll.next_number)
        for file in coming:
            _make_key(self._keys, file)
        sync_directory(self._keys)
        return self._write(Roll(self._roll.current, coming=coming, retired=self._roll.retired))

    def end_rotation(self) -> KeyChange:
        """Let the keys before the newest pair go: they sign no more, and are destroyed, once settled."""
        self._at_rest()
        newest = max(number_of(file) for file in self._roll.current)
        going = tuple(file for file in self._roll.current if number_of(file) < newest)
        if not going:
            message = "no rotation has begun: `tally audit rotate-keys begin` makes the new keys"
            raise KeyChangeError(message)
        return self._write(Roll(self._roll.current, going=going, retired=self._roll.retired))

    def unfinished(self) -> KeyChange | None:
        """The change that was begun and is not settled."""
        return self._change() if self._roll.coming or self._roll.going else None

    def settle(self) -> None:
        """Carry out the change whose leaves are written; write every open log's `vkey` file and checkpoint anew."""
        roll = self._roll
        if not roll.coming and not roll.going:
            return
        gone = tuple(Retired.of(file, self._key(file).verifier("retired")) for file in roll.going)
        kept = tuple(file for file in roll.current if file not in roll.going)
        after = Roll((*kept, *roll.coming), retired=(*roll.retired, *gone))
        write_roll(self._keys, after)
        self._roll, self._signing = after, tuple(_read_key(self._keys, file) for file in after.current)
        _destroy_retired(self._keys, after)

    def _at_rest(self) -> None:
        if self.unfinished() is not None:
            message = "a change of keys is under way: its leaves have to be written first"
            raise KeyChangeError(message)

    def _write(self, roll: Roll) -> KeyChange:
        write_roll(self._keys, roll)
        self._roll = roll
        return self._change()

    def _change(self) -> KeyChange:
        files = self._roll.coming or self._roll.going
        return KeyChange("introduced" if self._roll.coming else "retired", tuple(self._key(file) for file in files))

    def _key(self, file: str) -> SigningKey:
        return _read_key(self._keys, file)


def load_signers(state: Path, *, initialize: bool) -> Signers:
    """Signing keys of a state directory; without `initialize` there must be some. Raises OSError or ValueError.

    A directory with an Ed25519 key only gets an ML-DSA-44 key beside it, as a change that is `unfinished`.
    """
    keys = state / "keys"
    roll = read_roll(keys)
    if roll is None:
        roll = _first_roll(keys, initialize=initialize)
    signers = Signers(keys, roll)
    _destroy_retired(keys, roll)
    return signers


def _first_roll(keys: Path, *, initialize: bool) -> Roll:
    classic, quantum = files_of(1)
    fresh = initialize and not (keys / classic).exists()
    if fresh:
        make_directory(keys)
        keys.chmod(0o700)
        _make_key(keys, classic)
    _read_key(keys, classic)
    if fresh or not (keys / quantum).exists():
        _make_key(keys, quantum)
    sync_directory(keys)
    roll = Roll((classic, quantum)) if fresh else Roll((classic,), coming=(quantum,))
    write_roll(keys, roll)
    return roll


def _make_key(keys: Path, file: str) -> None:
    write_durably(keys / file, os.urandom(SEED_BYTES), 0o600)


def _read_key(keys: Path, file: str) -> SigningKey:
    try:
        return signing_key(kind_of(file), (keys / file).read_bytes())
    except FileNotFoundError as error:
        msg = f"the signing key {keys / file} is gone; restore it from a backup"
        raise OSError(msg) from error
    except ValueError as error:
        msg = f"the signing key {keys / file} is damaged: {error}"
        raise ValueError(msg) from error


def _destroy_retired(keys: Path, roll: Roll) -> None:
    # INVARIANT: a key's file goes only after the roll that calls it retired is durable.
    for entry in roll.retired:
        destroy(keys / entry.file)
