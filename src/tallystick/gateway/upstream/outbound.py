"""What leaves: one request of a client, and the client's side of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from tallystick.terms import Refusal
from tallystick.wire import Era, Reply


class Client(NamedTuple):
    """What a client says of itself. Nobody has verified it: good for what it can be asked, never for what it may do.

    `capabilities` are MCP ClientCapabilities, `implementation` is an MCP Implementation, `log_level` the least severe
    log message that it wants, None for none.
    """

    capabilities: Mapping[str, object]
    implementation: Mapping[str, object] | None = None
    log_level: str | None = None


UNKNOWN_CLIENT = Client({})
"""A client of which nothing is known can be asked nothing."""


class Exchange(Protocol):
    """The client's side of a call, as far as the way out needs it."""

    @property
    def asks(self) -> bool:
        """Whether the client can be asked while its request is under way (in a session era, over its event stream)."""
        ...

    async def emit(self, message: bytes) -> None:
        """Pass one notification to the client; waits while the client is slow."""
        ...

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Send the client a request and return its answer (`result` or `rpc_error`), or why there is none."""
        ...

    async def abandoned(self) -> None:
        """Return when the client has gone in a way that cancels its request; never otherwise."""
        ...


class Cancellation:
    """A client's wish to stop one call: said once, heard by whoever is interested then or later."""

    __slots__ = ("_listener", "said")

    def __init__(self) -> None:
        """Start with nothing said."""
        self.said = False
        self._listener: Callable[[], None] | None = None

    def say(self) -> None:
        """Cancel the call."""
        self.said = True
        if self._listener is not None:
            self._listener()

    def heard_by(self, listener: Callable[[], None]) -> None:
        """Call `listener` when the wish is said, at once if it already was."""
        self._listener = listener
        if self.said:
            listener()


@dataclass(slots=True)
class Outbound:
    """One request of a client. `params` belong to this call.

    `era` is the client's, and so is the form of `params`. `conversation` keys what a server with sessions keeps for
    this client. `timeout_s` bounds each step of the way out and the wait for the answer, in seconds.
    `param_headers` are the client's own `Mcp-Param-*` headers, already compared with its arguments; `mirrored` names
    the headers that the pinned tool definition asks for: (header name, path of the argument).
    """

    era: Era
    method: str
    params: dict[str, object]
    conversation: str
    exchange: Exchange
    timeout_s: float
    result_bytes: int
    param_headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cancellation: Cancellation = field(default_factory=Cancellation)
    client: Client = UNKNOWN_CLIENT
    mirrored: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def context(self) -> str:
        """Whose conversation it is, whatever that client declared it can be asked."""
        return self.conversation.partition(".")[0]
