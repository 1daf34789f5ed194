"""The official SDK's server, over HTTP and over stdio, asking its client in the middle of calls in the session era."""

import json
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from tallystick.gateway.upstream import HttpTransport, StdioTransport, Transport
from tallystick.gateway.upstream.model import Call, Question
from tallystick.gateway.upstream.model import Client as Claims
from tallystick.gateway.upstream.stdio import supervision
from tallystick.runtime import Capped
from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, Reply, encode
from tests.gateway.upstream.remote import BOUND_S, LOCAL, SESSIONS, Ask, Client, answer_of, follow

pytestmark = pytest.mark.anyio

PROGRAM = str(Path(__file__).with_name("official_server.py"))
ASKABLE = Claims({"elicitation": {"form": {}}, "sampling": {}, "roots": {}}, {"name": "a client", "version": "1"})
ANSWERS: dict[str, tuple[object, str]] = {
    "greet": ({"action": "accept", "content": {"name": "Ada"}}, "hello Ada"),
    "think": ({"role": "assistant", "content": {"type": "text", "text": "4"}, "model": "m"}, "4"),
    "look": ({"roots": [{"uri": "file:///x"}]}, "file:///x"),
}
ASKED = {"greet": "elicitation/create", "think": "sampling/createMessage", "look": "roots/list"}


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on the loop that serves."""
    return "asyncio", {"use_uvloop": True}


@asynccontextmanager
async def way(kind: str) -> AsyncGenerator[Transport]:
    """Give a way to the server, over HTTP or over stdio."""
    with anyio.fail_after(BOUND_S * 2):
        async with supervision() as supervising:
            if kind == "stdio":
                yield StdioTransport(Capped((sys.executable, PROGRAM), {}), supervising)
                return
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = int(free.getsockname()[1])
            async with await anyio.open_process([sys.executable, PROGRAM, str(port)]) as process:
                try:
                    await _listening(port)
                    yield HttpTransport(f"http://127.0.0.1:{port}/mcp", LOCAL, supervising)
                finally:
                    supervising.cancel_scope.cancel()
                    process.kill()


async def _listening(port: int) -> None:
    while True:
        try:
            async with await anyio.connect_tcp("127.0.0.1", port):
                return
        except OSError:
            await anyio.lowlevel.checkpoint()


def _ask(tool: str, version: str = SESSIONS, **arguments: object) -> Ask:
    params: dict[str, object] = {"name": tool, "arguments": arguments}
    if version == MODERN:
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    return Ask(params=params, version=version, claims=ASKABLE, client=Client(asks=True))


def _text(end: Reply | Refusal | Question) -> str:
    assert isinstance(end, Reply), end
    assert end.kind == "result", end
    return json.loads(end.payload)["content"][0]["text"]


async def _began(transport: Transport, ask: Ask) -> tuple[Call, Question]:
    call = await transport.begin(ask.outbound(), ERAS[SESSIONS])
    assert not isinstance(call, Refusal), call
    question = await follow(call, ask.outbound())
    assert isinstance(question, Question), question
    return call, question


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_a_question_reaches_whoever_follows_and_its_answer_goes_back(kind: str) -> None:
    async with way(kind) as transport:
        for tool, (content, said) in list(ANSWERS.items())[: 3 if kind == "stdio" else 2]:
            ask = _ask(tool)
            ask.params["_meta"] = {"progressToken": "mine"}
            call, question = await _began(transport, ask)
            assert question.method == ASKED[tool]
            if tool == "greet":
                assert question.params["message"] == "Who are you?"
                assert ask.client.progress == [1]
            # Somebody else may go on with it.
            assert await call.respond(question, Reply("result", None, encode.value(content))) is None
            assert _text(await follow(call, _ask(tool).outbound())) == said
            assert call.evidence == "spoken"


async def test_a_server_may_close_the_stream_before_it_asks_and_before_it_answers() -> None:
    async with way("http") as transport:
        ask = _ask("poll", times=5)
        ask.params["_meta"] = {"progressToken": "mine"}
        call, question = await _began(transport, ask)
        assert question.params["message"] == "Who are you?"
        assert ask.client.progress == [1, 2, 3, 4, 5]
        content: dict[str, object] = {"action": "accept", "content": {"name": "Ada"}}
        assert await call.respond(question, Reply("result", None, encode.value(content))) is None
        assert _text(await follow(call, ask.outbound())) == "hello Ada"
        assert call.evidence == "spoken"


async def test_a_call_whose_stream_is_closed_can_be_cancelled_and_the_session_goes_on() -> None:
    async with way("http") as transport:
        call, _ = await _began(transport, _ask("poll", times=1))
        await call.cancel()
        assert isinstance(await call.follow(_ask("poll").outbound()), Refusal)
        assert _text(await answer_of(transport, _ask("large", size=3).outbound())) == "xxx"


async def test_the_stream_of_nobodys_request_goes_on_where_its_server_closed_it() -> None:
    listening = Ask(version=SESSIONS, timeout_s=float("inf"))
    async with way("http") as transport, anyio.create_task_group() as streaming:
        stream = await transport.open_stream(listening.outbound())
        assert not isinstance(stream, Refusal)
        streaming.start_soon(follow, stream, listening.outbound())
        while not listening.client.told:
            assert _text(await answer_of(transport, _ask("change").outbound())) == "changed"
        heard = len(listening.client.told)
        assert _text(await answer_of(transport, _ask("rest").outbound())) == "closed"
        while len(listening.client.told) <= heard:
            await anyio.lowlevel.checkpoint()
        listening.client.gone.set()


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_an_answer_can_be_an_error_and_a_call_can_be_given_up_at_its_question(kind: str) -> None:
    async with way(kind) as transport:
        call, question = await _began(transport, _ask("think"))
        error = Reply("rpc_error", None, encode.value({"code": -1, "message": "no"}), -1)
        assert await call.respond(question, error) is None
        end = await follow(call, _ask("think").outbound())
        assert isinstance(end, Reply)
        assert b"no" in end.payload
        call, question = await _began(transport, _ask("greet"))
        await call.cancel()
        assert isinstance(await call.follow(_ask("greet").outbound()), Refusal)
        assert _text(await answer_of(transport, _ask("large", size=3).outbound())) == "xxx"


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_the_same_server_answers_in_the_era_without_sessions(kind: str) -> None:
    async with way(kind) as transport:
        ask = _ask("large", MODERN, size=1 << 20)
        call = await transport.begin(ask.outbound(), ERAS[MODERN])
        assert not isinstance(call, Refusal)
        assert len(_text(await follow(call, ask.outbound()))) == 1 << 20
        assert call.evidence == "spoken"
        said = await transport.introduce(_ask("", MODERN).outbound(), ERAS[MODERN])
        assert isinstance(said, Reply)
        assert MODERN.encode() in said.payload


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_what_the_server_says_unasked_comes_on_the_stream_of_its_conversation(kind: str) -> None:
    listening = Ask(version=SESSIONS, timeout_s=float("inf"))
    async with way(kind) as transport, anyio.create_task_group() as streaming:
        stream = await transport.open_stream(listening.outbound())
        assert not isinstance(stream, Refusal)
        streaming.start_soon(follow, stream, listening.outbound())
        await listening.client.watched.wait()
        while not listening.client.told:
            # Over HTTP the stream may not have opened yet, and what comes before it does is lost.
            assert _text(await answer_of(transport, _ask("change").outbound())) == "changed"
        assert listening.client.told[0]["method"] == "notifications/tools/list_changed"
        listening.client.gone.set()


@pytest.mark.parametrize("kind", ["http", "stdio"])
async def test_a_subscription_of_the_era_without_sessions_is_heard(kind: str) -> None:
    listening = _ask("", MODERN)
    listening.method, listening.timeout_s = "subscriptions/listen", float("inf")
    listening.params = {"_meta": listening.params["_meta"], "notifications": {"toolsListChanged": True}}
    async with way(kind) as transport, anyio.create_task_group() as streaming:
        call = await transport.begin(listening.outbound(), ERAS[MODERN])
        assert not isinstance(call, Refusal)
        streaming.start_soon(follow, call, listening.outbound())
        while len(listening.client.told) < 2:
            assert _text(await answer_of(transport, _ask("change", MODERN).outbound())) == "changed"
        methods = [str(message["method"]) for message in listening.client.told]
        assert methods[0] == "notifications/subscriptions/acknowledged"
        assert set(methods[1:]) == {"notifications/tools/list_changed"}
        listening.client.gone.set()
