"""Files that are whole or absent, and whose names survive a power cut. The ways of this room to write a small file."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_durably(path: Path, content: bytes, mode: int) -> None:
    """Write beside, sync, rename: the file is whole or absent. Its name is durable after `sync_directory`."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        os.fchmod(file.fileno(), mode)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


def make_directory(path: Path) -> None:
    """Create a directory and its parents, durably."""
    if not path.is_dir():
        make_directory(path.parent)
        path.mkdir(mode=0o750)
        sync_directory(path.parent)


def destroy(path: Path) -> None:
    """Overwrite a small file in place, durably, and remove it; nothing happens when it is gone already.

    A file system that copies on write, or a disk that remaps, may still hold the old bytes (see the how-to pages).
    """
    try:
        with path.open("r+b") as file:
            file.write(bytes(path.stat().st_size))
            file.flush()
            os.fdatasync(file.fileno())
    except FileNotFoundError:
        return
    path.unlink()
    sync_directory(path.parent)
