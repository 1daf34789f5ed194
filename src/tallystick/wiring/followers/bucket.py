"""Logs of the scale-out store, as a follower sees them: published objects, read-only. No database is asked."""

from collections.abc import Callable
from typing import Final

from tallystick.audit.offline import UnreadableError
from tallystick.audit.scale.bucket.client import FAILURES, connect, is_list, is_mapping, told
from tallystick.audit.scale.bucket.objects import Objects
from tallystick.audit.scale.options import Options
from tallystick.export.model import Place, Unavailable
from tallystick.terms import Clock

CHECK_S: Final = 1.0
"""Between two requests for one log's checkpoint: each has its price."""
LIST_S: Final = 30.0
"""Between two looks for new logs."""
_CHANGING: Final = frozenset({"checkpoint", "cosigned", "vkey", "minimum-index"})


class Bucket:
    """The logs below one prefix, `<prefix><tenant>/<year>/`.

    A store that is away raises `Unavailable`, an object that cannot be read UnreadableError.
    """

    def __init__(self, options: Options, clock: Clock) -> None:
        self._client = connect(options)
        self._bucket, self._prefix = options.bucket, options.prefix
        self._objects = Objects(self._client, options.bucket, options.prefix, clock)
        self._clock = clock
        self._places: tuple[float, list[Place]] = (float("-inf"), [])
        self._checkpoints: dict[Place, tuple[float, bytes | None]] = {}

    def places(self) -> list[Place]:
        """All logs there are, as of half a minute ago at most."""
        at, known = self._places
        if not 0 <= self._clock() - at < LIST_S:
            tenants = self._below("")
            years = [(tenant, year) for tenant in tenants for year in self._below(f"{tenant}/") if year.isdecimal()]
            known = sorted(Place(tenant, int(year)) for tenant, year in years)
            self._places = (self._clock(), known)
        return known

    def read(self, place: Place) -> Callable[[str], bytes | None]:
        """How the objects of a log are read."""
        objects = self._objects.below(f"{place.tenant}/{place.year}/")

        def read(path: str) -> bytes | None:
            try:
                if path == "checkpoint":
                    return self._checkpoint(place, objects)
                if path in _CHANGING:
                    return _newest(objects, path)
                return objects.read(path)
            except OSError as error:
                message = f"{place.tenant}/{place.year}/{path} cannot be read: {error}"
                raise UnreadableError(message) from error

        return read

    def _checkpoint(self, place: Place, objects: Objects) -> bytes | None:
        at, content = self._checkpoints.get(place, (float("-inf"), None))
        if not 0 <= self._clock() - at < CHECK_S:
            content = _newest(objects, "checkpoint")
            self._checkpoints[place] = (self._clock(), content)
        return content

    def _below(self, path: str) -> list[str]:
        """Names of the folders right below a path."""
        found: list[str] = []
        more: dict[str, object] = {}
        prefix = self._prefix + path
        while True:
            try:
                page = self._client.list_object_versions(Bucket=self._bucket, Prefix=prefix, Delimiter="/", **more)
            except FAILURES as error:
                message = f"the record cannot be listed: {told(error, f'{self._bucket}/{prefix}')}"
                raise Unavailable(message) from error
            folders = page.get("CommonPrefixes")
            for row in folders if is_list(folders) else ():
                name = row.get("Prefix") if is_mapping(row) else None
                if isinstance(name, str):
                    found.append(name.removeprefix(prefix).rstrip("/"))
            if not page.get("IsTruncated"):
                return found
            more = {"KeyMarker": page.get("NextKeyMarker"), "VersionIdMarker": page.get("NextVersionIdMarker")}


def _newest(objects: Objects, path: str) -> bytes | None:
    shown = objects.get(path)
    return None if shown is None else shown.content
