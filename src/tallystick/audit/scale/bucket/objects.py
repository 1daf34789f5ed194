"""Objects of one log in S3-compatible storage: stored once and locked, or shown anew with a condition.

Nothing of a log is ever deleted: what later objects replace is hidden by a delete marker, or is an older version, and a
lifecycle rule of the bucket removes it after its lock has ended. (Payloads that have expired are deleted, and only once
their lock is over.)

A put whose answer is an error may still have stored; so whatever fails is read back before it is done again.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from errno import EIO
from typing import Final, NamedTuple

from tallystick.audit.scale.bucket.client import (
    FAILURES,
    AwayError,
    Body,
    Client,
    ShadowedError,
    is_absent,
    is_list,
    is_mapping,
    is_without_lock,
    told,
)
from tallystick.terms import Clock

_AT_ONCE: Final = 1000
"""Objects that one request may hide."""


class Shown(NamedTuple):
    """An object that is overwritten, and the tag of its version."""

    content: bytes
    etag: str


class Version(NamedTuple):
    """One version of an object; a marker hides those before it."""

    path: str
    id: str
    at: datetime
    marker: bool
    latest: bool


class Objects:
    """The objects under one prefix."""

    def __init__(self, client: Client, bucket: str, prefix: str, clock: Clock) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock

    def below(self, prefix: str) -> "Objects":
        """The objects under a longer prefix."""
        return Objects(self._client, self._bucket, self._prefix + prefix, self._clock)

    def check(self) -> None:
        """Refuse a bucket that would not keep what it is told to keep; raises OSError."""
        try:
            state = self._client.get_object_lock_configuration(Bucket=self._bucket).get("ObjectLockConfiguration")
        except FAILURES as error:
            if not is_without_lock(error):
                raise told(error, f"bucket {self._bucket}") from error
            state = None
        if not is_mapping(state) or state.get("ObjectLockEnabled") != "Enabled":
            raise OSError(EIO, f"object store: bucket {self._bucket} was made without Object Lock")

    def get(self, path: str) -> Shown | None:
        """The newest version of an object, or None. Raises AwayError, OSError."""
        return self._get(path)

    def read(self, path: str) -> bytes | None:
        """The first version of an object that is stored once, whatever was laid over it, or None. Raises OSError."""
        found = self._get(path)
        if found is not None:
            return found.content
        # A delete without a version hides a locked object and destroys nothing.
        first = min((one for one in self.versions(path) if one.path == path and not one.marker), default=None, key=_age)
        hidden = self._get(path, first.id) if first else None
        return hidden.content if hidden else None

    def read_range(self, path: str, offset: int, length: int) -> bytes | None:
        """A stretch of an object's first version, or None where it has none. Raises OSError."""
        found = self._get(path, stretch=f"bytes={offset}-{offset + length - 1}")
        if found is not None:
            return found.content
        whole = self.read(path)
        return whole[offset : offset + length] if whole is not None else None

    def delete(self, path: str) -> None:
        """Delete every version of an object whose lock is over. Raises OSError where one is not."""
        for version in self.versions(path):
            if version.path != path:
                continue
            try:
                self._client.delete_object(Bucket=self._bucket, Key=self._prefix + path, VersionId=version.id)
            except FAILURES as error:
                raise self._told(error, path) from error

    def put_once(self, path: str, content: bytes, days: float) -> None:
        """Store and lock an object, or find it stored; raises FileExistsError, AwayError, OSError."""
        try:
            self._put(path, content, days, {"IfNoneMatch": "*"})
        except ShadowedError as error:
            if self.read(path) != content:
                raise FileExistsError(None, f"{path} exists with other content") from error
        except AwayError:
            if self.read(path) != content:
                raise

    def show(self, path: str, content: bytes, days: float, before: str | None) -> str:
        """Store a version over the one of tag `before`; return its own. Raises ShadowedError, AwayError, OSError."""
        condition = {"IfMatch": before} if before else {"IfNoneMatch": "*"}
        try:
            return self._put(path, content, days, condition)
        except (AwayError, ShadowedError):
            found = self._get(path)
            if found is None or found.content != content:
                raise
            return found.etag

    def lock(self, path: str, days: float) -> None:
        """Lock the newest version of an object for longer than it is. Raises OSError."""
        retention = {"Mode": "COMPLIANCE", "RetainUntilDate": self._in(days)}
        try:
            self._client.put_object_retention(Bucket=self._bucket, Key=self._prefix + path, Retention=retention)
        except FAILURES as error:
            raise self._told(error, path) from error

    def hide(self, paths: Sequence[str]) -> None:
        """Lay delete markers over objects; their versions stay until their locks are over. Raises OSError."""
        for at in range(0, len(paths), _AT_ONCE):
            listed = [{"Key": self._prefix + path} for path in paths[at : at + _AT_ONCE]]
            try:
                self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": listed, "Quiet": True})
            except FAILURES as error:
                raise self._told(error, paths[at]) from error

    def locked_until(self, path: str) -> datetime | None:
        """Until when an object can neither be changed nor removed. Raises OSError."""
        try:
            head = self._client.head_object(Bucket=self._bucket, Key=self._prefix + path)
        except FAILURES as error:
            raise self._told(error, path) from error
        until = head.get("ObjectLockRetainUntilDate")
        return until if head.get("ObjectLockMode") == "COMPLIANCE" and isinstance(until, datetime) else None

    def versions(self, path: str = "") -> list[Version]:
        """Every version of every object whose path starts so. Raises OSError."""
        found: list[Version] = []
        more: dict[str, object] = {}
        while True:
            try:
                page = self._client.list_object_versions(Bucket=self._bucket, Prefix=self._prefix + path, **more)
            except FAILURES as error:
                raise self._told(error, path) from error
            for kind in ("Versions", "DeleteMarkers"):
                rows = page.get(kind)
                for row in rows if is_list(rows) else ():
                    found += self._version(row, marker=kind == "DeleteMarkers")
            if not page.get("IsTruncated"):
                return found
            more = {"KeyMarker": page.get("NextKeyMarker"), "VersionIdMarker": page.get("NextVersionIdMarker")}

    def read_version(self, version: Version) -> bytes:
        """Content of one version; raises OSError."""
        found = self._get(version.path, version.id)
        if found is None:
            raise OSError(EIO, f"object store: {version.path} has gone while it was read")
        return found.content

    def _version(self, row: object, *, marker: bool) -> list[Version]:
        if not is_mapping(row):
            return []
        key, name, at = row.get("Key"), row.get("VersionId"), row.get("LastModified")
        if not isinstance(key, str) or not isinstance(name, str) or not isinstance(at, datetime):
            return []
        return [Version(key.removeprefix(self._prefix), name, at, marker, row.get("IsLatest") is True)]

    def _get(self, path: str, version: str | None = None, stretch: str | None = None) -> Shown | None:
        which = {**({"VersionId": version} if version else {}), **({"Range": stretch} if stretch else {})}
        try:
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + path, **which)
            body = found.get("Body")
            content = body.read() if isinstance(body, Body) else b""
        except FAILURES as error:
            if is_absent(error):
                return None
            raise self._told(error, path) from error
        return Shown(content, str(found.get("ETag")))

    def _put(self, path: str, content: bytes, days: float, condition: Mapping[str, str]) -> str:
        keywords: dict[str, object] = {
            "ContentType": "text/plain; charset=utf-8" if path == "checkpoint" else "application/octet-stream",
            **({"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": self._in(days)} if days else {}),
            **condition,
        }
        try:
            stored = self._client.put_object(Bucket=self._bucket, Key=self._prefix + path, Body=content, **keywords)
        except FAILURES as error:
            raise self._told(error, path) from error
        return str(stored.get("ETag"))

    def _in(self, days: float) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC) + timedelta(days=days)

    def _told(self, error: Exception, path: str) -> OSError:
        return told(error, f"{self._bucket}/{self._prefix}{path}")


def _age(version: Version) -> datetime:
    return version.at
