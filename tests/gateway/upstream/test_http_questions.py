"""A server with sessions that speaks in the middle of a call, and on the stream that belongs to no call."""

import json

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.upstream import HttpTransport
from tallystick.gateway.upstream.model import Call, Question
from tallystick.gateway.upstream.model import Client as Claims
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, Reply
from tests.gateway.upstream.remote import (
    SESSIONS,
    Ask,
    Asked,
    Handler,
    Wire,
    answer_of,
    follow,
    linked,
    notice,
    remote,
    result,
)

pytestmark = pytest.mark.anyio

ELICIT = b'{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"?","x":[1]}}'


def _session(call: Handler, get: Handler | None = None) -> Handler:
    """Serve one session: `call` answers tools/call, `get` the stream; responses and notifications are accepted."""

    async def handler(asked: Asked, wire: Wire) -> None:
        if asked.verb == "GET" and get is not None:
            await get(asked, wire)
        elif asked.verb != "POST":
            await wire.answer(b"", "405 Method Not Allowed")
        elif asked.message.get("method") == "initialize":
            await wire.answer(result(asked, {"protocolVersion": SESSIONS}), "200 OK", "Mcp-Session-Id: s")
        elif asked.message.get("method") == "tools/call":
            await call(asked, wire)
        else:
            await wire.answer(b"", "202 Accepted")

    return handler


def _ask(timeout_s: float = 20.0) -> Ask:
    return Ask(version=SESSIONS, timeout_s=timeout_s)


async def _begin(transport: HttpTransport, ask: Ask) -> Call:
    call = await transport.begin(ask.outbound(), ERAS[SESSIONS])
    assert not isinstance(call, Refusal), call
    return call


def _reason(end: object) -> Reason:
    assert isinstance(end, Refusal), end
    return end.reasons[0]


async def test_a_question_is_answered_in_its_session_and_the_wait_costs_the_call_nothing() -> None:
    answered = anyio.Event()

    async def call(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.event(notice(1))
        await wire.event(ELICIT)
        await wire.event(notice(2))
        await answered.wait()
        await wire.event(result(asked))
        await wire.chunk(b"")

    first, second = _ask(0.3), _ask()
    async with remote(_session(call)) as server, linked(server) as transport:
        under_way = await _begin(transport, first)
        question = await follow(under_way, first.outbound())
        assert isinstance(question, Question)
        assert question == ("q-1", "elicitation/create", {"message": "?", "x": [1]})
        # The first client's deadline passes while nobody follows.
        with anyio.move_on_after(0.4):
            await anyio.sleep_forever()
        assert await under_way.respond(question, Reply("result", None, b'{"action":"accept"}')) is None
        (said,) = [asked for asked in server.asked if asked.verb == "POST" and "method" not in asked.message]
        assert said.message == {"jsonrpc": "2.0", "id": "q-1", "result": {"action": "accept"}}
        assert said.header("mcp-session-id") == "s"
        answered.set()
        assert isinstance(await follow(under_way, second.outbound()), Reply)
    assert (first.client.progress, second.client.progress) == ([1], [2])


async def test_a_sign_of_life_is_given_and_what_nobody_can_be_asked_is_refused() -> None:
    async def call(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.event(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
        await wire.event(b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{}}')
        await wire.event(b'{"jsonrpc":"2.0","id":3,"method":"roots/list","params":{"a":1,"a":2}}')
        await wire.event(b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}')
        while sum(1 for seen in server.asked if "method" not in seen.message) < 3:
            await anyio.lowlevel.checkpoint()
        await wire.event(result(asked))
        await wire.chunk(b"")

    ask = _ask()
    async with remote(_session(call)) as server, linked(server) as transport:
        assert isinstance(await answer_of(transport, ask.outbound()), Reply)
        answers = {str(seen.message["id"]): seen.message for seen in server.asked if "method" not in seen.message}
    assert answers["1"]["result"] == {}
    assert [json.dumps(answers[number]["error"])[:15] for number in ("2", "3")] == ['{"code": -32601'] * 2
    assert ask.client.told == []


async def test_questions_without_end_are_not_kept_without_end() -> None:
    refused = anyio.Event()

    async def call(asked: Asked, wire: Wire) -> None:
        del asked
        await wire.stream_events()
        for _ in range(20):
            await wire.event(ELICIT)
        while not any("error" in seen.message for seen in server.asked):
            await anyio.lowlevel.checkpoint()
        refused.set()
        await wire.close()

    ask = _ask()
    async with remote(_session(call)) as server, linked(server) as transport:
        under_way = await _begin(transport, ask)
        assert isinstance(await follow(under_way, ask.outbound()), Question)
        await refused.wait()
        ends = [await follow(under_way, ask.outbound()) for _ in range(20)]
        # Once the server has gone, what it wanted to know does not matter any more.
        assert _reason(ends[-1]) is Reason.UPSTREAM_BROKEN


async def test_a_call_that_nobody_comes_back_to_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.conversation.LEFT_S", 0.05)

    async def call(asked: Asked, wire: Wire) -> None:
        del asked
        await wire.stream_events()
        await wire.event(ELICIT)
        await wire.stream.receive()

    ask = _ask()
    async with remote(_session(call)) as server, linked(server) as transport:
        under_way = await _begin(transport, ask)
        assert isinstance(await follow(under_way, ask.outbound()), Question)
        await server.left.wait()
        assert _reason(await follow(under_way, ask.outbound())) is Reason.UPSTREAM_TIMEOUT


async def test_an_answer_that_the_server_does_not_take_ends_the_call() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        if "method" not in asked.message:
            await wire.answer(b"", "404 Not Found")
        elif asked.message["method"] == "tools/call":
            await wire.stream_events()
            await wire.event(ELICIT)
            await wire.stream.receive()
        else:
            await _session(handler)(asked, wire)

    ask = _ask()
    async with remote(handler) as server, linked(server) as transport:
        under_way = await _begin(transport, ask)
        question = await follow(under_way, ask.outbound())
        assert isinstance(question, Question)
        assert _reason(await under_way.respond(question, Reply("result", None, b"{}"))) is Reason.UPSTREAM_BROKEN
        await server.left.wait()


async def test_a_session_is_opened_with_what_its_client_claims() -> None:
    ask = _ask()
    ask.claims = Claims({"roots": {"listChanged": True}, "sampling": {}}, {"name": "c", "version": "9"})

    async def call(asked: Asked, wire: Wire) -> None:
        await wire.answer(result(asked))

    async with remote(_session(call)) as server, linked(server) as transport:
        await answer_of(transport, ask.outbound())
        (opening,) = server.calls("initialize")
    params = opening.message["params"]
    assert isinstance(params, dict)
    assert params["capabilities"] == {"roots": {}, "sampling": {}}
    assert params["clientInfo"] == {"name": "c", "version": "9"}


async def _nothing(asked: Asked, wire: Wire) -> None:
    await wire.answer(result(asked))


async def test_a_stream_tells_asks_and_ends() -> None:
    async def get(asked: Asked, wire: Wire) -> None:
        assert asked.header("accept") == "text/event-stream"
        assert asked.header("mcp-session-id") == "s"
        assert asked.header("last-event-id") is None
        await wire.stream_events()
        await wire.chunk(b"retry: 1\ndata:\n\n")
        await wire.event(notice(1, 100_000))
        await wire.event(b'{"jsonrpc":"2.0","id":5,"result":{}}')
        await wire.event(ELICIT)
        await wire.chunk(b"")

    ask = _ask(float("inf"))
    ask.result_bytes = 150_000
    async with remote(_session(_nothing, get)) as server, linked(server) as transport:
        stream = await transport.open_stream(ask.outbound())
        assert not isinstance(stream, Refusal)
        question = await follow(stream, ask.outbound())
        if isinstance(question, Question):
            assert await stream.respond(question, Reply("rpc_error", None, b'{"code":1,"message":""}', 1)) is None
            question = await follow(stream, ask.outbound())
        assert _reason(question) is Reason.UPSTREAM_BROKEN
    assert ask.client.progress == [1]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("405 Method Not Allowed", Reason.METHOD_UNKNOWN),
        ("404 Not Found", Reason.METHOD_UNKNOWN),
        ("500 Internal Server Error", Reason.UPSTREAM_BROKEN),
        ("302 Found", Reason.UPSTREAM_BROKEN),
        ("200 OK", Reason.UPSTREAM_BROKEN),
    ],
)
async def test_a_server_without_a_stream_is_told_apart_from_one_that_breaks_off(status: str, reason: Reason) -> None:
    async def get(_asked: Asked, wire: Wire) -> None:
        await wire.answer(b"{}", status, f"Location: {server.url}")

    async with remote(_session(_nothing, get)) as server, linked(server) as transport:
        stream = await transport.open_stream(_ask().outbound())
        assert not isinstance(stream, Refusal)
        assert _reason(await follow(stream, _ask().outbound())) is reason
        assert len([asked for asked in server.asked if asked.verb == "GET"]) == 1


async def test_a_session_that_is_gone_for_its_stream_is_opened_anew() -> None:
    async def get(_asked: Asked, wire: Wire) -> None:
        await wire.answer(b"", "404 Not Found")

    async with remote(_session(_nothing, get)) as server, linked(server) as transport:
        await answer_of(transport, _ask().outbound())
        for reason in (Reason.UPSTREAM_BROKEN, Reason.METHOD_UNKNOWN):
            stream = await transport.open_stream(_ask().outbound())
            assert not isinstance(stream, Refusal)
            assert _reason(await follow(stream, _ask().outbound())) is reason
        assert len(server.calls("initialize")) == 2


@pytest.mark.parametrize("how", ["many", "idle"])
async def test_sessions_that_nobody_uses_are_ended_at_the_server(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    module = "tallystick.gateway.upstream.http.sessions"
    monkeypatch.setattr(f"{module}.SESSIONS", 1 if how == "many" else 10)
    monkeypatch.setattr(f"{module}.IDLE_S", 1800.0 if how == "many" else 0.1)
    deleted = anyio.Event()

    async def handler(asked: Asked, wire: Wire) -> None:
        if asked.verb == "DELETE":
            assert asked.header("mcp-session-id") == "s"
            deleted.set()
        await _session(_nothing)(asked, wire)

    async with remote(handler) as server, linked(server) as transport:
        for conversation in ("a", "b") if how == "many" else ("a",):
            ask = _ask()
            ask.conversation = conversation
            assert isinstance(await answer_of(transport, ask.outbound()), Reply)
        await deleted.wait()
