"""Secret keys in files that only their owner may read."""

import os
from pathlib import Path

from tallystick.terms import TallyError


def secret(path: Path, length: int = 32) -> bytes:
    """Return the key in `path`, making a random one of `length` bytes the first time (mode 0600).

    Raises `TallyError` ("invalid") for a key of the wrong length or one that others may read.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path, length)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(length))
        file.flush()
        os.fsync(file.fileno())
    return _read(path, length)


def _read(path: Path, length: int) -> bytes:
    if path.stat().st_mode & 0o077:
        message = f"{path} may be read by others. Run: chmod 600 {path}"
        raise TallyError(code="invalid", message=message)
    key = path.read_bytes()
    if len(key) != length:
        message = (
            f"{path} holds {len(key)} bytes, not {length}. Restore it from its backup; a new key ends open sessions."
        )
        raise TallyError(code="invalid", message=message)
    return key
