"""Reads a request of the MCP Registry API v0.1: which tenant, which team, which server, which page."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from tallystick.api.catalog.rooms import Declined
from tallystick.terms import TenantId

PAGE: Final = 30
"""Entries of a page that nobody said a length for."""
LONGEST_PAGE: Final = 100
"""Entries of the longest page; who asks for more gets these and a cursor."""

_NAME: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_PATH: Final = re.compile(
    rf"/(?P<tenant>{_NAME})(?:/(?P<team>{_NAME}))?/v0\.1/"
    r"(?P<rest>publish|servers(?:/(?P<name>[^/]+/[^/]+)(?P<status>/status)?"
    r"(?:/versions(?:/(?P<version>[^/]+)(?P<one>/status)?)?)?)?)/?"
)
"""Paths below the mount. A server's name holds one slash, which clients write as %2F and servers may have decoded."""
_PARAMETERS: Final = frozenset({"cursor", "limit", "search", "updated_since", "version", "include_deleted"})

What = Literal["list", "versions", "version", "publish", "status"]


@dataclass(frozen=True, slots=True)
class Address:
    """What a path names. `team` None: all of the tenant's; `version` as it is written, `latest` too."""

    what: What
    tenant: TenantId
    team: str | None
    name: str = ""
    version: str = ""


def read_path(path: str) -> Address | None:
    """Return what a path (decoded, below the mount) names; None: nothing of this API."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    name, version = found["name"] or "", found["version"] or ""
    what: What = "list"
    if found["rest"] == "publish":
        what = "publish"
    elif found["status"] or found["one"]:
        what = "status"
        if found["status"] and "/versions" in found["rest"]:
            return None
    elif version:
        what = "version"
    elif name:
        what = "versions"
        if not found["rest"].endswith("/versions"):
            return None
    return Address(what, TenantId(found["tenant"]), found["team"], name, version)


@dataclass(frozen=True, slots=True)
class Query:
    """The parameters of a list. `include_deleted` is accepted and shows nothing: what is gone is in no view."""

    after: str = ""
    limit: int = PAGE
    search: str = ""
    since: datetime | None = None
    version: str = ""


def read_query(raw: bytes) -> Query | Declined:
    """Return the parameters of a list. Those that this API does not know are for others, and passed over."""
    pairs = parse_qsl(raw.decode("ascii", "replace"), keep_blank_values=True)
    given: dict[str, str] = {}
    for name, value in pairs:
        if name in given and name in _PARAMETERS:
            return Declined(400, f"The parameter {name} is given twice")
        given[name] = value
    limit = _limit(given.get("limit", ""))
    after = read_cursor(given.get("cursor", ""))
    since = _since(given.get("updated_since", ""))
    for found in (limit, after, since):
        if isinstance(found, Declined):
            return found
    if given.get("include_deleted", "false") not in {"", "true", "false"}:
        return Declined(400, "include_deleted is true or false")
    if isinstance(limit, Declined) or isinstance(after, Declined) or isinstance(since, Declined):
        return Declined(400, "The query cannot be read")
    return Query(after, limit, given.get("search", "").strip().casefold(), since, given.get("version", ""))


def _limit(text: str) -> int | Declined:
    if not text:
        return PAGE
    if re.fullmatch(r"[0-9]{1,9}", text) is None or int(text) == 0:
        return Declined(400, "limit is a whole number from 1")
    return min(int(text), LONGEST_PAGE)


def _since(text: str) -> datetime | Declined | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        return Declined(400, "updated_since is a time of RFC 3339, such as 2026-01-31T12:00:00Z")
    return found


def write_cursor(name: str) -> str:
    """Return the cursor after an entry."""
    return urlsafe_b64encode(name.encode()).decode().rstrip("=")


def read_cursor(text: str) -> str | Declined:
    """Return the name of the entry that a cursor stands after ("": the beginning)."""
    try:
        name = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4)).decode()
    except ValueError:
        name = ""
    return Declined(400, "The cursor is none of this catalog's") if text and write_cursor(name) != text else name


def namespace_of(url: str) -> str:
    """Return the reverse DNS name of a URL's host, which begins the names of its servers."""
    host = urlsplit(url).hostname or ""
    labels = host.split(".")
    is_name = re.fullmatch(r"[a-z0-9.-]+", host) is not None and not labels[-1].isdigit()
    return ".".join(reversed(labels)) if is_name else "dev.tallystick.local"
