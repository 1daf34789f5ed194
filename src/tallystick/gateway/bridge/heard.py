"""What a client hears, and what it can be asked, when the server behind it speaks another era."""

from collections.abc import Mapping
from typing import Final

import anyio
import msgspec

from tallystick.gateway.upstream.model import Client, Exchange
from tallystick.terms import Reason, Refusal
from tallystick.wire import Era, Reply, bridge, encode

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
"""How severe a log message can be (RFC 5424, section 6.2.1), the least severe first."""

_LOG: Final = "notifications/message"
_LACKING: Final = -32021


class Subject(msgspec.Struct):
    """What a notification is about, as far as anybody chooses by it."""

    uri: str = ""
    taskId: str = ""  # noqa: N815 - the protocol's spelling
    level: str = ""


class Notice(msgspec.Struct):
    """The head of a notification."""

    method: str
    params: Subject = msgspec.field(default_factory=Subject)


_read_notice: Final = msgspec.json.Decoder(Notice).decode


def read_notice(message: bytes) -> Notice | None:
    """Return the head of a notification, None where it cannot be read: then it is nobody's."""
    try:
        return _read_notice(message)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None


class Alone:
    """The client's side of what the gateway asks for itself: nobody listens, nobody can be asked, nobody leaves."""

    asks = False

    async def emit(self, message: bytes) -> None:
        """Drop a notification."""
        del message

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Answer that nobody is there."""
        del method, params, within_s
        return NOBODY

    async def abandoned(self) -> None:
        """Never return."""
        await anyio.sleep_forever()


class Heard:
    """A client's side of a call whose server speaks the other era: notifications are translated, unfit ones left out.

    `level` is the least severe log message that the client wants. None means none in an era without sessions, and
    whatever comes in one with them. A server with sessions may know one level for all of its clients.
    """

    __slots__ = ("_era", "_exchange", "_level")

    def __init__(self, exchange: Exchange, era: Era, level: str | None) -> None:
        """Translate into the client's `era`."""
        self._exchange = exchange
        self._era = era
        self._level = level

    @property
    def asks(self) -> bool:
        """Whether the client can be asked while its request is under way."""
        return self._exchange.asks

    async def emit(self, message: bytes) -> None:
        """Pass one notification to the client, in its era."""
        notice = read_notice(message)
        if notice is None or (notice.method == _LOG and not self._wants(notice.params.level)):
            return
        told = bridge.notification(notice.method, message, self._era)
        if told is not None:
            await self._exchange.emit(told)

    async def ask(self, method: str, params: Mapping[str, object], within_s: float) -> Reply | Refusal:
        """Send the client a request and return its answer, or why there is none."""
        return await self._exchange.ask(method, params, within_s)

    async def abandoned(self) -> None:
        """Return when the client has gone in a way that cancels its request; never otherwise."""
        await self._exchange.abandoned()

    def _wants(self, level: str) -> bool:
        if self._level is None or self._level not in LEVELS or level not in LEVELS:
            # Without sessions nothing is wanted until somebody says so; with them, everything is.
            return self._era.sessions
        return LEVELS.index(level) >= LEVELS.index(self._level)


def can_answer(client: Client, method: str, params: Mapping[str, object]) -> bool:
    """Whether a client has declared that it can be asked this (2026-07-28 and 2025-11-25, client features)."""
    if method in ("sampling/createMessage", "roots/list"):
        return method.partition("/")[0] in client.capabilities
    modes = client.capabilities.get("elicitation")
    if method != "elicitation/create" or not isinstance(modes, Mapping):
        return False
    # An empty object means forms, as it did before there were modes.
    mode = params.get("mode", "form")
    return mode == "form" if not modes else isinstance(mode, str) and mode in modes


def unaskable(method: str, asked: str) -> Reply:
    """Return the end of a call whose server needs an answer that this client cannot give.

    The model that made a tool call reads results, not errors, so it learns of this in a result.
    """
    text = f"The server needs an answer to {asked[:80]!r}, and this client did not declare that it can give one."
    return told(method, text, -32600)


def lacking(asked: str, params: Mapping[str, object]) -> Reply:
    """Return the end of a call of a client without sessions that did not declare what the server asks for.

    2026-07-28, basic/index: MissingRequiredClientCapability, with ClientCapabilities that would do.
    """
    at_url = asked == "elicitation/create" and params.get("mode") == "url"
    required: dict[str, dict[str, object]] = {asked.partition("/")[0]: {"url": {}} if at_url else {}}
    text = (
        f"The server asks for {asked[:80]!r}, and this request does not declare that its client can answer it. "
        "Declare it and call again; what the server did before it asked may have taken effect."
    )
    error = {"code": _LACKING, "message": text, "data": {"requiredCapabilities": required}}
    return Reply("rpc_error", None, encode.value(error), _LACKING)


def told(method: str, text: str, code: int) -> Reply:
    """Return a failure that the gateway found, in the form that the caller of `method` can read best."""
    if method == "tools/call":
        return Reply("tool_error", None, encode.value({"content": [{"type": "text", "text": text}], "isError": True}))
    return Reply("rpc_error", None, encode.value({"code": code, "message": text}), code)


def unfit(method: str, end: Reply) -> Reply:
    """Return the end of a call whose result is of a type that the other era does not have."""
    return told(
        method, f"The server answered with a result of type {end.result_type[:40]!r}, which cannot be told.", -32603
    )


COMPLETE: Final = ("", "complete")
"""Types of results that are the end of a call in every era."""

NOBODY: Final = Refusal("upstream", (Reason.CLIENT_UNASKABLE,), "Nobody can be asked here.")
BROKEN: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_BROKEN,),
    "The server asked again and again instead of answering, so the call was ended. Ask its owner.",
)
CANCELLED: Final = Refusal("upstream", (Reason.CANCELLED,), "The call was cancelled by its client.")
