"""The words of the way out: what the corridor asks of a server, and what a way to a server offers.

The corridor sees an `Upstream` and speaks its client's era. A `Transport` speaks whichever era it is told. What lies
between them translates (`gateway.bridge`).
"""

from typing import Literal, NamedTuple, Protocol

from tallystick.gateway.upstream.outbound import UNKNOWN_CLIENT, Cancellation, Client, Exchange, Outbound
from tallystick.terms import Refusal
from tallystick.wire import Era, Reply

__all__ = [
    "UNKNOWN_CLIENT",
    "Call",
    "Cancellation",
    "Client",
    "Evidence",
    "Exchange",
    "Outbound",
    "Question",
    "Transport",
    "Upstream",
    "Wanted",
]


class Question(NamedTuple):
    """A request of a server in the middle of a call. `id` is the server's own."""

    id: int | str
    method: str
    params: dict[str, object]


Evidence = Literal["spoken", "not_spoken", "not_taken", "unknown"]
"""What a call has shown about its era: the server speaks it, does not, or nothing can be told from it.

`not_taken`: it speaks the era and yet refused the request for its version, so that it may be sent once more.
"""


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
    tools_list: bool = False


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
