"""The keyring of a tenant as a file of slots: appended durably before use, destroyed in place.

One thread makes keys (the writer's loop), another reads and destroys them (its clerk): a lock guards both.
Memory: about 0.5 KiB for each key that was ever made. What destruction cannot reach is said in docs/how-to/payloads.md.
"""

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.disk import make_directory, sync_directory
from tallystick.audit.model import Unwritable
from tallystick.audit.payload.keys import slots
from tallystick.audit.payload.keys.master import Master
from tallystick.audit.payload.keys.slots import SLOT_BYTES, Slot
from tallystick.audit.payload.model import Damaged, Gone, PayloadKey, Why

_GROWTH: Final = 128
"""Slots that are filled with zeros at once, so that using one changes neither the file's length nor its extents."""
_READ_BYTES: Final = 1 << 20
_PAGE: Final = 4096
_READY_LIMIT: Final = 65_536
"""Unwrapped keys kept in memory; past it the one that was unwrapped first goes, and is unwrapped again when needed."""
_STATES: Final[dict[Why, int]] = {"erased": slots.ERASED, "expired": slots.EXPIRED}


class FileKeyring:
    """The data keys of one tenant in one file. Raises OSError when it cannot be opened."""

    def __init__(self, path: Path, tenant: str, master: Master) -> None:
        self._path = path
        self._tenant = tenant
        self._master = master
        self._lock = threading.Lock()
        self._failure: Unwritable | None = None
        self._live: dict[tuple[str, str], int] = {}
        self._retired: dict[tuple[str, str], list[int]] = {}
        self._numbers: dict[bytes, int] = {}
        self._ready: dict[tuple[str, str], PayloadKey] = {}
        self._used = self._room = 0
        self.damaged: list[int] = []
        is_new = not path.exists()
        make_directory(path.parent)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if is_new:
            sync_directory(path.parent)
        self._load()

    # `damaged`: numbers of slots whose bytes are no slot. What was sealed under them cannot be read; all else can.

    @property
    def live(self) -> int:
        """How many keys there are that were not destroyed."""
        return len(self._live) + sum(map(len, self._retired.values()))

    def key_for(self, subject: str, retention: str, at: float) -> PayloadKey:
        """The live key of a subject and class; a new one is durable when it is returned. Raises Unwritable."""
        key = self._ready.get((subject, retention))
        if key is None:
            self.keys_for([(subject, retention)], at)
            with self._lock:
                key = self._open(self._live[subject, retention])
        return key

    def keys_for(self, pairs: Iterable[tuple[str, str]], at: float) -> None:
        """Make the keys that are missing, with one sync for all. Raises Unwritable."""
        with self._lock:
            missing = {pair for pair in pairs if pair not in self._live}
            if not missing:
                return
            self._check()
            try:
                made = [self._append(subject, retention, at) for subject, retention in sorted(missing)]
                os.fdatasync(self._file)
            except OSError as error:
                raise self._fail(error) from error
            # INVARIANT: a key is found only once it is durable, so that nothing is ever sealed under one that is not.
            for number, slot in made:
                self._numbers[slot.key_id] = number
                self._live[slot.subject, slot.retention] = number

    def key(self, key_id: str) -> PayloadKey | Gone:
        """A key by its id; raises Damaged."""
        with self._lock:
            number = self._numbers.get(bytes.fromhex(key_id))
            if number is None:
                message = f"{self._path}: no slot holds key {key_id}; damaged slots: {self.damaged or 'none'}"
                raise Damaged(message)
            slot = self._slot(number)
            if slot.state in slots.READABLE:
                return self._open(number)
            leaf = None if slot.leaf == slots.NO_LEAF else slot.leaf
            return Gone("erased" if slot.state == slots.ERASED else "expired", leaf)

    def find(self, subject: str, classes: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Id and class of each key of a subject that was not destroyed."""
        # A copy is one step of the interpreter: the writer's loop must not wait for the search through all keys.
        known = {*list(self._live), *list(self._retired)}
        wanted = [pair for pair in known if pair[0] == subject and (classes is None or pair[1] in classes)]
        with self._lock:
            live = [(self._live[pair], pair[1]) for pair in wanted if pair in self._live]
            numbers = live + [(number, pair[1]) for pair in wanted for number in self._retired.get(pair, ())]
            return [(self._slot(number).key_id.hex(), retention) for number, retention in sorted(numbers)]

    def retire(self, key_ids: Iterable[str]) -> None:
        """Use keys for nothing new, durably: what comes goes under another one. Raises Unwritable."""
        with self._lock:
            self._check()
            numbers = [self._numbers[key_id] for key_id in map(bytes.fromhex, key_ids) if key_id in self._numbers]
            found = [(number, slot) for number in numbers if (slot := self._slot(number)).state == slots.LIVE]
            for number, slot in found:
                pair = slot.subject, slot.retention
                self._live.pop(pair, None)
                self._ready.pop(pair, None)
                self._retired.setdefault(pair, []).append(number)
            try:
                for number, slot in found:
                    self._write(number, slots.encode(slot._replace(state=slots.RETIRED)))
                os.fdatasync(self._file)
            except OSError as error:
                raise self._fail(error) from error

    def destroy(self, key_ids: Iterable[str], why: Why, leaf: int | None, at: float) -> int:
        """Write the mark of destruction over keys and sync; returns how many there were. Raises Unwritable."""
        with self._lock:
            self._check()
            numbers = [self._numbers[key_id] for key_id in map(bytes.fromhex, key_ids) if key_id in self._numbers]
            doomed = [(number, slot) for number in numbers if (slot := self._slot(number)).state in slots.READABLE]
            for number, slot in doomed:
                self._forget(number, (slot.subject, slot.retention))
            try:
                for number, slot in doomed:
                    mark = slots.destroyed(slot, _STATES[why], leaf, int(at * 1_000_000))
                    self._write(number, slots.encode(mark))
                os.fdatasync(self._file)
            except OSError as error:
                raise self._fail(error) from error
            for number, _ in doomed:
                page = number * SLOT_BYTES // _PAGE * _PAGE
                os.posix_fadvise(self._file, page, _PAGE, os.POSIX_FADV_DONTNEED)
            return len(doomed)

    def _forget(self, number: int, pair: tuple[str, str]) -> None:
        if self._live.get(pair) == number:
            del self._live[pair]
            self._ready.pop(pair, None)
        older = [other for other in self._retired.pop(pair, ()) if other != number]
        if older:
            self._retired[pair] = older

    def close(self) -> None:
        """Close the file and forget the keys."""
        self._ready.clear()
        os.close(self._file)

    def _load(self) -> None:
        size = os.fstat(self._file).st_size
        for start in range(0, size, _READ_BYTES):
            chunk = os.pread(self._file, _READ_BYTES, start)
            for at in range(0, len(chunk), SLOT_BYTES):
                self._take((start + at) // SLOT_BYTES, chunk[at : at + SLOT_BYTES])
        self._room = -(-size // SLOT_BYTES)
        if self._room * SLOT_BYTES != size:
            # A crash while the file grew; the new slots were never used.
            os.ftruncate(self._file, self._room * SLOT_BYTES)
            os.fsync(self._file)

    def _take(self, number: int, content: bytes) -> None:
        try:
            slot = slots.decode(content.ljust(SLOT_BYTES, b"\0"))
        except ValueError:
            # A torn append was never used and is not used again; a damaged slot is the loss of its payloads only.
            self.damaged.append(number)
            self._used = number + 1
            return
        if slot is None:
            return
        self._used = number + 1
        self._numbers[slot.key_id] = number
        if slot.state == slots.LIVE:
            self._live[slot.subject, slot.retention] = number
        elif slot.state == slots.RETIRED:
            self._retired.setdefault((slot.subject, slot.retention), []).append(number)

    def _append(self, subject: str, retention: str, at: float) -> tuple[int, Slot]:
        if self._used == self._room:
            zeros = bytes(_GROWTH * SLOT_BYTES)
            if os.pwrite(self._file, zeros, self._room * SLOT_BYTES) != len(zeros):
                raise OSError(None, "short write")
            os.fsync(self._file)
            self._room += _GROWTH
        version, nonce = self._master.newest, os.urandom(slots.NONCE_BYTES)
        bare = Slot(
            slots.LIVE, version, int(at * 1_000_000), 0, slots.NO_LEAF, os.urandom(16), subject, retention, nonce, b""
        )
        wrapped = self._master.cipher(version).encrypt(nonce, AESGCM.generate_key(256), bare.bound(self._tenant))
        slot = bare._replace(wrapped=wrapped)
        number = self._used
        self._write(number, slots.encode(slot))
        self._used += 1
        return number, slot

    def _write(self, number: int, content: bytes) -> None:
        if os.pwrite(self._file, content, number * SLOT_BYTES) != SLOT_BYTES:
            raise OSError(None, "short write")

    def _slot(self, number: int) -> Slot:
        try:
            slot = slots.decode(os.pread(self._file, SLOT_BYTES, number * SLOT_BYTES))
        except ValueError as error:
            message = f"{self._path}: slot {number} is damaged: {error}"
            raise Damaged(message) from error
        if slot is None:
            message = f"{self._path}: slot {number} is empty, and was not"
            raise Damaged(message)
        return slot

    def _open(self, number: int) -> PayloadKey:
        slot = self._slot(number)
        try:
            key = self._master.cipher(slot.version).decrypt(slot.nonce, slot.wrapped, slot.bound(self._tenant))
        except InvalidTag as error:
            message = f"{self._path}: slot {number} does not open with keyring key {slot.version}"
            raise Damaged(message) from error
        ready = PayloadKey(slot.key_id.hex(), AESGCM(key))
        if slot.state != slots.LIVE:
            # INVARIANT: what is ready is used for what comes.
            return ready
        if len(self._ready) >= _READY_LIMIT:
            del self._ready[next(iter(self._ready))]
        self._ready[slot.subject, slot.retention] = ready
        return ready

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _fail(self, error: OSError) -> Unwritable:
        # INVARIANT: the first failed write is the last one: after a failed sync nobody knows what the disk holds.
        self._failure = Unwritable(f"{self._path} cannot be written: {error}; restart Tallystick to recover")
        return self._failure
