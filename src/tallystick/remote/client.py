"""A typed client of the REST API. Synchronous: commands ask one thing after the other."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import quote, urlencode, urlsplit

import msgspec
import urllib3

from tallystick.remote.error import RemoteError, read_problem
from tallystick.remote.messages import asked, declared, resources, told
from tallystick.remote.place import Place, open_pool
from tallystick.remote.stream import Event, read_events

T = TypeVar("T")

API: Final = "/api/v1"
MOST_BYTES: Final = 64 << 20
"""Bytes of an answer that are read; more is not the console's."""

_PATHS: Final = {kind: path for path, kind in resources.PLURALS.items()}


@dataclass(frozen=True, slots=True)
class Versioned:
    """A resource and the ETag that a change of it has to name."""

    resource: resources.Resource
    etag: str


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Speaks to one console. `token` gives the access token of each request; None where the socket vouches."""

    def __init__(self, place: Place, token: Callable[[], str] | None = None, timeout_s: float = 60.0) -> None:
        """Connect to nobody yet."""
        self._place = place
        self._prefix = urlsplit(place.url).path.rstrip("/")
        self._token = token
        self._pool = open_pool(place, timeout_s)

    # Resources

    def pages(self, kind: resources.Kind, listing: asked.Listing | None = None) -> Iterator[resources.Resources]:
        """Yield a list of resources page by page."""
        wanted = listing or asked.Listing()
        while True:
            page = self.ask("GET", f"/{_PATHS[kind]}", resources.Resources, query=wanted)
            yield page
            if page.next is None:
                return
            wanted = msgspec.structs.replace(wanted, cursor=page.next)

    def every(self, kind: resources.Kind, listing: asked.Listing | None = None) -> Iterator[resources.Resource]:
        """Yield every resource of a kind that fits."""
        for page in self.pages(kind, listing):
            yield from page.items

    def get(self, kind: resources.Kind, name: str) -> Versioned:
        """Return one resource; raises RemoteError("not_found")."""
        return self._versioned("GET", _path(kind, name))

    def put(self, wanted: resources.Resource, etag: str | None = None, how: asked.Dry | None = None) -> Versioned:
        """Create a resource (without `etag`), or replace the one that has it."""
        return self._versioned("PUT", _path(wanted.kind, wanted.metadata.name), wanted, etag, how)

    def delete(self, kind: resources.Kind, name: str, etag: str, how: asked.Dry | None = None) -> None:
        """Remove a resource."""
        self._send("DELETE", _path(kind, name), None, how, {"if-match": etag})

    def history(self, kind: resources.Kind, name: str) -> Iterator[resources.Change]:
        """Yield every change of one resource, oldest first."""
        query = asked.Page()
        while True:
            page = self.ask("GET", f"{_path(kind, name)}/history", resources.Changes, query=query)
            yield from page.items
            if page.next is None:
                return
            query = msgspec.structs.replace(query, cursor=page.next)

    # Lifecycle

    def step(self, kind: resources.Kind, name: str, step: asked.Step, how: "Sent | None" = None) -> Versioned:
        """Take a step of a reviewed resource. Suspending needs no ETag; every other step does."""
        sent = how or Sent()
        return self._versioned("POST", f"{_path(kind, name)}/steps", step, sent.etag, sent.dry, sent.key)

    def reviews(self, kind: resources.Kind, name: str) -> list[resources.Review]:
        """Return every step that was taken or refused."""
        return self.ask("GET", f"{_path(kind, name)}/reviews", resources.Reviews).items

    def definition(self, server: str) -> told.Definition:
        """Return what a server says of itself: as approved, as seen last, and the difference."""
        return self.ask("GET", f"/servers/{quote(server)}/definition", told.Definition)

    def scan(self, server: str) -> told.Definition:
        """Have the server asked now."""
        return self.ask("POST", f"/servers/{quote(server)}/scan", told.Definition)

    # Declarations

    def plan(self, documents: asked.Documents) -> declared.Plan:
        """Return what applying would do."""
        return self.ask("POST", "/plan", declared.Plan, body=documents)

    def apply(self, documents: asked.Documents, key: str | None = None) -> declared.Plan:
        """Apply documents as one change."""
        headers = {"idempotency-key": key} if key else {}
        return self.ask("POST", "/apply", declared.Plan, body=documents, headers=headers)

    def export(self, query: asked.Export | None = None) -> declared.Exported:
        """Return documents of everything that fits."""
        return self.ask("GET", "/export", declared.Exported, query=query)

    # The rest

    def search(self, query: asked.Search) -> told.Findings:
        """Return one page of the servers and tools that fit."""
        return self.ask("GET", "/search", told.Findings, query=query)

    def whoami(self) -> told.Whoami:
        """Return who the console takes this client for."""
        return self.ask("GET", "/whoami", told.Whoami)

    def can(self, ability: asked.Ability) -> told.Verdict:
        """Return whether this client may do something."""
        return self.ask("GET", "/roles/check", told.Verdict, query=ability)

    def health(self) -> told.Health:
        """Return whether the console works."""
        return self.ask("GET", "/health", told.Health)

    def date(self) -> str:
        """Return the console's clock as it tells it (RFC 9110, section 6.6.1); empty where it does not."""
        return self._send("GET", "/health", None, None).headers.get("date", "")

    def revision(self) -> told.Revision:
        """Return the newest revision and the newest one in force."""
        return self.ask("GET", "/revision", told.Revision)

    def snapshot(self) -> told.SnapshotView:
        """Return the control state in force."""
        return self.ask("GET", "/snapshot", told.SnapshotView)

    def follow(self, after: int) -> Iterator[resources.Change]:
        """Yield changes as they come in force, from after a revision on; goes on where it was after a lost stream.

        Ends when the console ends the stream and cannot be reached again.
        """
        last = str(after)
        while True:
            for event in self._events("/changes", last):
                last = event.id or last
                if event.name == "change":
                    yield _read(event.content, resources.Change)

    def ask(
        self,
        method: str,
        path: str,
        answer: type[T],
        *,
        query: msgspec.Struct | None = None,
        body: msgspec.Struct | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> T:
        """Ask for any route of the API; `path` is below `/api/v1`. Raises RemoteError for all but a success."""
        return _read(self._send(method, path, body, query, headers).body, answer)

    def _versioned(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None = None,
        etag: str | None = None,
        query: msgspec.Struct | None = None,
        key: str | None = None,
    ) -> Versioned:
        named = {"if-match": etag, "idempotency-key": key}
        sent = self._send(method, path, body, query, {name: value for name, value in named.items() if value})
        return Versioned(_read(sent.body, resources.Resource), sent.headers.get("etag", ""))

    def _send(
        self,
        method: str,
        path: str,
        body: msgspec.Struct | None,
        query: msgspec.Struct | None,
        headers: Mapping[str, str] | None = None,
    ) -> _Answer:
        content = None if body is None else msgspec.json.encode(body)
        sent = {**self._headers(), **(headers or {})}
        if content is not None:
            sent["content-type"] = "application/json"
        response = self._open(method, path + _query(query), content, sent)
        try:
            raw = response.read(MOST_BYTES + 1, cache_content=False, decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(self._place, error) from error
        finally:
            response.release_conn()
        if len(raw) > MOST_BYTES:
            raise RemoteError(code="upstream", message="The answer is longer than any of the console's.")
        if response.status >= 300:  # noqa: PLR2004 - the successes of HTTP (RFC 9110, section 15) end here
            raise read_problem(response.status, raw)
        return _Answer(response.status, {name.lower(): value for name, value in response.headers.items()}, raw)

    def _events(self, path: str, last: str) -> Iterator[Event]:
        headers = {**self._headers(), "accept": "text/event-stream", "last-event-id": last}
        response = self._open("GET", path, None, headers)
        if response.status != 200:  # noqa: PLR2004 - the only status of a stream
            raise read_problem(response.status, response.read(1 << 20))
        try:
            yield from read_events(response.stream(1 << 14, decode_content=False))
        except (urllib3.exceptions.HTTPError, OSError):
            return
        finally:
            response.close()

    def _headers(self) -> dict[str, str]:
        told_ = {"accept": "application/json", "user-agent": "tallystick"}
        return told_ if self._token is None else {**told_, "authorization": f"Bearer {self._token()}"}

    def _open(
        self, method: str, target: str, content: bytes | None, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.urlopen(
                method,
                self._prefix + API + target,
                body=content,
                headers=headers,
                redirect=False,
                preload_content=False,
                assert_same_host=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _unreachable(self._place, error) from error


@dataclass(frozen=True, slots=True)
class Sent:
    """How a request is sent: the ETag that it is meant for, its Idempotency-Key, and whether it is for real."""

    etag: str | None = None
    key: str | None = None
    dry: asked.Dry | None = None


def _path(kind: resources.Kind, name: str) -> str:
    return f"/{_PATHS[kind]}/{quote(name, safe='')}"


def _query(query: msgspec.Struct | None) -> str:
    if query is None:
        return ""
    members = msgspec.to_builtins(query)
    pairs = {name: _text(value) for name, value in members.items() if value is not None and value != ""}
    return f"?{urlencode(pairs)}" if pairs else ""


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(raw: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        message = f"The console's answer does not have the form that this version knows: {error}"
        raise RemoteError(code="upstream", message=message) from error


def _unreachable(place: Place, error: Exception) -> RemoteError:
    return RemoteError("unavailable", f"The console at {place} cannot be reached: {error}")
