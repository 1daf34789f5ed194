"""The words of the way out: what the corridor asks of a server, and what a way to a server offers.

The corridor sees an `Upstream` and speaks its client's era. A `Transport` speaks whichever era it is told. What lies
between them translates (`gateway.bridge`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

from tallystick.terms import Refusal
from tallystick.wire import Era, Reply


class Client(NamedTuple):
    """What a client says of itself. Nobody has verified it: good for what it can be asked, never for what it may do.

    `capabilities` are MCP ClientCapabilities, `info` an MCP Implementation, `log_level` the least severe log message
    that it wants, None for none.
    """

    capabilities: Mapping[str, object]
    info: Mapping[str, object] | None = None
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


class Question(NamedTuple):
    """A request of a server in the middle of a call. `id` is the server's own."""

    id: int | str
    method: str
    params: dict[str, object]


Evidence = Literal["spoken", "not_spoken", "unknown"]
"""What a call has shown about its era: the server speaks it, does not, or nothing can be told from it."""


class Call(Protocol):
    """One request under way at a server. It has exactly one end; until then it can be left and followed again.

    A call that nobody follows any more is ended after a while (`conversation.LEFT_S`), without telling the server.
    """

    @property
    def evidence(self) -> Evidence:
        """What the answer so far shows about the era that the call was begun in. A 401 or 403 never shows anything."""
        ...

    async def follow(self, outbound: Outbound) -> Reply | Refusal | Question:
        """Pass notifications to `outbound.exchange` until the end, a question, the deadline or a cancellation.

        `outbound.timeout_s` counts from here and may be infinite. After a question the call goes on: `respond`, then
        `follow` again, with the same or with another exchange. A refusal means that no answer came; the call may have
        taken effect. After one with `Reason.CANCELLED` or `Reason.UPSTREAM_TIMEOUT`, `cancel` tells the server.
        Only one may follow at a time; one who is stopped while it does leaves the call as it is.
        """
        ...

    async def respond(self, question: Question, answer: Reply) -> Refusal | None:
        """Give the server the client's answer (kind `result` or `rpc_error`). A refusal is the end of the call."""
        ...

    async def cancel(self) -> None:
        """Tell the server, in its era's way, that nobody waits any more. Nothing happens where the answer has come."""
        ...


class Transport(Protocol):
    """One way to one server, in whichever era it is told."""

    async def begin(self, outbound: Outbound, era: Era) -> Call | Refusal:
        """Send one request, whose params are in the form of `era`. Opens or renews a session where `era` has them.

        A refusal means that nothing was sent. Where a session was refused in a way that shows something about the era,
        a call comes back that has ended already, with its `evidence`; of the request itself, nothing was sent then.
        """
        ...

    async def open_stream(self, outbound: Outbound) -> Call | Refusal:
        """Open the stream on which a server of a session era speaks unasked to a conversation (HTTP GET).

        It ends by a refusal: with `Reason.METHOD_UNKNOWN` where the server offers no such stream (405), else because it
        broke off. On a process it hears whatever belongs to no single call, and never breaks off but with the process.
        """
        ...

    async def note(self, outbound: Outbound, era: Era) -> Refusal | None:
        """Send one notification: `outbound.method` with `outbound.params`."""
        ...

    async def introduce(self, outbound: Outbound, era: Era) -> Reply | Refusal:
        """Return what the server says of itself in an era: its answer to the era's opening method."""
        ...

    async def forget(self, conversation: str) -> None:
        """End what is kept for a conversation, if there is anything."""
        ...

    def close(self) -> None:
        """Let go of connections and processes, because the configuration no longer has this way to the server."""
        ...


class Wanted(NamedTuple):
    """What a client wants to be told of, in the words of 2026-07-28 subscriptions/listen."""

    prompts_list: bool = False
    resources_list: bool = False
    resources: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


class Upstream(Protocol):
    """A server that can be asked, in the era of whoever asks."""

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request and return its end. A refusal means that no answer came; the call may have taken effect."""
        ...

    async def listen(self, outbound: Outbound, wanted: Wanted) -> Refusal | None:
        """Tell `outbound.exchange` what the server says unasked, until the client goes or the server will not."""
        ...

    async def note(self, outbound: Outbound) -> None:
        """Pass on a notification of the client, where the server's era has it."""
        ...

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return what the server says of itself in the era of `outbound`, unbridged."""
        ...

    def refuse(self) -> Refusal | None:
        """Return why nothing may be sent now (its circuit is open), None while it may."""
        ...

    async def forget(self, conversation: str) -> None:
        """End what the server keeps for a conversation, if there is anything."""
        ...

    def close(self) -> None:
        """Let go of connections and processes, because the configuration no longer has this way to the server."""
        ...
