"""Upstream sessions: opened when needed, renewed once when they are gone, closed when nobody needs them."""

from dataclasses import dataclass, field

import anyio
import pytest

from tallystick.gateway.upstream import HttpTransport
from tallystick.gateway.upstream.http.sessions import SESSIONS_EACH, Session, Sessions
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, Reply
from tests.gateway.upstream.remote import SESSIONS, Ask, Asked, Wire, answer_of, linked, remote, result

pytestmark = pytest.mark.anyio


@dataclass(slots=True)
class LegacyServer:
    """A server of the era with sessions. `open` are its sessions; a request of any other is answered by 404."""

    agrees: str = SESSIONS
    keeps_sessions: bool = True
    opened: list[str] = field(default_factory=list[str])
    open: set[str] = field(default_factory=set[str])
    ready: set[str] = field(default_factory=set[str])
    executed: list[str] = field(default_factory=list[str])
    hold: anyio.Event | None = None
    cancelled: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, asked: Asked, wire: Wire) -> None:
        """Answer one request."""
        session = asked.header("mcp-session-id")
        if asked.verb == "DELETE":
            self.open.discard(session or "")
            await wire.answer(b"", "200 OK")
            return
        method = asked.message["method"]
        if method == "initialize":
            await self._initialize(asked, wire)
        elif self.keeps_sessions and session not in self.open:
            await wire.answer(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600}}', "404 Not Found")
        elif method == "notifications/initialized":
            self.ready.add(session or "")
            await wire.answer(b"", "202 Accepted")
        elif method == "notifications/cancelled":
            await wire.answer(b"", "202 Accepted")
            self.cancelled.set()
        else:
            assert (session or "") in self.ready, "a request came before notifications/initialized"
            assert asked.header("mcp-protocol-version") == self.agrees
            await self._execute(asked, wire, session or "")

    async def _initialize(self, asked: Asked, wire: Wire) -> None:
        assert asked.header("mcp-session-id") is None
        named = f"session-{len(self.opened) + 1}"
        self.opened.append(named)
        self.open.add(named)
        headers = [f"Mcp-Session-Id: {named}"] if self.keeps_sessions else []
        await wire.answer(result(asked, {"protocolVersion": self.agrees, "capabilities": {}}), "200 OK", *headers)

    async def _execute(self, asked: Asked, wire: Wire, session: str) -> None:
        self.executed.append(session)
        if self.hold is not None:
            self.hold.set()
            await wire.stream.receive()
        await wire.answer(result(asked))


def _ask(conversation: str = "c", **changed: float) -> Ask:
    ask = Ask(version=SESSIONS, conversation=conversation)
    ask.timeout_s = changed.get("timeout_s", ask.timeout_s)
    return ask


def _is_answered(reply: Reply | Refusal) -> bool:
    return isinstance(reply, Reply) and reply.kind == "result"


async def test_a_conversation_opens_one_session_and_keeps_it() -> None:
    legacy = LegacyServer()
    async with remote(legacy) as server, linked(server) as upstream:
        for _ in range(3):
            assert _is_answered(await answer_of(upstream, _ask().outbound()))
        assert _is_answered(await answer_of(upstream, _ask("other").outbound()))
    assert legacy.opened == ["session-1", "session-2"]
    assert legacy.executed == ["session-1"] * 3 + ["session-2"]


async def test_a_session_is_opened_in_the_gateways_name_where_the_client_has_none() -> None:
    async with remote(LegacyServer()) as server, linked(server) as upstream:
        await answer_of(upstream, _ask().outbound())
        (opening,) = server.calls("initialize")
    params = opening.message["params"]
    assert isinstance(params, dict)
    assert params["protocolVersion"] == SESSIONS
    assert params["capabilities"] == {}
    assert params["clientInfo"]["name"] == "tallystick"


async def test_the_version_that_the_server_agrees_to_is_the_one_repeated() -> None:
    legacy = LegacyServer(agrees="2025-06-18")
    async with remote(legacy) as server, linked(server) as upstream:
        assert _is_answered(await answer_of(upstream, _ask().outbound()))
        assert server.calls("notifications/initialized")[0].header("mcp-protocol-version") == "2025-06-18"


async def test_a_server_without_sessions_is_opened_once_and_sent_no_session() -> None:
    legacy = LegacyServer(keeps_sessions=False)
    async with remote(legacy) as server, linked(server) as upstream:
        for _ in range(3):
            assert _is_answered(await answer_of(upstream, _ask().outbound()))
        await upstream.forget("c")
        assert len(legacy.opened) == 1
        assert all(asked.header("mcp-session-id") is None and asked.verb == "POST" for asked in server.asked)


async def test_a_session_that_is_gone_is_renewed_once_and_the_request_repeated() -> None:
    legacy = LegacyServer()
    async with remote(legacy) as server, linked(server) as upstream:
        await answer_of(upstream, _ask().outbound())
        legacy.open.clear()
        assert _is_answered(await answer_of(upstream, _ask().outbound()))
    assert legacy.executed == ["session-1", "session-2"]


async def test_a_server_that_forgets_every_session_is_asked_twice_and_not_for_ever() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        if asked.message["method"] == "initialize":
            await wire.answer(result(asked, {"protocolVersion": SESSIONS}), "200 OK", "Mcp-Session-Id: s")
        else:
            await wire.answer(b"", "404 Not Found")

    async with remote(handler) as server, linked(server) as upstream:
        reply = await answer_of(upstream, _ask().outbound())
        assert isinstance(reply, Refusal)
        assert reply.reasons == (Reason.UPSTREAM_BROKEN,)
        assert (len(server.calls("initialize")), len(server.calls("tools/call"))) == (2, 2)


@pytest.mark.parametrize("status", ["400 Bad Request", "500 Internal Server Error", "503 Service Unavailable"])
async def test_no_other_failure_repeats_a_request(status: str) -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        if asked.message["method"] == "initialize":
            await wire.answer(result(asked, {"protocolVersion": SESSIONS}), "200 OK", "Mcp-Session-Id: s")
        else:
            await wire.answer(b"", status)

    async with remote(handler) as server, linked(server) as upstream:
        assert isinstance(await answer_of(upstream, _ask().outbound()), Refusal)
        assert (len(server.calls("initialize")), len(server.calls("tools/call"))) == (1, 1)


async def _ask_at_once(upstream: HttpTransport, calls: int) -> list[Reply | Refusal]:
    replies: list[Reply | Refusal] = []

    async def call() -> None:
        replies.append(await answer_of(upstream, _ask().outbound()))

    async with anyio.create_task_group() as calling:
        for _ in range(calls):
            calling.start_soon(call)
    return replies


async def test_calls_that_come_together_share_one_opening_and_one_renewal() -> None:
    legacy = LegacyServer()
    async with remote(legacy) as server, linked(server) as upstream:
        assert all(map(_is_answered, await _ask_at_once(upstream, 8)))
        assert legacy.opened == ["session-1"]
        legacy.open.clear()
        assert all(map(_is_answered, await _ask_at_once(upstream, 8)))
    assert legacy.opened == ["session-1", "session-2"]
    assert legacy.executed == ["session-1"] * 8 + ["session-2"] * 8


REFUSED_OPENINGS = {
    "an error": b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}',
    "no version": b'{"jsonrpc":"2.0","id":1,"result":{}}',
    "a version with a line break": b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025\\r\\nX: y"}}',
    "a version beyond ASCII": '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"\u00e9"}}'.encode(),
    "nothing": b"",
}


@pytest.mark.parametrize("body", REFUSED_OPENINGS.values(), ids=REFUSED_OPENINGS.keys())
async def test_a_session_that_does_not_open_carries_no_request(body: bytes) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(body, "200 OK", "Mcp-Session-Id: s")

    async with remote(handler) as server, linked(server) as upstream:
        assert isinstance(await answer_of(upstream, _ask().outbound()), Refusal)
        assert [asked.message["method"] for asked in server.asked] == ["initialize"]


@pytest.mark.parametrize("session", ["a b", "caf\u00e9", "\u00ff"])
async def test_a_session_id_that_is_not_visible_ascii_is_refused(session: str) -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.answer(result(asked, {"protocolVersion": SESSIONS}), "200 OK", f"Mcp-Session-Id: {session}")

    async with remote(handler) as server, linked(server) as upstream:
        assert isinstance(await answer_of(upstream, _ask().outbound()), Refusal)
        assert len(server.asked) == 1


async def test_an_opening_that_never_ends_is_bounded_and_nothing_was_sent() -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.stream.receive()

    async with remote(handler) as server, linked(server) as upstream:
        reply = await answer_of(upstream, _ask(timeout_s=0.1).outbound())
        assert isinstance(reply, Refusal)
        assert reply.reasons[0] in (Reason.UPSTREAM_TIMEOUT, Reason.UPSTREAM_UNREACHABLE)
        assert not server.calls("tools/call")


@pytest.mark.parametrize("how", ["timeout", "said"])
async def test_a_request_given_up_is_cancelled_at_the_server_by_name(how: str) -> None:
    arrived = anyio.Event()
    legacy = LegacyServer()
    ask = _ask()
    async with remote(legacy) as server, linked(server) as upstream:
        await answer_of(upstream, _ask().outbound())
        legacy.hold = arrived
        async with anyio.create_task_group() as calling:
            if how == "timeout":
                ask.timeout_s = 0.1
            calling.start_soon(answer_of, upstream, ask.outbound())
            await arrived.wait()
            if how == "said":
                ask.cancellation.say()
            await legacy.cancelled.wait()
        (notice,) = server.calls("notifications/cancelled")
        assert notice.header("mcp-session-id") == "session-1"
        assert notice.message["params"] == {"requestId": server.calls("tools/call")[-1].message["id"]}


async def test_a_conversation_that_is_forgotten_ends_its_session_at_the_server() -> None:
    legacy = LegacyServer()
    async with remote(legacy) as server, linked(server) as upstream:
        await answer_of(upstream, _ask().outbound())
        await upstream.forget("c")
        await upstream.forget("c")
        await upstream.forget("never opened")
        assert _is_answered(await answer_of(upstream, _ask().outbound()))
        deleted = [asked for asked in server.asked if asked.verb == "DELETE"]
        assert [asked.header("mcp-session-id") for asked in deleted] == ["session-1"]
        assert deleted[0].header("mcp-protocol-version") == SESSIONS
    assert legacy.opened == ["session-1", "session-2"]


async def test_the_server_says_once_what_it_is() -> None:
    legacy = LegacyServer()
    async with remote(legacy) as server, linked(server) as upstream:
        for _ in range(2):
            reply = await upstream.introduce(_ask().outbound(), ERAS[SESSIONS])
            assert isinstance(reply, Reply)
            assert SESSIONS.encode() in reply.payload
    assert legacy.opened == ["session-1"]
    assert legacy.executed == []


async def test_whoever_declares_something_else_each_time_pushes_out_nobody_else() -> None:
    ended: list[Session] = []
    sessions = Sessions(ended.append)
    others = sessions.of("bob"), sessions.of("bob.1"), sessions.of("a")
    first, *_ = [sessions.of(f"ada.{number}") for number in range(SESSIONS_EACH)]
    assert ended == []
    sessions.of("ada.more")
    assert ended == [first]
    assert (sessions.of("bob"), sessions.of("bob.1"), sessions.of("a")) == others
    sessions.close()
