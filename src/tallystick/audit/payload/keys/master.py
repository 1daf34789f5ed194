"""The keyring keys of a state directory, wrapped by a key provider in `keys/payload-keyring`.

A keyring key wraps the slots of all keyrings. There is one for each rotation: the newest wraps new slots, the older
ones open what they once wrapped. The provider is asked for each of them at the start, and on rotation; never else.
"""

import hmac
import os
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.disk import make_directory, sync_directory, write_durably
from tallystick.audit.leaf.call import timestamp
from tallystick.audit.payload.model import Damaged, KeyProvider, Locked
from tallystick.terms import Clock

FILE: Final = "keys/payload-keyring"
_KEY_BYTES: Final = 32
_ID = re.compile(r"[0-9a-f]{32}")
_CHECK_TEXT: Final = b"tallystick payload keyring check 1"


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    check: str
    made: str
    provider: str
    version: int
    wrapped: str


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: str
    keys: tuple[_Entry, ...]
    v: int


class MasterKey(NamedTuple):
    """One keyring key: its version, who wraps it under which version of the master key, and since when."""

    version: int
    provider: str
    master: str
    made: str


class Master:
    """The opened keyring keys. Made by `open_master`."""

    def __init__(self, path: Path, document: _Document, keys: dict[int, bytes], provider: KeyProvider) -> None:
        self._path = path
        self._document = document
        self._keys = keys
        self._provider = provider
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}

    @property
    def id(self) -> str:
        """What tells this set of keyring keys from any other (32 hex digits)."""
        return self._document.id

    @property
    def newest(self) -> int:
        """The version that wraps new slots."""
        return self._document.keys[-1].version

    def cipher(self, version: int) -> AESGCM:
        """A keyring key, ready for use; raises Damaged where a slot names one that is not there."""
        cipher = self._ciphers.get(version)
        if cipher is None:
            message = f"keyring key {version} is not in {FILE}; restore that file from its backup"
            raise Damaged(message)
        return cipher

    def listing(self) -> list[MasterKey]:
        """Every keyring key, oldest first."""
        return [
            MasterKey(entry.version, entry.provider, self._master_of(entry), entry.made)
            for entry in self._document.keys
        ]

    def rotate(self, at: float) -> int:
        """Make a new keyring key under the newest master key; returns its version. Raises Locked, OSError."""
        version = self.newest + 1
        key = os.urandom(_KEY_BYTES)
        entry = _wrapped(self._provider, self._document.id, version, key, timestamp(at))
        document = _Document(self._document.id, (*self._document.keys, entry), 1)
        _write(self._path, document)
        # INVARIANT: a version wraps nothing before its wrapped form is durable.
        self._keys[version], self._ciphers[version] = key, AESGCM(key)
        self._document = document
        return version

    def rewrap(self, provider: KeyProvider) -> int:
        """Wrap every keyring key anew by a provider, the same or another; no slot and no record is touched.

        Returns how many were wrapped. Raises Locked, or OSError, and then nothing has changed.
        """
        entries = tuple(
            _wrapped(provider, self._document.id, entry.version, self._keys[entry.version], entry.made)
            for entry in self._document.keys
        )
        document = _Document(self._document.id, entries, 1)
        _write(self._path, document)
        self._document, self._provider = document, provider
        return len(entries)

    def _master_of(self, entry: _Entry) -> str:
        return self._provider.version(b64decode(entry.wrapped)) if entry.provider == self._provider.name else "?"


def open_master(state: Path, provider: KeyProvider, clock: Clock) -> Master:
    """Unwrap all keyring keys, or make the first one where no tenant has a keyring yet; raises Locked or OSError."""
    path = state / FILE
    if not path.exists():
        if any(state.glob("payload/*/keyring")):
            remedy = f"restore {path} from its backup; without it no payload can be read"
            _fail(provider.name, f"{path} is gone, and there are keyrings that need it", remedy)
        _create(path, provider, clock)
    document = _read(path, provider)
    keys = {entry.version: _unwrapped(provider, document.id, entry, path) for entry in document.keys}
    return Master(path, document, keys, provider)


def _create(path: Path, provider: KeyProvider, clock: Clock) -> None:
    make_directory(path.parent)
    path.parent.chmod(0o700)
    identity = os.urandom(16).hex()
    entry = _wrapped(provider, identity, 1, os.urandom(_KEY_BYTES), timestamp(clock()))
    _write(path, _Document(identity, (entry,), 1))


def _write(path: Path, document: _Document) -> None:
    write_durably(path, msgspec.json.encode(document) + b"\n", 0o600)
    sync_directory(path.parent)


def _read(path: Path, provider: KeyProvider) -> _Document:
    try:
        document = msgspec.json.decode(path.read_bytes(), type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        _fail(provider.name, f"{path} is damaged: {error}", "restore it from its backup")
    versions = [entry.version for entry in document.keys]
    if (
        document.v != 1
        or not _ID.fullmatch(document.id)
        or versions != list(range(1, len(versions) + 1))
        or not versions
    ):
        _fail(provider.name, f"{path} is damaged: it does not list versions 1, 2, 3...", "restore it")
    return document


def _context(identity: str, version: int) -> bytes:
    return f"tallystick payload keyring {identity} {version}".encode()


def _check(key: bytes) -> str:
    return hmac.digest(key, _CHECK_TEXT, sha256).hex()


def _wrapped(provider: KeyProvider, identity: str, version: int, key: bytes, made: str) -> _Entry:
    context = _context(identity, version)
    wrapped = provider.wrap(key, context)
    # A provider that cannot undo what it did must be found out now, not at the next start.
    if provider.unwrap(wrapped, context) != key:
        _fail(provider.name, "it does not return the key that it wrapped", "check the provider; nothing changed")
    return _Entry(_check(key), made, provider.name, version, b64encode(wrapped).decode())


def _unwrapped(provider: KeyProvider, identity: str, entry: _Entry, path: Path) -> bytes:
    if entry.provider != provider.name:
        _fail(
            provider.name,
            f"keyring key {entry.version} in {path} was wrapped by {entry.provider}",
            f"set audit.keys.provider to {entry.provider}; to move, tally audit rewrap-payload-keys --to DIRECTORY",
        )
    key = provider.unwrap(b64decode(entry.wrapped), _context(identity, entry.version))
    # A provider without authenticated encryption would hand out a wrong key without a word.
    if len(key) != _KEY_BYTES or not hmac.compare_digest(_check(key), entry.check):
        what = f"keyring key {entry.version} in {path} unwraps to something else than was wrapped"
        _fail(provider.name, what, "name the master key it was wrapped by, or restore the file from its backup")
    return key


def _fail(provider: str, what: str, remedy: str) -> NoReturn:
    raise Locked(provider, what, remedy)
