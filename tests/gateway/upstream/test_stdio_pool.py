"""Questions over stdio: while a client is asked something in one process, the others' questions come from another."""

import json
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.upstream.model import UNKNOWN_CLIENT, Call, Question
from tallystick.gateway.upstream.model import Client as Claims
from tallystick.gateway.upstream.stdio.pool import EACH, PROCESSES
from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN, Reply
from tests.gateway.upstream.processes import Served, reason_of, result_of, served
from tests.gateway.upstream.remote import SESSIONS, Ask, Client, follow

pytestmark = pytest.mark.anyio
ACCEPTED = {"action": "accept"}
ASKABLE = Claims({"elicitation": {}})
OF_SESSIONS = ERAS[SESSIONS]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on the loop that serves."""
    return "asyncio", {"use_uvloop": True}


def _ask(who: str, tool: str = "elicit", version: str = SESSIONS, claims: Claims = ASKABLE) -> Ask:
    client = Client(asks=version == SESSIONS)
    return Ask(params={"name": tool}, version=version, conversation=who, claims=claims, client=client)


async def _begin(server: Served, ask: Ask) -> tuple[Call, Reply | Refusal | Question]:
    call = await server.upstream.begin(ask.outbound(), OF_SESSIONS)
    assert not isinstance(call, Refusal), call
    return call, await follow(call, ask.outbound())


async def _asked(server: Served, ask: Ask) -> tuple[Call, Question]:
    """Call a tool that asks something; its client is asked, and does not answer."""
    call, end = await _begin(server, ask)
    assert isinstance(end, Question), end
    return call, end


async def _answer(call: Call, question: Question, ask: Ask) -> object:
    assert await call.respond(question, Reply("result", None, json.dumps(ACCEPTED).encode())) is None
    end = await follow(call, ask.outbound())
    assert isinstance(end, Reply), end
    return json.loads(end.payload)["with"]


async def _place(server: Served, ask: Ask) -> object:
    """The process that serves a call."""
    _, end = await _begin(server, replace(ask, params={"name": "who"}))
    assert isinstance(end, Reply)
    return result_of(end)["pid"]


async def test_a_question_that_nobody_answers_keeps_nobody_else_from_being_asked(tmp_path: Path) -> None:
    silent = _ask("silent")
    async with served(tmp_path) as server:
        waiting = await _asked(server, silent)
        for who in ("a", "b"):
            ask = _ask(who)
            assert await _answer(*await _asked(server, ask), ask) == ACCEPTED
        assert server.starts == 2, "one process is enough for whoever answers"
        assert await _answer(*waiting, silent) == ACCEPTED
        assert "notifications/cancelled" not in server.methods()
        await server.ask("echo", _ask("c"))
        assert server.starts == 2


async def test_whoever_can_be_asked_nothing_stays_at_the_shared_process(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        shared = await _place(server, _ask("a"))
        await _asked(server, _ask("silent"))
        assert await _place(server, _ask("mute", claims=UNKNOWN_CLIENT)) == shared
        assert await _place(server, _ask("mute", claims=UNKNOWN_CLIENT, version=MODERN)) == shared
        listing = _ask("a")
        listing.method = "tools/list"
        call = await server.upstream.begin(listing.outbound(), OF_SESSIONS)
        assert not isinstance(call, Refusal)
        await call.cancel()
        assert server.starts == 1
        assert await _place(server, _ask("a")) != shared


async def test_a_client_that_is_being_asked_finds_its_own_state(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await _asked(server, _ask("first"))
        await _asked(server, _ask("second"))
        places = {who: await _place(server, _ask(who)) for who in ("first", "second", "third")}
        assert len(set(places.values())) == server.starts == 3


async def test_a_client_without_sessions_holds_up_neither_itself_nor_everybody(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for number in range(EACH):
            await _asked(server, _ask(f"one.{number % 2}", version=MODERN))
            assert server.starts == number + 1
        _, end = await _begin(server, _ask("one.0", version=MODERN))
        assert isinstance(end, Reply)
        assert result_of(end)["with"] is None, "the server got an error, and the call went on"
        other = _ask("other.0", version=MODERN)
        assert await _answer(*await _asked(server, other), other) == ACCEPTED


async def test_when_everybody_waits_questions_are_refused_and_calls_go_on(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for number in range(PROCESSES):
            await _asked(server, _ask(f"silent {number}"))
        _, end = await _begin(server, _ask("late"))
        assert isinstance(end, Reply)
        assert result_of(end)["with"] is None
        assert result_of(await server.ask("echo", _ask("late")))
        assert server.starts == PROCESSES


async def test_a_spare_process_ends_when_nobody_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.stdio.pool.IDLE_S", 0.05)
    silent, other = _ask("silent"), _ask("other")
    async with served(tmp_path) as server:
        waiting = await _asked(server, silent)
        spare = await _asked(server, other)
        assert await _answer(*spare, other) == ACCEPTED
        while server.ends < 1:
            await anyio.lowlevel.checkpoint()
        assert await _answer(*await _asked(server, other), other) == ACCEPTED, "another one is started at once"
        assert server.starts == 3
        assert await _answer(*waiting, silent) == ACCEPTED, "the shared one has not ended"


async def test_a_spare_process_that_waits_for_an_answer_does_not_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.stdio.pool.IDLE_S", 0.05)
    asks = [_ask(who) for who in ("silent", "other", "third")]
    async with served(tmp_path) as server:
        waiting = [await _asked(server, ask) for ask in asks]
        assert await _answer(*waiting[1], asks[1]) == ACCEPTED
        while server.ends < 1:
            await anyio.lowlevel.checkpoint()
        assert await _answer(*waiting[2], asks[2]) == ACCEPTED


async def test_a_spare_process_that_keeps_dying_leaves_its_calls_to_the_shared_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.stdio.supervised.BACK_OFF_S", (0.0, 30.0))
    silent = _ask("silent")
    async with served(tmp_path) as server:
        shared = await _place(server, silent)
        waiting = await _asked(server, silent)
        for spare in range(PROCESSES - 1):
            for _ in range(2):
                assert reason_of(await server.ask("die", _ask("a"))) is Reason.UPSTREAM_BROKEN
            assert server.starts == 1 + 2 * (spare + 1)
        assert await _place(server, _ask("a")) == shared, "each of them backs off"
        assert await _answer(*waiting, silent) == ACCEPTED


async def test_the_same_token_in_two_processes_tells_each_client_its_own_progress(tmp_path: Path) -> None:
    asks = [_ask("silent"), _ask("other", "progress")]
    asks[0].params = {"name": "elicit", "_meta": {"progressToken": "mine"}}
    asks[1].params = {"name": "progress", "_meta": {"progressToken": "mine"}}
    async with served(tmp_path) as server:
        await _asked(server, asks[0])
        _, end = await _begin(server, asks[1])
        assert isinstance(end, Reply)
        assert server.starts == 2
    assert [ask.client.progress for ask in asks] == [[], [0, 1, 2]]


async def test_whoever_listens_hears_what_any_of_the_processes_says(tmp_path: Path) -> None:
    listening = _ask("listener")
    async with served(tmp_path) as server:
        stream = await server.upstream.open_stream(listening.outbound())
        assert not isinstance(stream, Refusal)
        await _asked(server, _ask("silent"))
        async with anyio.create_task_group() as hearing:
            hearing.start_soon(stream.follow, listening.outbound())
            await _begin(server, _ask("other", "change"))
            assert server.starts == 2
            while not listening.client.told:
                await anyio.lowlevel.checkpoint()
            hearing.cancel_scope.cancel()
    assert [message["method"] for message in listening.client.told] == ["notifications/tools/list_changed"]


async def test_a_call_in_a_spare_process_is_cancelled_there_by_name(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        await _asked(server, _ask("silent"))
        call, _ = await _asked(server, _ask("other"))
        await call.cancel()
        while server.methods()[-1] != "notifications/cancelled":
            await anyio.lowlevel.checkpoint()
        assert server.methods().count("notifications/cancelled") == 1
        await _asked(server, _ask("third"))
        assert server.starts == 2, "nobody is asked anything there any more"


async def test_closing_the_way_ends_every_process(tmp_path: Path) -> None:
    ends: list[Reply | Refusal | Question] = []
    async with served(tmp_path) as server, AsyncExitStack() as stack:
        calls = [(await _asked(server, ask), ask) for ask in (_ask("a"), _ask("b"))]
        group = await stack.enter_async_context(anyio.create_task_group())

        async def wait(call: Call, ask: Ask) -> None:
            ends.append(await follow(call, ask.outbound()))

        for (call, _), ask in calls:
            group.start_soon(wait, call, ask)
        server.upstream.close()
        await stack.aclose()
        while server.ends < 2:
            await anyio.lowlevel.checkpoint()
        assert reason_of(await server.ask("echo", _ask("c"))) is Reason.UPSTREAM_UNREACHABLE
    assert [end.reasons[0] for end in ends if isinstance(end, Refusal)] == [Reason.UPSTREAM_BROKEN] * 2


async def test_a_call_that_has_its_answer_is_in_nobodys_way_although_its_client_is_still_asked(tmp_path: Path) -> None:
    hasty, other = _ask("hasty"), _ask("other")
    async with served(tmp_path) as server:
        call, question = await _asked(server, hasty)
        await server.ask("release", _ask("mute", claims=UNKNOWN_CLIENT))
        assert await _answer(*await _asked(server, other), other) == ACCEPTED
        assert server.starts == 1
        assert await call.respond(question, Reply("result", None, b"{}")) is None
        end = await follow(call, hasty.outbound())
        assert isinstance(end, Reply)
