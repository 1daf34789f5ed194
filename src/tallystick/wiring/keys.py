"""Secret keys in files that only their owner may read."""

import os
from contextlib import suppress
from pathlib import Path

from tallystick.terms import TallyError


def secret(path: Path, length: int = 32) -> bytes:
    """Return the key in `path`, making a random one of `length` bytes the first time (mode 0600).

    Raises `TallyError` ("invalid") for a key of the wrong length or one that others may read.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        _make(path, length)
    return _read(path, length)


def _make(path: Path, length: int) -> None:
    # Several workers may start at once: each makes a whole key beside, one of them gets the name, all read that one.
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(length))
        file.flush()
        os.fsync(file.fileno())
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()


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
