"""One server for the corridor: asked in the era of whoever asks, whichever era it speaks itself."""

from collections.abc import Mapping

from anyio.abc import TaskGroup

from tallystick.gateway.upstream.model import Outbound, Question, Transport, Wanted
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply, encode

_UNASKED = Reply("rpc_error", None, encode.value({"code": -32601, "message": "Method not found"}), -32601)


class Bridge:
    """The way to one server, over one transport."""

    def __init__(
        self, transport: Transport, pinned: Mapping[str, Mapping[str, object]], supervising: TaskGroup
    ) -> None:
        """Take what the server said of itself, by version, when it was pinned; background work runs in `supervising`."""
        self._transport = transport
        self._pinned = pinned
        self._supervising = supervising

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """Send one request and return its end. A refusal means that no answer came; the call may have taken effect."""
        call = await self._transport.begin(outbound, outbound.era)
        if isinstance(call, Refusal):
            return call
        end = await call.follow(outbound)
        while isinstance(end, Question):
            end = await call.respond(end, _UNASKED) or await call.follow(outbound)
        return end

    async def listen(self, outbound: Outbound, wanted: Wanted) -> Refusal | None:
        """Tell `outbound.exchange` what the server says unasked, until the client goes or the server will not."""
        del outbound, wanted
        return Refusal("invalid", (Reason.METHOD_UNKNOWN,), "This server tells nothing unasked.")

    async def note(self, outbound: Outbound) -> None:
        """Pass on a notification of the client, where the server's era has it."""
        await self._transport.note(outbound, outbound.era)

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Return what the server says of itself in the era of `outbound`, unbridged."""
        return await self._transport.introduce(outbound, outbound.era)

    def refuse(self) -> Refusal | None:
        """Return why nothing may be sent now, None while it may."""
        return None

    async def forget(self, conversation: str) -> None:
        """End what the server keeps for a conversation, if there is anything."""
        await self._transport.forget(conversation)

    def close(self) -> None:
        """Let go of connections and processes, because the configuration no longer has this way to the server."""
        self._transport.close()
