"""Downloading a log out of object storage, for whoever verifies it: only reads, and needs no database and no secret.

A locked object cannot be destroyed, but a newer version or a delete marker can be laid over it. So what is downloaded
is the first version of everything that never changes, and everything that was laid over one is told.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tallystick.audit.disk import make_directory
from tallystick.audit.scale.bucket.client import POOL, connect
from tallystick.audit.scale.bucket.objects import Objects, Version
from tallystick.audit.scale.options import Options
from tallystick.terms import TallyError

OVERWRITTEN: Final = frozenset({"checkpoint", "cosigned", "vkey"})
"""Objects whose newest version counts."""


class MirrorError(TallyError):
    """A log that cannot be downloaded."""

    def __init__(self, message: str) -> None:
        super().__init__("not_found", message)


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What was downloaded, and the names of objects over which something was laid (the first version was taken)."""

    objects: int
    fetched: int
    laid_over: tuple[str, ...]


def mirror_log(
    url: str, directory: Path, *, endpoint: str = "", region: str = "us-east-1", credentials: str = ""
) -> Mirrored:
    """Bring a directory up to date with `s3://bucket/prefix` of one log; raises MirrorError, OSError.

    Complete tiles and bundles that are there already are not fetched again, nor incomplete ones that were completed.
    """
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or not parts.path.strip("/"):
        message = f"{url} is no s3://bucket/path of a log"
        raise MirrorError(message)
    prefix = parts.path.strip("/") + "/"
    options = Options("", parts.netloc, prefix, endpoint=endpoint, region=region, credentials_file=credentials)
    try:
        objects = Objects(connect(options), parts.netloc, prefix, lambda: 0.0)
        is_log = objects.get("checkpoint") is not None
    except OSError as error:
        message = f"{url} cannot be read: {error}"
        raise MirrorError(message) from error
    if not is_log:
        message = f"{url} holds no log: there is no checkpoint below it"
        raise MirrorError(message)
    return fetch(objects, directory)


def fetch(objects: Objects, directory: Path) -> Mirrored:
    """Bring a directory up to date with the objects of one log; the checkpoint comes last. Raises OSError."""
    by_path = _by_path(objects.versions())
    needed = {path for path in by_path if path.partition(".p/")[0] not in by_path or ".p/" not in path}
    wanted = {path: _counting(path, versions) for path, versions in by_path.items() if path in needed}
    missing = {path: one for path, one in wanted.items() if one is not None and not _is_there(directory, path)}
    for folder in {(directory / path).parent for path in missing}:
        make_directory(folder)
    with ThreadPoolExecutor(POOL) as pool:
        # The checkpoint was listed with the tiles that it covers: what was stored later is not asked for.
        order = sorted(missing, key=lambda path: path in OVERWRITTEN)
        contents = pool.map(objects.read_version, [missing[path] for path in order])
        for path, content in zip(order, contents, strict=True):
            (directory / path).write_bytes(content)
    laid_over = sorted(path for path in needed if path not in OVERWRITTEN and len(by_path[path]) > 1)
    return Mirrored(len(wanted), len(missing), tuple(laid_over))


def _by_path(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Versions of each object, oldest first."""
    found: dict[str, list[Version]] = {}
    for version in versions:
        found.setdefault(version.path, []).append(version)
    return {path: sorted(one, key=lambda version: (version.at, version.latest)) for path, one in found.items()}


def _counting(path: str, versions: list[Version]) -> Version | None:
    """The version that counts, or None where there are only markers."""
    real = [version for version in versions if not version.marker]
    if not real:
        return None
    return real[-1] if path in OVERWRITTEN else real[0]


def _is_there(directory: Path, path: str) -> bool:
    return path not in OVERWRITTEN and ".p/" not in path and (directory / path).is_file()
