"""One route of the API, and one request on it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec

from tallystick.api.admit import Permit, Visitor
from tallystick.api.http import Answer, Trouble, body_trouble, read_message, read_query
from tallystick.api.live import Live
from tallystick.api.rooms import ConsoleRooms
from tallystick.remote import messages

T = TypeVar("T", bound=msgspec.Struct)
Method = Literal["GET", "PUT", "PATCH", "POST", "DELETE"]

Result = tuple[Permit, Answer] | Trouble
"""INVARIANT: an answer comes with the permit that allowed it, so no handler can forget to ask for one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` are the path's parameters, `headers` have lower-case names, `body` is here as a whole."""

    live: Live
    visitor: Visitor
    path: Mapping[str, str]
    pairs: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    again: Callable[[], Awaitable[Visitor | Trouble]]
    """Admits the same request once more: a stream outlives the rights that it began with."""

    @property
    def rooms(self) -> ConsoleRooms:
        """What the console works with."""
        return self.live.rooms

    def query(self, kind: type[T]) -> T | Trouble:
        """Return the query parameters."""
        return read_query(self.pairs, kind)

    def message(self, kind: type[T]) -> T | Trouble:
        """Return the message of the body."""
        return read_message(self.body, kind)

    def no_query(self) -> Trouble | None:
        """Refuse parameters where none belong."""
        return body_trouble("query", "this route takes no parameters", "query") if self.pairs else None

    def plain(self) -> Trouble | None:
        """Refuse a body or parameters where none belong."""
        return self.no_query() or (body_trouble("body", "this route takes no body", "body") if self.body else None)


Handler = Callable[[Asked], Awaitable[Result]]


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. `path` is below `/api/v1`; `action` is what policy is asked (`*`: it depends on the body).

    `takes` and `gives` are the messages of body and answer, `query` that of the parameters. `is_versioned`: a change of
    something that exists needs If-Match. `is_open`: nobody has to be known.
    """

    method: Method
    path: str
    action: str
    handler: Handler
    summary: str
    gives: type[msgspec.Struct] | None = None
    takes: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] = messages.asked.Nothing
    status: int = 200
    kind: str = ""
    is_versioned: bool = False
    is_open: bool = False
    is_stream: bool = False
    takes_any: bool = False
    media: str = "application/json"

    @property
    def name(self) -> str:
        """The operation's id: action and method are one of a kind."""
        return f"{self.action.replace(':', '_').replace('*', 'any')}_{self.method.lower()}"
