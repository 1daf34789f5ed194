"""The key provider without another party: the master key in a file of the state directory that only its owner reads.

Each line is a version, newest last: number and 64 hex digits. Whoever reads this file and the state directory reads the
payloads; it guards against a copied payload directory, and makes erasure possible. A firm's key store guards better.
"""

import os
import re
from pathlib import Path
from stat import S_IMODE
from typing import Final, NoReturn

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.disk import destroy, make_directory, sync_directory, write_durably
from tallystick.audit.payload.model import Locked

FILE: Final = "keys/payload-master"
_LINE = re.compile(r"([1-9]\d{0,8}) ([0-9a-f]{64})")
_NONCE: Final = 12
_OTHERS: Final = 0o077


class FileProvider:
    """Wraps by AES-256-GCM under the newest master key in the file; makes the file when it is first asked to wrap."""

    name = "file"

    def __init__(self, state: Path) -> None:
        self.path = state / FILE
        self._old = self.path.with_name(self.path.name + ".old")

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a key under the newest version."""
        if not self.path.exists():
            self._write({1: os.urandom(32)})
        version, master = max(self._read().items())
        nonce = os.urandom(_NONCE)
        return b"file:%d:" % version + nonce + AESGCM(master).encrypt(nonce, key, context)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt a key."""
        kind, _, rest = wrapped.partition(b":")
        version, _, sealed = rest.partition(b":")
        masters = self._read()
        if kind != b"file" or not version.isdigit() or int(version) not in masters:
            self._fail(f"it has no version {version.decode(errors='replace')}", "restore it from its backup")
        try:
            return AESGCM(masters[int(version)]).decrypt(sealed[:_NONCE], sealed[_NONCE:], context)
        except InvalidTag:
            what = f"its version {int(version)} is not the key that wrapped the keyring"
            self._fail(what, "restore it from the backup of this state directory")

    def version(self, wrapped: bytes) -> str:
        """Number of the master key."""
        return wrapped.split(b":")[1].decode(errors="replace")

    def renew(self) -> int:
        """Add a master key, which wraps from now on; returns its version. Follow it by rewrapping, then `retire`."""
        masters = self._read()
        version = max(masters) + 1
        self._write({**masters, version: os.urandom(32)})
        return version

    def retire(self) -> None:
        """Destroy every master key but the newest. INVARIANT: nothing is wrapped by the others any more."""
        version, master = max(self._read().items())
        self._write({version: master})

    def forget(self) -> None:
        """Destroy the file. INVARIANT: nothing is wrapped by it any more."""
        destroy(self.path)
        self._sweep()

    def _read(self) -> dict[int, bytes]:
        try:
            with self.path.open("rb") as file:
                state, text = os.fstat(file.fileno()), file.read().decode("ascii")
        except FileNotFoundError:
            self._fail("it is gone", "restore it from its backup; without it no payload can be read")
        except (OSError, UnicodeDecodeError) as error:
            self._fail(f"it cannot be read: {error}", "mend that, or restore it from its backup")
        if S_IMODE(state.st_mode) & _OTHERS or state.st_uid != os.geteuid():
            what = f"mode {S_IMODE(state.st_mode):04o} of user {state.st_uid} lets others read it"
            self._fail(what, f"chown {os.geteuid()} {self.path}; chmod 600 {self.path}")
        lines = [_LINE.fullmatch(line) for line in text.splitlines()]
        found = {int(line[1]): bytes.fromhex(line[2]) for line in lines if line is not None}
        if not found or None in lines:
            self._fail("it is damaged", "restore it from its backup")
        return found

    def _write(self, masters: dict[int, bytes]) -> None:
        text = "".join(f"{version} {master.hex()}\n" for version, master in sorted(masters.items()))
        try:
            make_directory(self.path.parent)
            self.path.parent.chmod(0o700)
            # The bytes of the file that is replaced are overwritten, and not only let go.
            self._sweep()
            if self.path.exists():
                self._old.hardlink_to(self.path)
            write_durably(self.path, text.encode(), 0o600)
            sync_directory(self.path.parent)
            self._sweep()
        except OSError as error:
            self._fail(f"it cannot be written: {error}", "mend that; nothing has changed")

    def _sweep(self) -> None:
        """Overwrite and remove the file that was replaced, now or before a crash."""
        if self._old.exists():
            if self.path.exists() and self._old.samefile(self.path):
                self._old.unlink()
            else:
                destroy(self._old)

    def _fail(self, what: str, remedy: str) -> NoReturn:
        provider = f"file ({self.path})"
        raise Locked(provider, what, remedy)
