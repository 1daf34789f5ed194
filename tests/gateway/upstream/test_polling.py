"""Event streams that a server closes before the end (2025-11-25, basic/transports): the rest is fetched, in bounds."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.upstream import HttpTransport
from tallystick.gateway.upstream.http.resumption import RETURNS
from tallystick.gateway.upstream.model import Question
from tallystick.gateway.upstream.stdio import supervision
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, Reply
from tests.gateway.upstream.remote import (
    BOUND_S,
    LOCAL,
    SESSIONS,
    Ask,
    Asked,
    Wire,
    answer_of,
    follow,
    linked,
    notice,
    remote,
    result,
)
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

PRIMING = b"id: first\nretry: 20\ndata:\n\n"
Back = Callable[[Asked, Wire, Asked], Awaitable[None]]
"""How a return is answered, given the request of the call that it belongs to."""


@dataclass(slots=True)
class Poller:
    """A server of one session that answers a call by `opening` and each return by `back`, given the call's request."""

    opening: bytes = PRIMING
    back: Back | None = None
    called: list[Asked] = field(default_factory=list[Asked])
    returned: list[Asked] = field(default_factory=list[Asked])
    closed: anyio.Event = field(default_factory=anyio.Event)
    cancelled: anyio.Event = field(default_factory=anyio.Event)
    breaks: bool = False

    async def __call__(self, asked: Asked, wire: Wire) -> None:
        """Answer one request."""
        if asked.verb == "GET":
            self.returned.append(asked)
            assert self.back is not None
            await self.back(asked, wire, self.called[-1])
            return
        method = asked.message.get("method")
        if method == "initialize":
            await wire.answer(result(asked, {"protocolVersion": SESSIONS}), "200 OK", "Mcp-Session-Id: s")
        elif method == "tools/call":
            self.called.append(asked)
            await wire.stream_events()
            await wire.chunk(self.opening)
            await (wire.close() if self.breaks else wire.chunk(b""))
            self.closed.set()
        else:
            if method == "notifications/cancelled":
                self.cancelled.set()
            await wire.answer(b"", "202 Accepted")

    @property
    def named(self) -> list[str | None]:
        """The events after which it was asked to go on."""
        return [asked.header("last-event-id") for asked in self.returned]


async def _nothing_new(_asked: Asked, wire: Wire, _call: Asked) -> None:
    await wire.stream_events()
    await wire.chunk(b"")


async def _the_end(_asked: Asked, wire: Wire, call: Asked) -> None:
    await wire.stream_events()
    await wire.event(notice(2))
    await wire.event(result(call))
    await wire.chunk(b"")


def _answering(status: str, body: bytes = b"", kind: str = "application/json") -> Back:
    async def back(_asked: Asked, wire: Wire, _call: Asked) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        await wire.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    return back


async def _end_of(poller: Poller, ask: Ask | None = None) -> Reply | Refusal:
    async with remote(poller) as server, linked(server) as transport:
        return await answer_of(transport, (ask or Ask(version=SESSIONS)).outbound())


def _reason(end: object) -> Reason:
    assert isinstance(end, Refusal), end
    return end.reasons[0]


@pytest.mark.parametrize("breaks", [False, True], ids=["closed", "broken off"])
async def test_the_rest_of_a_stream_is_fetched_with_the_headers_of_its_session(*, breaks: bool) -> None:
    ask = Ask(version=SESSIONS)
    poller = Poller(PRIMING + b"id: second\ndata: %b\n\n" % notice(1), _the_end, breaks=breaks)
    end = await _end_of(poller, ask)
    assert isinstance(end, Reply)
    assert ask.client.progress == [1, 2]
    assert len(poller.called) == 1, "a call is never sent again"
    (back,) = poller.returned
    assert (back.header("last-event-id"), back.header("mcp-session-id")) == ("second", "s")
    assert (back.header("mcp-protocol-version"), back.header("accept")) == (SESSIONS, "text/event-stream")
    assert back.target == "/mcp?k=v"
    assert back.header("mcp-method") is None


@requirement("failure:polling")
async def test_a_server_may_close_again_and_again() -> None:
    async def back(asked: Asked, wire: Wire, call: Asked) -> None:
        number = len(poller.returned)
        await wire.stream_events()
        # Every second time it has nothing to say, so the last event stays the last one.
        if number % 2:
            await wire.chunk(b"id: %d\ndata:\n\nid: incomplete\ndata: x\n" % number)
        if number == 6:
            await wire.event(result(call))
        await wire.chunk(b"")
        del asked

    poller = Poller(back=back)
    assert isinstance(await _end_of(poller), Reply)
    assert poller.named == ["first", "1", "1", "3", "3", "5"]


@pytest.mark.parametrize(
    "opening",
    [
        b"retry: 20\ndata:\n\n",
        b"id: unfinished\ndata:\n",
        b"id: first\ndata:\n\nid\ndata:\n\n",
        b"id: nul\0\ndata:\n\n",
        b"id: first\ndata:\n\nid: " + b"x" * 1025 + b"\ndata:\n\n",
        b"id: first\ndata:\n\nid: \x0bcontrol\ndata:\n\n",
    ],
    ids=["no id", "no whole event", "taken back", "NUL", "huge", "a control character"],
)
async def test_without_an_id_that_can_be_named_a_closed_stream_has_ended(opening: bytes) -> None:
    poller = Poller(opening)
    assert _reason(await _end_of(poller)) is Reason.UPSTREAM_BROKEN
    assert poller.returned == []


async def test_an_id_with_nul_is_no_id_and_one_of_any_letters_is() -> None:
    poller = Poller("id: \u00e9 1\nretry: 20\ndata:\n\nid: a\0b\ndata:\n\n".encode(), _the_end)
    assert isinstance(await _end_of(poller), Reply)
    assert poller.named == ["\u00e9 1".encode().decode("latin-1")]


REFUSALS = {
    "405": _answering("405 Method Not Allowed"),
    "404": _answering("404 Not Found"),
    "400": _answering("400 Bad Request", b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":""}}'),
    "401": _answering("401 Unauthorized"),
    "500": _answering("500 Internal Server Error"),
    "302": _answering("302 Found"),
    "204": _answering("204 No Content"),
    "a result that is no stream": _answering("200 OK", b'{"jsonrpc":"2.0","id":2,"result":{}}'),
    "a page": _answering("200 OK", b"<html>", "text/html"),
}


@pytest.mark.parametrize("back", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_server_that_does_not_go_on_has_broken_off_and_is_sent_nothing_again(
    back: Back,
) -> None:
    poller = Poller(back=back)
    async with remote(poller) as server, linked(server) as transport:
        call = await transport.begin(Ask(version=SESSIONS).outbound(), ERAS[SESSIONS])
        assert not isinstance(call, Refusal)
        end = await follow(call, Ask().outbound())
        assert _reason(end) is Reason.UPSTREAM_BROKEN
        assert call.evidence == "unknown"
        assert (len(poller.called), len(poller.returned), len(server.calls("initialize"))) == (1, 1, 1)


async def test_a_server_that_has_gone_meanwhile_has_broken_off() -> None:
    poller, ask = Poller(b"id: first\nretry: 200\ndata:\n\n"), Ask(version=SESSIONS)
    async with supervision() as supervising:
        async with remote(poller) as server:
            transport = HttpTransport(server.url, LOCAL, supervising)
            call = await transport.begin(ask.outbound(), ERAS[SESSIONS])
            assert not isinstance(call, Refusal)
            await poller.closed.wait()
        with anyio.fail_after(BOUND_S):
            end = await follow(call, ask.outbound())
        assert _reason(end) is Reason.UPSTREAM_BROKEN, "something was sent, so nobody may say that nothing was"
        assert isinstance(end, Refusal)
        assert end.detail is not None
        assert end.detail.startswith("its stream was closed and cannot be resumed: ")


async def test_nothing_is_fetched_any_more_once_the_way_to_the_server_has_ended() -> None:
    poller, ask = Poller(b"id: first\nretry: 200\ndata:\n\n"), Ask(version=SESSIONS)
    async with remote(poller) as server:
        async with linked(server) as transport:
            assert not isinstance(await transport.begin(ask.outbound(), ERAS[SESSIONS]), Refusal)
        assert poller.returned == []


async def test_endless_returns_have_an_end() -> None:
    poller = Poller(back=_nothing_new)
    assert _reason(await _end_of(poller)) is Reason.UPSTREAM_BROKEN
    assert poller.named == ["first"] * RETURNS


async def test_the_bytes_of_all_returns_count_together() -> None:
    async def back(_asked: Asked, wire: Wire, _call: Asked) -> None:
        await wire.stream_events()
        await wire.event(notice(len(poller.returned), 1000))
        await wire.chunk(b"")

    poller, ask = Poller(back=back), Ask(version=SESSIONS, result_bytes=5000)
    assert _reason(await _end_of(poller, ask)) is Reason.UPSTREAM_TOO_LARGE
    assert len(poller.returned) == 5


@pytest.mark.parametrize("where", ["waiting", "listening"])
async def test_a_call_ends_at_its_deadline_wherever_its_stream_is(where: str) -> None:
    async def back(_asked: Asked, wire: Wire, _call: Asked) -> None:
        await wire.stream_events()
        await wire.chunk(b"id: second\ndata:\n\n")
        await wire.stream.receive()

    opening = b"id: first\nretry: 999999999999\ndata:\n\n" if where == "waiting" else PRIMING
    poller, ask = Poller(opening, back), Ask(version=SESSIONS, timeout_s=0.3)
    async with remote(poller) as server, linked(server) as transport:
        end = await answer_of(transport, ask.outbound())
        assert _reason(end) is Reason.UPSTREAM_TIMEOUT
        await poller.cancelled.wait()
        assert poller.named == ([] if where == "waiting" else ["first"])


async def test_a_call_that_is_cancelled_while_it_waits_is_told_to_the_server_and_never_comes_back() -> None:
    poller, ask = Poller(b"id: first\nretry: 300\ndata:\n\n", _nothing_new), Ask(version=SESSIONS)
    async with remote(poller) as server, linked(server) as transport, anyio.create_task_group() as calling:

        async def call() -> None:
            assert _reason(await answer_of(transport, ask.outbound())) is Reason.CANCELLED

        calling.start_soon(call)
        await ask.client.watched.wait()
        ask.client.gone.set()
        await poller.cancelled.wait()
        # Whatever was to come would have come by now.
        with anyio.move_on_after(0.5):
            await anyio.sleep_forever()
        assert poller.returned == []


async def test_the_response_of_another_request_is_no_end() -> None:
    async def back(_asked: Asked, wire: Wire, _call: Asked) -> None:
        await wire.stream_events()
        await wire.event(b'{"jsonrpc":"2.0","id":999,"result":{}}')

    assert _reason(await _end_of(Poller(back=back))) is Reason.UPSTREAM_BROKEN


async def test_a_question_may_come_on_the_rest_of_a_stream_and_another_rest_after_it() -> None:
    answered = anyio.Event()

    async def back(_asked: Asked, wire: Wire, call: Asked) -> None:
        await wire.stream_events()
        if len(poller.returned) == 1:
            await wire.event(b'{"jsonrpc":"2.0","id":"q","method":"roots/list"}')
            await wire.chunk(b"id: asked\ndata:\n\n")
        elif answered.is_set():
            await wire.event(result(call))
        await wire.chunk(b"")

    poller, ask = Poller(back=back), Ask(version=SESSIONS)
    async with remote(poller) as server, linked(server) as transport:
        call = await transport.begin(ask.outbound(), ERAS[SESSIONS])
        assert not isinstance(call, Refusal)
        assert isinstance(await follow(call, ask.outbound()), Question)
        # Nobody follows; the stream is fetched on, so that the server can go on where it is.
        while len(poller.returned) < 3:
            await anyio.lowlevel.checkpoint()
        answered.set()
        assert await call.respond(Question("q", "roots/list", {}), Reply("result", None, b'{"roots":[]}')) is None
        assert isinstance(await follow(call, ask.outbound()), Reply)
    assert set(poller.named) == {"first", "asked"}


async def test_a_server_without_sessions_in_its_era_is_not_asked_for_the_rest() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        assert asked.verb == "POST"
        await wire.stream_events()
        await wire.chunk(PRIMING)
        await wire.chunk(b"")

    async with remote(handler) as server, linked(server) as transport:
        assert _reason(await answer_of(transport, Ask().outbound())) is Reason.UPSTREAM_BROKEN
        assert len(server.asked) == 1
