"""A copy of a log in the state directory of its writer, for whatever reads files: followers, search, proofs, tools.

Never trusted, never synced: the bucket is what counts. Whoever doubts it deletes it, and the next start makes it anew.
"""

from collections.abc import Iterable
from pathlib import Path
from shutil import rmtree

from tallystick.audit.disk import make_directory
from tallystick.audit.scale.bucket.mirror import fetch
from tallystick.audit.scale.bucket.objects import Objects


class LocalCopy:
    """The files of one log. Raises OSError."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def catch_up(self, objects: Objects) -> None:
        """Fetch what another writer has stored meanwhile; nothing where the checkpoint is the newest."""
        newest, ours = objects.get("checkpoint"), self._directory / "checkpoint"
        if newest is not None and not (ours.is_file() and ours.read_bytes() == newest.content):
            fetch(objects, self._directory)
            for partials in list(self._directory.rglob("*.p")):
                if partials.with_suffix("").is_file():
                    rmtree(partials)

    def put(self, path: str, content: bytes) -> None:
        """Write a file, whole or not at all for whoever reads meanwhile."""
        target = self._directory / path
        make_directory(target.parent)
        beside = target.with_name(target.name + ".new")
        beside.write_bytes(content)
        beside.rename(target)

    def forget(self, paths: Iterable[str]) -> None:
        """Remove files that others replace."""
        for path in paths:
            (self._directory / path).unlink(missing_ok=True)
