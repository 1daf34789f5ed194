"""The payloads of a tenant: sealed with their leaf, kept behind it, told to whoever may know, erased by their key.

Three threads use a vault: the writer's loop seals, its publisher keeps, its clerk does all the rest. What is sealed and
not yet kept is in the journal; its keys are not taken for unused.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from errno import EIO
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from tallystick.audit.leaf.call import timestamp
from tallystick.audit.model import Capture, Sealed, Unwritable
from tallystick.audit.payload import seal
from tallystick.audit.payload.files import FileRecords, month_before
from tallystick.audit.payload.keys import FileKeyring, Master, MasterKey, open_master
from tallystick.audit.payload.model import (
    Damaged,
    Entry,
    Erased,
    Expired,
    Gone,
    KeyProvider,
    Keyring,
    Locked,
    Records,
    Unsealable,
    Usage,
)  # fmt: skip
from tallystick.audit.tlog.merkle import leaf_hash
from tallystick.terms import Clock, TenantId

_CALL_ID = re.compile(rb"[0-9A-Za-z]{26}")
_SUBJECT = re.compile(r"[0-9A-Za-z._:-]{1,128}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_NONCE_BYTES: Final = 12
_ID: Final = b'"id":"'
_ULID_BYTES: Final = 26
_KEEP_WAIT_S: Final = 30.0
"""How long what is sealed may take to be stored before an erasure is given up."""


class Vault:
    """The payloads of one tenant, over any keyring and any place of records."""

    def __init__(self, keyring: Keyring, records: Records, clock: Clock) -> None:
        self.keyring = keyring
        self.records = records
        self._clock = clock
        self._lock = threading.Condition()
        self._unkept: dict[str, int] = {}
        for retention in records.expired():
            # What a crash left of an expiry.
            self._expire(retention, "", None)

    def seal(self, leaf: bytes, capture: Capture, at: float) -> list[Sealed]:
        """Encrypt what goes with a leaf. Writes only when a subject has no key of that class yet.

        Raises Unsealable, and then nothing is changed; or Unwritable, and then for ever.
        """
        subject, retention, contents = capture
        # Before the top-level id no key of a leaf is called so: see `leaf.kinds`, and canonical JSON sorts.
        start = leaf.find(_ID) + len(_ID)
        call = leaf[start : start + _ULID_BYTES]
        if start < len(_ID) or not _CALL_ID.fullmatch(call):
            message = "a leaf without an id takes no payload"
            raise Unsealable(message)
        _check(capture)
        with self._lock:
            # INVARIANT: a key is either retired before this, or known to be in use after it.
            key = self.keyring.key_for(subject, retention, at)
            self._unkept[key.id] = self._unkept.get(key.id, 0) + len(contents)
        kind, key_id, place, ts = retention.encode(), key.id.encode(), leaf_hash(leaf).hex().encode(), _stamp(at)
        sealed: list[Sealed] = []
        for field, content in contents:
            header = seal.header_of((call, kind, field.encode(), key_id, place, len(content), ts))
            sealed.append(Sealed(retention, seal.seal(key.cipher, header, os.urandom(_NONCE_BYTES), content)))
        return sealed

    def prepare(self, captures: Iterable[Capture], at: float) -> None:
        """Make the keys that a round of captures needs, with one sync instead of one for each new subject.

        Never necessary. A capture that cannot be sealed is left out; `seal` refuses it. Raises Unwritable.
        """
        pairs = [(one.subject, one.retention) for one in captures if _fault(one.subject, one.retention, ()) is None]
        with self._lock:
            self.keyring.keys_for(pairs, at)

    def keep(self, sealed: Sequence[Sealed]) -> None:
        """Store sealed records durably; those that are stored already are left out. Raises OSError for good."""
        try:
            kept = self.records.keep(sealed)
        except Damaged as error:
            # What the journal holds was sealed here: if it does not read, nothing may go on as if it were stored.
            raise OSError(EIO, error.message) from error
        self._settle(kept)

    def reveal(self, call_id: str, field: str) -> bytes | Gone:
        """A payload in clear, checked against its leaf's header; raises Damaged for one that was changed."""
        record = self.records.find(call_id, field)
        if record is None:
            # Whole months expire at once, and a call's id tells when it was.
            month = _month(_time_of(call_id))
            return Gone("expired" if any(month <= last for last in self.records.expired().values()) else "never")
        parsed = seal.parse(record)
        key = self.keyring.key(parsed.header.key)
        return key if isinstance(key, Gone) else seal.unseal(key.cipher, parsed)

    def erase(self, subject: str, classes: Sequence[str] | None = None, leaf: int | None = None) -> Erased:
        """Destroy a subject's keys, in these classes or (None, or none named) in all. Raises Unwritable.

        `leaf` is the index of the leaf that records it, where it has one already. Whether it may be done (holds,
        statutes) was decided before. Doing it again does nothing.
        """
        doomed = self.keyring.find(subject, classes or None)
        entries = self.records.entries([key_id for key_id, _ in doomed])
        count = self.keyring.destroy([key_id for key_id, _ in doomed], "erased", leaf, self._clock())
        return Erased(
            count, tuple(sorted({retention for _, retention in doomed})), len(entries), sum(one.size for one in entries)
        )

    def retire(self, subject: str, classes: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Seal nothing more under a subject's keys, in these classes or in all; returns id and class of each.

        What comes goes under new keys. Returns once everything that was sealed under these is stored, and so is found
        by `entries_of`. Raises Unwritable, also where that takes too long.
        """
        with self._lock:
            found = self.keyring.find(subject, classes or None)
            ids = {key_id for key_id, _ in found}
            self.keyring.retire(ids)
            if not self._lock.wait_for(lambda: self._unkept.keys().isdisjoint(ids), _KEEP_WAIT_S):
                message = f"payloads that wait to be stored are not stored for {_KEEP_WAIT_S:g} s; ask again"
                raise Unwritable(message)
        return found

    def discard(self, sealed: Iterable[Sealed]) -> None:
        """Learn that sealed records will never be kept, because their leaves were refused."""
        self._settle(seal.parse(one.record).header.key for one in sealed)

    def entries_of(self, key_ids: Sequence[str]) -> list[Entry]:
        """Every payload that is stored under some keys, oldest first."""
        return self.records.entries(key_ids)

    def destroy(self, key_ids: Sequence[str], leaf: int) -> int:
        """Destroy retired keys under the erasure leaf of this index; again does nothing. Raises Unwritable."""
        return self.keyring.destroy(key_ids, "erased", leaf, self._clock())

    def due(self, retention: str, before: float) -> Expired:
        """What `expire` would remove."""
        through = month_before(_month(min(before, self._clock())))
        gone = [one for one in self.usage() if one.retention == retention and one.month <= through]
        keys = len(self.records.only_in(retention, through)) if gone else 0
        segments, records, stored = (
            (sum(column) for column in zip(*map(_counts, gone), strict=True)) if gone else (0, 0, 0)
        )
        return Expired(segments, records, stored, keys)

    def expire(self, retention: str, before: float, leaf: int | None = None) -> Expired:
        """Remove the months of a class that ended before a moment, and the keys that nothing else needs.

        Whole segments go or nothing; none is rewritten. Raises OSError or Unwritable.
        """
        if not seal.RETENTION.fullmatch(retention):
            message = f"{retention!r} is no name of a retention class"
            raise Unsealable(message)
        return self._expire(retention, month_before(_month(min(before, self._clock()))), leaf)

    def tier(self, before: float, directory: str) -> Usage:
        """Move the months that ended before a moment to a cheaper directory, where they are found. Raises OSError."""
        return self.records.tier(month_before(_month(min(before, self._clock()))), directory)

    def usage(self) -> list[Usage]:
        """What is stored, by class and month."""
        return self.records.usage()

    def entries(self, subject: str) -> list[Entry]:
        """Every payload of a subject that can still be read, oldest first."""
        return self.records.entries([key_id for key_id, _ in self.keyring.find(subject)])

    def classes(self, subject: str) -> list[str]:
        """The retention classes in which a subject has a key."""
        return sorted({retention for _, retention in self.keyring.find(subject)})

    def _settle(self, key_ids: Iterable[str]) -> None:
        with self._lock:
            for key_id in key_ids:
                left = self._unkept.get(key_id, 0) - 1
                if left > 0:
                    self._unkept[key_id] = left
                else:
                    self._unkept.pop(key_id, None)
            self._lock.notify_all()

    def _expire(self, retention: str, through: str, leaf: int | None) -> Expired:
        unused = self.records.condemn(retention, through)
        with self._lock:
            free = [key_id for key_id in unused if key_id not in self._unkept]
            self.keyring.retire(free)
        # Looked at once more: a payload may have come, and been stored, between the first look and the end of the key.
        still = {*self.records.only_in(retention, self.records.expired().get(retention, ""))}
        keys = self.keyring.destroy([key_id for key_id in free if key_id in still], "expired", leaf, self._clock())
        return self.records.drop(retention)._replace(keys=keys)


class Status(NamedTuple):
    """The payload keys of a state directory: every keyring key, and the live data keys and damaged slots by tenant."""

    provider: str
    keyring_keys: list[MasterKey]
    live: dict[str, int]
    damaged: dict[str, list[str]]


Places = Callable[[TenantId, Master], tuple[Keyring, Records]]
"""Where the keyring and the records of a tenant are. Raises OSError."""


class Vaults:
    """The vaults of a record. Made by `open_vaults`."""

    def __init__(self, places: Places, master: Master, provider: KeyProvider, clock: Clock) -> None:
        self._places = places
        self._master = master
        self._provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._opened: dict[str, tuple[Vault, Keyring, Records]] = {}

    @property
    def provider(self) -> KeyProvider:
        """Who wraps the keyring keys now."""
        return self._provider

    def vault(self, tenant: TenantId) -> Vault:
        """The vault of a tenant, made where there is none yet; raises Locked for one that cannot be opened."""
        known = self._opened.get(tenant)
        return known[0] if known is not None else self._open(tenant)

    def rotate(self) -> int:
        """Make a new keyring key for what comes; returns its version. Nothing is rewritten. Raises Locked, OSError."""
        with self._lock:
            return self._master.rotate(self._clock())

    def rewrap(self, provider: KeyProvider | None = None) -> int:
        """Wrap the keyring keys anew: by the provider's newest master key, or by another provider.

        Returns how many there are. Raises Locked or OSError, and then nothing has changed.
        """
        with self._lock:
            count = self._master.rewrap(provider or self._provider)
            self._provider = provider or self._provider
            return count

    def status(self) -> Status:
        """What there is, for whoever operates this."""
        opened = dict(self._opened)
        damaged = {
            tenant: [*(f"slot {number} of the keyring" for number in keyring.damaged), *records.damaged]
            for tenant, (_, keyring, records) in opened.items()
        }
        live = {tenant: keyring.live for tenant, (_, keyring, _) in opened.items()}
        return Status(
            self._provider.name, self._master.listing(), live, {name: all_ for name, all_ in damaged.items() if all_}
        )

    def close(self) -> None:
        """Close every file."""
        with self._lock:
            for _, keyring, records in self._opened.values():
                keyring.close()
                records.close()
            self._opened.clear()

    def _open(self, tenant: TenantId) -> Vault:
        if not _TENANT.fullmatch(tenant):
            message = f"{tenant!r} is no name of a tenant"
            raise Unsealable(message)
        with self._lock:
            known = self._opened.get(tenant)
            if known is not None:
                return known[0]
            try:
                keyring, records = self._places(tenant, self._master)
                vault = Vault(keyring, records, self._clock)
            except OSError as error:
                what = f"the payloads of {tenant} cannot be opened: {error}"
                raise Locked(self._provider.name, what, "mend that, and restart Tallystick") from error
            self._opened[tenant] = (vault, keyring, records)
            return vault


def open_vaults(state: Path, provider: KeyProvider, clock: Clock, places: Places | None = None) -> Vaults:
    """Open the payload keys and the payloads of every tenant that has files; raises Locked when any cannot be had.

    `places` None: files below `<state>/payload`. Fail closed: without the keys nothing may be recorded that should be
    readable later.
    """
    try:
        master = open_master(state, provider, clock)
    except OSError as error:
        raise Locked(provider.name, f"{state / 'keys'}: {error}", "mend that, and restart Tallystick") from error

    def files(tenant: TenantId, master: Master) -> tuple[Keyring, Records]:
        root = state / "payload" / tenant
        return FileKeyring(root / "keyring", tenant, master), FileRecords(root)

    vaults = Vaults(places or files, master, provider, clock)
    if places is None:
        for keyring in sorted(state.glob("payload/*/keyring")):
            vaults.vault(TenantId(keyring.parent.name))
    return vaults


def _check(capture: Capture) -> None:
    subject, retention, contents = capture
    fault = _fault(subject, retention, tuple([field for field, _ in contents]))
    if fault is None and any(len(content) > seal.CONTENT_LIMIT for _, content in contents):
        fault = f"a payload has at most {seal.CONTENT_LIMIT} bytes"
    if fault is not None:
        raise Unsealable(fault)


@lru_cache(maxsize=4096)
def _fault(subject: str, retention: str, names: tuple[str, ...]) -> str | None:
    if not _SUBJECT.fullmatch(subject):
        return "the subject of a payload is a reference of 1 to 128 letters and digits"
    if not seal.RETENTION.fullmatch(retention):
        return f"{retention!r} is no name of a retention class"
    if len(set(names)) != len(names) or not all(map(seal.is_field, names)):
        return f"payloads of one leaf have names of their own, in small letters: {names!r}"
    return None


@lru_cache(maxsize=4)
def _stamp(at: float) -> bytes:
    return timestamp(at).encode()


def _counts(one: Usage) -> tuple[int, int, int]:
    return one.segments, one.records, one.stored_bytes


def _month(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m")


_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _time_of(call_id: str) -> float:
    """When a call began, in seconds since the epoch, out of its ULID; 0 for what is none."""
    digits = [_CROCKFORD.find(letter) for letter in call_id[:10]]
    if len(digits) != 10 or min(digits) < 0 or digits[0] > 7:  # noqa: PLR2004 - 48 bits in 10 digits of 5
        return 0.0
    number = 0
    for digit in digits:
        number = number << 5 | digit
    return number / 1000
