"""A server over Streamable HTTP in the era without sessions: what is sent, what comes back, and how it can end."""

import gc
import json
import tracemalloc

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.upstream import HttpTransport
from tallystick.gateway.upstream.conversation import Conversation
from tallystick.gateway.upstream.http.heads import KNOWN, Heads
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN, Reply
from tests.gateway.upstream.remote import SESSIONS, Ask, Asked, Wire, answer_of, linked, notice, remote, result

pytestmark = pytest.mark.anyio


def _reason(reply: Reply | Refusal) -> Reason:
    assert isinstance(reply, Refusal), reply
    return reply.reasons[0]


def _payload(reply: Reply | Refusal) -> object:
    assert isinstance(reply, Reply), reply
    return json.loads(reply.payload)


async def _answer(asked: Asked, wire: Wire) -> None:
    await wire.answer(result(asked))


async def test_a_request_is_built_from_nothing_and_carries_no_token() -> None:
    ask = Ask(params={"name": "pay", "_meta": {"progressToken": "p"}}, param_headers={"mcp-param-region": "eu"})
    async with remote(_answer) as server, linked(server) as upstream:
        await answer_of(upstream, ask.outbound())
        (asked,) = server.asked
    assert (asked.verb, asked.target) == ("POST", "/mcp?k=v")
    assert dict(asked.headers) == {
        "host": f"127.0.0.1:{server.port}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": "tools/call",
        "mcp-name": "pay",
        "mcp-param-region": "eu",
        "content-length": str(len(asked.body)),
    }
    assert asked.message == {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ask.params}


async def test_the_credentials_of_a_url_are_not_sent() -> None:
    async with remote(_answer) as server, linked(server, server.url.replace("//", "//user:secret@")) as upstream:
        await answer_of(upstream, Ask().outbound())
        (asked,) = server.asked
    assert asked.header("host") == f"127.0.0.1:{server.port}"
    assert asked.header("authorization") is None
    assert "secret" not in str(asked)


@pytest.mark.parametrize(
    "name", ["a\r\nAuthorization: Bearer x", "a\nX: y", "a\0", "caf\u00e9", " a", "=?base64?eA==?="]
)
async def test_a_tools_name_can_never_become_a_header(name: str) -> None:
    async with remote(_answer) as server, linked(server) as upstream:
        await answer_of(upstream, Ask(params={"name": name}).outbound())
        (asked,) = server.asked
    header = asked.header("mcp-name")
    assert header is not None
    assert header.startswith("=?base64?")
    assert header.isascii()
    assert {known for known, _ in asked.headers}.isdisjoint({"authorization", "x"})
    assert asked.message["params"] == {"name": name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mcp-param-a", "x\r\nAuthorization: y"),
        ("mcp-param-a\r\nAuthorization", "y"),
        ("mcp-param-a: x", "y"),
        ("mcp-param-", "y"),
        ("authorization", "y"),
        ("mcp-param-a", "\0"),
        ("mcp-param-a", "\u20ac"),
    ],
)
async def test_a_header_that_is_not_a_plain_parameter_stays_behind(name: str, value: str) -> None:
    async with remote(_answer) as server, linked(server) as upstream:
        await answer_of(upstream, Ask(param_headers={name: value}).outbound())
        (asked,) = server.asked
    assert all(not known.startswith("mcp-param-") and known != "authorization" for known, _ in asked.headers)


ANSWERS = {
    "a result": (b'{"jsonrpc":"2.0","id":1,"result":{}}', "result", None),
    "a tool error": (b'{"jsonrpc":"2.0","id":1,"result":{"isError":true}}', "tool_error", None),
    "an error": (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":""}}', "rpc_error", -32001),
    "an error without an id": (b' {"jsonrpc":"2.0","error":{"code":-32700}}', "rpc_error", -32700),
}


@pytest.mark.parametrize(("body", "kind", "code"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_in_one_piece_is_told_by_its_kind(body: bytes, kind: str, code: int | None) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(body, "400 Bad Request" if kind == "rpc_error" else "200 OK")

    async with remote(handler) as server, linked(server) as upstream:
        reply = await answer_of(upstream, Ask().outbound())
    assert isinstance(reply, Reply), reply
    assert (reply.kind, reply.rpc_code) == (kind, code)


def _with_id(identity: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%b,"result":{}}' % identity


NOT_AN_ANSWER = {
    "another id": ("200 OK", _with_id(b"77")),
    "the id as a string": ("200 OK", _with_id(b'"1"')),
    "no id": ("200 OK", _with_id(b"null")),
    "a batch": ("200 OK", b"[" + _with_id(b"1") + b"]"),
    "a notification": ("200 OK", notice(1)),
    "a question": ("200 OK", b'{"jsonrpc":"2.0","id":1,"method":"ping"}'),
    "a web page": ("502 Bad Gateway", b"<html>"),
    "a result that failed": ("500 Internal Server Error", _with_id(b"1")),
    "nothing": ("200 OK", b""),
    "nothing, accepted": ("202 Accepted", b""),
}


@pytest.mark.parametrize(("status", "body"), NOT_AN_ANSWER.values(), ids=NOT_AN_ANSWER.keys())
async def test_what_is_not_an_answer_is_a_broken_server(status: str, body: bytes) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(body, status)

    async with remote(handler) as server, linked(server) as upstream:
        reply = await answer_of(upstream, Ask().outbound())
    assert _reason(reply) is Reason.UPSTREAM_BROKEN
    assert isinstance(reply, Refusal)
    assert status[:3] in reply.detail


async def test_progress_is_passed_on_in_order_and_before_the_end() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.chunk(b": keep-alive\n\nid: 1\ndata:\n\n")
        for number in range(5):
            await wire.event(notice(number))
        await wire.chunk(b"".join(b"data: %b\n\n" % notice(number) for number in range(5, 50)))
        await wire.event(b'{"jsonrpc":"2.0","id":9,"method":"sampling/createMessage"}')
        await wire.event(result(asked))
        await wire.chunk(b"")

    ask = Ask()
    async with remote(handler) as server, linked(server) as upstream:
        assert _payload(await answer_of(upstream, ask.outbound())) == {"ok": True}
        assert ask.client.progress == list(range(50))
        await answer_of(upstream, Ask().outbound())
        assert server.connections == 1


async def test_an_error_framed_as_an_event_is_an_error() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        error = {"code": -32603, "message": "x" * 100_000}
        await wire.event(json.dumps({"jsonrpc": "2.0", "id": asked.message["id"], "error": error}).encode())
        await wire.chunk(b"")

    async with remote(handler) as server, linked(server) as upstream:
        reply = await answer_of(upstream, Ask().outbound())
    assert isinstance(reply, Reply)
    assert (reply.kind, reply.rpc_code) == ("rpc_error", -32603)


@pytest.mark.parametrize("ending", ["chunk", "close"])
async def test_a_stream_that_ends_without_an_answer_is_broken(ending: str) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.event(notice(1))
        await (wire.chunk(b"") if ending == "chunk" else wire.close())

    ask = Ask()
    async with remote(handler) as server, linked(server) as upstream:
        assert _reason(await answer_of(upstream, ask.outbound())) is Reason.UPSTREAM_BROKEN
    assert ask.client.progress == [1]


async def test_a_stream_left_open_after_its_answer_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.http.transfer.LINGER_S", 0.05)

    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.event(result(asked))
        await wire.stream.receive()

    async with remote(handler) as server, linked(server) as upstream:
        assert _payload(await answer_of(upstream, Ask().outbound())) == {"ok": True}
        await server.left.wait()


@pytest.mark.parametrize("is_stream", [False, True], ids=["JSON", "events"])
@pytest.mark.parametrize("is_endless", [False, True], ids=["one answer", "without end"])
async def test_an_answer_over_the_limit_is_cut_off(*, is_stream: bool, is_endless: bool) -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        large = result(asked, {"text": "x" * 100_000})
        if is_stream:
            await wire.stream_events()
            await wire.write(b"%x\r\ndata: " % (10**9))
        else:
            await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (10**9 if is_endless else len(large)))
        await wire.write(large)
        while is_endless:
            await wire.write(b"x" * 10_000)

    async with remote(handler) as server, linked(server) as upstream:
        assert _reason(await answer_of(upstream, Ask(result_bytes=50_000).outbound())) is Reason.UPSTREAM_TOO_LARGE


async def test_a_server_that_does_not_answer_in_time_is_left_and_sees_it() -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.stream.receive()

    async with remote(handler) as server, linked(server) as upstream:
        assert _reason(await answer_of(upstream, Ask(timeout_s=0.1).outbound())) is Reason.UPSTREAM_TIMEOUT
        await server.left.wait()
        assert len(server.asked) == 1


@pytest.mark.parametrize("how", ["gone", "said", "stopped"])
async def test_a_client_that_goes_away_takes_its_request_with_it(how: str) -> None:
    arrived = anyio.Event()

    async def handler(_asked: Asked, wire: Wire) -> None:
        arrived.set()
        await wire.stream.receive()

    ask, replies = Ask(), list[Reply | Refusal]()
    async with remote(handler) as server, linked(server) as upstream:
        async with anyio.create_task_group() as calling:

            async def call() -> None:
                replies.append(await answer_of(upstream, ask.outbound()))

            calling.start_soon(call)
            await arrived.wait()
            if how == "gone":
                ask.client.gone.set()
            elif how == "said":
                ask.cancellation.say()
            else:
                calling.cancel_scope.cancel()
        await server.left.wait()
        assert len(server.asked) == 1, "no notice in an era where leaving is the notice"
    assert [_reason(reply) for reply in replies] == ([] if how == "stopped" else [Reason.CANCELLED])


async def test_a_call_cancelled_before_it_was_sent_is_not_sent() -> None:
    ask = Ask()
    ask.cancellation.say()
    async with remote(_answer) as server, linked(server) as upstream:
        assert _reason(await answer_of(upstream, ask.outbound())) is Reason.CANCELLED
        assert server.asked == []
        assert _payload(await answer_of(upstream, Ask().outbound())) == {"ok": True}
        assert server.connections == 1


async def test_a_slow_client_stops_the_server_until_it_reads_again() -> None:
    size, count = 32 << 10, 400
    sent: list[int] = []

    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        for number in range(count):
            await wire.event(notice(number, size))
            sent.append(number)
        await wire.event(result(asked))
        await wire.chunk(b"")

    ask = Ask(result_bytes=64 << 20)
    ask.client.stall()
    async with remote(handler) as server, linked(server) as upstream:
        async with anyio.create_task_group() as calling:
            calling.start_soon(_follow, upstream, ask)
            await ask.client.stalled.wait()
            await _still(sent)
            assert len(sent) < count, "the server could send everything to a client that read nothing"
            ask.client.reading.set()
        assert ask.client.progress == list(range(count))
        # The connection that had been paused serves the next call.
        assert isinstance(await answer_of(upstream, Ask(result_bytes=64 << 20).outbound()), Reply)
        assert server.connections == 1


async def _follow(upstream: HttpTransport, ask: Ask) -> None:
    assert _payload(await answer_of(upstream, ask.outbound())) == {"ok": True}


async def _still(growing: list[int]) -> None:
    """Return when the sockets' buffers are full: many turns of the loop in which nothing grew."""
    turns = 0
    while turns < 2000:
        size = len(growing)
        await anyio.lowlevel.checkpoint()
        turns = turns + 1 if len(growing) == size else 0


async def test_a_client_that_never_reads_holds_its_call_no_longer_than_the_deadline() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.stream_events()
        await wire.event(notice(1))
        await wire.stream.receive()
        del asked

    ask = Ask(timeout_s=0.1)
    ask.client.stall()
    async with remote(handler) as server, linked(server) as upstream:
        assert _reason(await answer_of(upstream, ask.outbound())) is Reason.UPSTREAM_TIMEOUT
        await server.left.wait()


async def test_the_answer_to_discovery_is_what_the_server_says_of_itself() -> None:
    async with remote(_answer) as server, linked(server) as upstream:
        assert _payload(await upstream.introduce(Ask("any", {}).outbound(), ERAS[MODERN])) == {"ok": True}
        assert [asked.header("mcp-method") for asked in server.asked] == ["server/discover"]


async def test_an_era_with_sessions_has_no_mirrored_headers() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        body = result(asked, {"protocolVersion": SESSIONS}) if "id" in asked.message else b""
        await wire.answer(body, "200 OK" if body else "202 Accepted")

    async with remote(handler) as server, linked(server) as upstream:
        await answer_of(upstream, Ask(version=SESSIONS, param_headers={"mcp-param-a": "b"}).outbound())
        (asked,) = server.calls("tools/call")
    assert not any(known.startswith(("mcp-method", "mcp-name", "mcp-param")) for known, _ in asked.headers)


def test_names_that_clients_choose_do_not_fill_the_memory() -> None:
    heads, era = Heads("http://127.0.0.1/mcp"), ERAS[MODERN]
    tracemalloc.start()
    try:
        for number in range(KNOWN):
            outbound = Ask(method="resources/read", params={"uri": f"x:{number}{'y' * 20_000}"}).outbound()
            assert b"Mcp-Name: x:%d" % number in heads.modern(outbound, era, b"")
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1 << 20


async def test_a_call_that_has_ended_is_forgotten_without_the_collector() -> None:
    async with remote(_answer) as server, linked(server) as upstream:
        gc.collect()
        gc.disable()
        try:
            await answer_of(upstream, Ask().outbound())
            assert not [kept for kept in gc.get_objects() if isinstance(kept, Conversation)]
        finally:
            gc.enable()


async def test_a_header_that_the_tool_asks_for_comes_once_and_says_what_its_argument_says() -> None:
    ask = Ask(
        params={"name": "t", "arguments": {"region": "Bern"}},
        param_headers={"mcp-param-region": "Basel", "mcp-param-other": "1"},
        mirrored=(("Mcp-Param-Region", ("region",)),),
    )
    async with remote(_answer) as server, linked(server) as upstream:
        await answer_of(upstream, ask.outbound())
        (asked,) = server.asked
    assert (asked.header("mcp-param-region"), asked.header("mcp-param-other")) == ("Bern", "1")
