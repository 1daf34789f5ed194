"""Reads a configuration directory into memory: bounded, sorted, and never outside of itself."""

import os
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from tallystick.settings.problem import Problem

SUFFIXES = frozenset({".yaml", ".yml", ".toml", ".cedar", ".json"})
FILE_BYTES = 4 * 1024 * 1024
"""Largest single file: a pin of a thousand verbose tools is under 3 MiB."""
TOTAL_BYTES = 64 * 1024 * 1024
"""Largest directory: what one compilation may hold in memory."""


def read_directory(path: Path) -> Mapping[str, bytes] | tuple[Problem, ...]:
    """Return the configuration files under `path` as relative POSIX name -> content, sorted by name.

    Only `*.yaml`, `*.yml`, `*.toml`, `*.cedar` and `*.json`; hidden names (leading dot) are skipped. A symbolic link is
    followed only while it stays inside `path`, which is how mounted ConfigMaps look. Limits are in bytes, see above.
    """
    root = path.resolve()
    if not root.is_dir():
        return (Problem(str(path), "", "the configuration directory does not exist", "create it or set TALLY_CONFIG"),)
    files: dict[str, bytes] = {}
    problems: list[Problem] = []
    total = 0
    for file in _files(root):
        name = file.relative_to(root).as_posix()
        content = _read(file, root, name)
        if isinstance(content, Problem):
            problems.append(content)
            continue
        total += len(content)
        if total > TOTAL_BYTES:
            remedy = "move files that are not configuration elsewhere"
            return (Problem(name, "", f"the directory holds more than {TOTAL_BYTES} bytes", remedy),)
        files[name] = content
    return tuple(problems) or files


def fingerprint(path: Path) -> str:
    """Return a cheap change mark (hex) of the configuration files: names, modification times in ns, sizes.

    Equal marks mean "nothing to reload". A missing directory has the mark "".
    """
    root = path.resolve()
    if not root.is_dir():
        return ""
    mark = sha256()
    for file in _files(root):
        try:
            status = file.stat()
        except OSError:
            # Gone between listing and asking, or a broken link: either way it differs from the file being there.
            mark.update(f"{file}\0gone\n".encode())
            continue
        mark.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return mark.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    # os.walk does not descend into linked directories, so a loop of links cannot trap it.
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix in SUFFIXES:
                yield Path(folder) / name


def _read(file: Path, root: Path, name: str) -> bytes | Problem:
    try:
        real = file.resolve(strict=True)
        if not real.is_relative_to(root):
            return Problem(name, "", "the link leads out of the configuration directory", "copy the file into it")
        # O_NOFOLLOW: what was resolved is what is opened, even if the name is replaced by a link in between.
        # O_NONBLOCK: a named pipe must not stop the reader.
        with os.fdopen(os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            content = stream.read(FILE_BYTES + 1)
    except OSError as error:
        return Problem(name, "", f"cannot be read ({error.strerror})", "check that the file exists and its permissions")
    if len(content) > FILE_BYTES:
        return Problem(name, "", f"is larger than {FILE_BYTES} bytes", "split it")
    return content
