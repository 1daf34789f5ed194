"""A server over stdio: one process, many callers who never meet, and every way that it can end."""

import json
import sys
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.upstream import StdioTransport
from tallystick.gateway.upstream.model import Client as Claims
from tallystick.gateway.upstream.model import Question
from tallystick.gateway.upstream.stdio import supervision
from tallystick.runtime import Capped
from tallystick.terms import Reason, Refusal, TallyError
from tallystick.wire import ERAS, Reply
from tests.gateway.upstream.processes import Served, reason_of, result_of, seen, served
from tests.gateway.upstream.remote import BOUND_S, SESSIONS, Ask, Client, answer_of, follow

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, object]]:
    """Run on the loop that serves; the tests of `runtime` try processes on both."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a process that failed end and start again without waiting."""
    monkeypatch.setattr("tallystick.gateway.upstream.stdio.supervised.BACK_OFF_S", (0.0,))
    monkeypatch.setattr("tallystick.runtime.process.GRACE_S", 0.05)


async def test_a_process_is_started_when_first_asked_and_then_kept(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        assert server.starts == 0
        for number in range(3):
            assert result_of(await server.ask("echo", n=number)) == {"params": {"n": number, "name": "echo"}}
        assert server.starts == 1
        assert [message["id"] for message in server.seen] == [1, 2, 3, 4], "the first one asked what it is"


async def test_calls_that_come_together_start_one_process(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        async with anyio.create_task_group() as calling:
            for version in ("2026-07-28", SESSIONS) * 5:
                calling.start_soon(server.ask, "echo", Ask(version=version))
        assert server.starts == 2, "one process for each kind of era"
        assert server.methods().count("initialize") == 1


async def test_answers_reach_the_callers_they_belong_to_in_any_order(tmp_path: Path) -> None:
    answers: dict[int, object] = {}
    async with served(tmp_path) as server:

        async def call(number: int) -> None:
            answers[number] = result_of(await server.ask("hold", n=number))["n"]

        async with anyio.create_task_group() as calling:
            for number in range(10):
                calling.start_soon(call, number)
            await seen(server, 11)
            await server.ask("release")
    assert answers == {number: number for number in range(10)}


async def test_callers_with_the_same_progress_token_hear_only_their_own(tmp_path: Path) -> None:
    asks = [Ask(), Ask()]
    tokens: list[object] = []
    async with served(tmp_path) as server:

        async def call(ask: Ask) -> None:
            tokens.append(
                result_of(await server.ask("progress", ask, _meta={"progressToken": "mine", "x": 1}))["token"]
            )

        async with anyio.create_task_group() as calling:
            for ask in asks:
                calling.start_soon(call, ask)
    assert sorted(map(str, tokens)) == ["2", "3"], "the server sees the gateway's own tokens"
    for ask in asks:
        assert ask.client.progress == [0, 1, 2]
        assert {message["params"]["progressToken"] for message in ask.client.told} == {"mine"}


async def test_a_caller_that_asked_for_no_progress_hears_none(tmp_path: Path) -> None:
    ask = Ask()
    async with served(tmp_path) as server:
        assert result_of(await server.ask("progress", ask)) == {"token": None}
    assert ask.client.told == []


async def test_what_names_no_request_under_way_is_left_out_and_harms_nobody(tmp_path: Path) -> None:
    ask = Ask()
    async with served(tmp_path) as server:
        assert result_of(await server.ask("noise", ask, _meta={"progressToken": 1})) == {"right": True}
        assert result_of(await server.ask("echo"))
        assert server.starts == 1
    assert ask.client.told == []


async def test_a_question_of_the_server_is_answered_and_claims_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        assert result_of(await server.ask("ask"))["answered"]
        answers = {str(message["id"]): message for message in server.seen if "method" not in message}
    assert answers["ping-1"]["result"] == {}
    assert isinstance(answers["2"]["error"], dict)


@pytest.mark.parametrize("how", ["timeout", "said", "gone"])
@pytest.mark.parametrize("version", ["2026-07-28", SESSIONS])
async def test_a_request_given_up_is_cancelled_at_the_server_by_name(tmp_path: Path, how: str, version: str) -> None:
    ask = Ask(version=version)
    async with served(tmp_path) as server:
        await server.ask("echo", Ask(version=version))
        before = len(server.seen)
        async with anyio.create_task_group() as calling:
            ask.timeout_s = 0.1 if how == "timeout" else BOUND_S
            calling.start_soon(server.ask, "hold", ask)
            await seen(server, before + 1)
            if how == "said":
                ask.cancellation.say()
            elif how == "gone":
                ask.client.gone.set()
        await seen(server, before + 2)
        held, notice = server.seen[before:]
    assert notice["method"] == "notifications/cancelled"
    assert notice["params"] == {"requestId": held["id"]}


async def test_a_call_cancelled_before_it_was_sent_is_not_sent(tmp_path: Path) -> None:
    ask = Ask()
    ask.cancellation.say()
    async with served(tmp_path) as server:
        assert reason_of(await server.ask("echo", ask)) is Reason.CANCELLED
        await server.ask("echo")
        assert server.methods() == ["server/discover", "tools/call"]


@pytest.mark.usefixtures("at_once")
async def test_a_process_that_dies_ends_every_call_and_the_next_one_starts_it_again(tmp_path: Path) -> None:
    reasons: list[Reason] = []
    async with served(tmp_path) as server:

        async def call(tool: str) -> None:
            reasons.append(reason_of(await server.ask(tool)))

        async with anyio.create_task_group() as calling:
            for _ in range(3):
                calling.start_soon(call, "hold")
            await seen(server, 4)
            calling.start_soon(call, "die")
        assert reasons == [Reason.UPSTREAM_BROKEN] * 4
        assert result_of(await server.ask("echo"))
        assert server.starts == 2


async def test_a_way_that_is_closed_ends_its_calls_and_its_process(tmp_path: Path) -> None:
    reasons: list[Reason] = []
    async with served(tmp_path) as server:

        async def call() -> None:
            reasons.append(reason_of(await server.ask("hold")))

        async with anyio.create_task_group() as calling:
            calling.start_soon(call)
            await seen(server, 2)
            server.upstream.close()
        assert reasons == [Reason.UPSTREAM_BROKEN]


async def test_a_process_that_keeps_failing_is_not_started_again_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        refusals = [await server.ask("die") for _ in range(4)]
        assert server.starts == 2, "once at once, then only after a while"
    assert [reason_of(refusal) for refusal in refusals[:2]] == [Reason.UPSTREAM_BROKEN] * 2
    assert [reason_of(refusal) for refusal in refusals[2:]] == [Reason.UPSTREAM_UNREACHABLE] * 2
    assert isinstance(refusals[3], Refusal)
    assert "starts again in" in refusals[3].detail


async def test_a_process_that_answered_starts_the_row_of_failures_anew(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for _ in range(4):
            assert result_of(await server.ask("echo"))
            assert reason_of(await server.ask("die")) is Reason.UPSTREAM_BROKEN
        assert server.starts == 4


@pytest.mark.parametrize("behaviour", ["refuses", "dies"])
async def test_a_server_that_does_not_initialize_is_ended_and_sent_nothing(tmp_path: Path, behaviour: str) -> None:
    async with served(tmp_path, behaviour) as server:
        refusals = [await server.ask("echo", Ask(version=SESSIONS)) for _ in range(4)]
        assert all(isinstance(refusal, Refusal) for refusal in refusals)
        assert set(server.methods()) == {"initialize"}
        assert server.starts == 2, "a failed opening counts as a failure"
    assert reason_of(refusals[3]) is Reason.UPSTREAM_UNREACHABLE


async def test_a_command_that_is_not_there_is_a_refusal_that_backs_off(tmp_path: Path) -> None:
    with anyio.fail_after(BOUND_S):
        async with supervision() as supervising:
            missing = StdioTransport(Capped((str(tmp_path / "missing"),), {}), supervising)
            nowhere = StdioTransport(Capped((sys.executable,), {}, "/no/such/directory"), supervising)
            for upstream in (missing, nowhere):
                for version in ("2026-07-28", SESSIONS):
                    refusals = [await answer_of(upstream, Ask(version=version).outbound()) for _ in range(4)]
                    assert all(isinstance(refusal, Refusal) for refusal in refusals)
                    assert reason_of(refusals[3]) is Reason.UPSTREAM_UNREACHABLE


async def test_the_session_is_opened_once_in_the_gateways_name(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        for conversation in ("a", "b"):
            reply = await server.upstream.introduce(
                Ask(version=SESSIONS, conversation=conversation).outbound(), ERAS[SESSIONS]
            )
            assert result_of(reply)["protocolVersion"] == SESSIONS
            await server.ask("echo", Ask(version=SESSIONS, conversation=conversation))
            await server.upstream.forget(conversation)
        assert server.methods() == ["initialize", "notifications/initialized", "tools/call", "tools/call"]
        params = server.seen[0]["params"]
    assert isinstance(params, dict)
    assert params["capabilities"] == {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}


async def test_an_answer_over_the_callers_limit_is_cut_off_and_the_process_lives(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        assert reason_of(await server.ask("long", Ask(result_bytes=1000))) is Reason.UPSTREAM_TOO_LARGE
        assert result_of(await server.ask("long"))
        assert server.starts == 1


async def test_a_line_over_the_cap_fails_the_call_that_it_names_and_nobody_else(tmp_path: Path) -> None:
    replies: list[Reply | Refusal] = []
    async with served(tmp_path, line_bytes=100_000) as server:

        async def hold() -> None:
            replies.append(await server.ask("hold"))

        async with anyio.create_task_group() as calling:
            calling.start_soon(hold)
            await seen(server, 2)
            assert reason_of(await server.ask("long")) is Reason.UPSTREAM_TOO_LARGE
            await server.ask("release")
        assert [result_of(reply)["name"] for reply in replies] == ["hold"]
        assert server.starts == 1


async def test_a_line_over_the_cap_that_names_nobody_is_told_where_it_can_only_be_one_call(tmp_path: Path) -> None:
    async with served(tmp_path, line_bytes=100_000) as server:
        assert reason_of(await server.ask("long and odd")) is Reason.UPSTREAM_TOO_LARGE
        assert result_of(await server.ask("echo"))
        assert server.starts == 1


@pytest.mark.usefixtures("at_once")
async def test_a_process_that_does_not_read_holds_no_caller_longer_than_the_deadline(tmp_path: Path) -> None:
    ask = Ask(timeout_s=0.5)
    async with served(tmp_path, "deaf") as server:
        assert reason_of(await server.ask("echo", ask, text="x" * (4 << 20))) is Reason.UPSTREAM_TIMEOUT
        assert reason_of(await server.ask("echo", Ask(timeout_s=0.5))) is Reason.UPSTREAM_TIMEOUT
        while server.starts < 2:  # what it did not read would pile up, so it was replaced
            await anyio.lowlevel.checkpoint()


async def test_an_error_in_the_supervising_body_comes_out_as_itself() -> None:
    async def fail() -> None:
        async with supervision():
            raise TallyError(code="internal", message="one error")

    with pytest.raises(TallyError, match="one error"):
        await fail()


ASKABLE = Claims({"elicitation": {}})


async def _elicit(server: Served, ask: Ask) -> Reply | Refusal | Question:
    ask.params = {"name": "elicit"}
    call = await server.upstream.begin(ask.outbound(), ERAS[SESSIONS])
    assert not isinstance(call, Refusal)
    end = await follow(call, ask.outbound())
    if not isinstance(end, Question):
        return end
    assert await call.respond(end, Reply("result", None, b'{"action":"accept"}')) is None
    return await follow(call, ask.outbound())


def _answered(end: Reply | Refusal | Question) -> object:
    assert isinstance(end, Reply), end
    return json.loads(end.payload)["with"]


@pytest.mark.parametrize("how", ["stream", "claim", "neither"])
async def test_a_question_goes_to_the_only_call_under_way_if_its_client_can_answer(tmp_path: Path, how: str) -> None:
    claims, client = ASKABLE if how == "claim" else Claims({}), Client(asks=how == "stream")
    ask = Ask(version=SESSIONS, claims=claims, client=client)
    async with served(tmp_path) as server:
        assert _answered(await _elicit(server, ask)) == (None if how == "neither" else {"action": "accept"})


async def test_a_question_that_could_be_two_callers_is_nobodys(tmp_path: Path) -> None:
    async with served(tmp_path) as server, anyio.create_task_group() as calling:
        calling.start_soon(server.ask, "hold", Ask(version=SESSIONS))
        await seen(server, 3)
        assert _answered(await _elicit(server, Ask(version=SESSIONS, claims=ASKABLE))) is None
        await server.ask("release", Ask(version=SESSIONS))


async def test_a_log_message_is_told_to_the_only_caller_and_to_nobody_among_two(tmp_path: Path) -> None:
    alone, among = Ask(version=SESSIONS), Ask(version=SESSIONS)
    async with served(tmp_path) as server:
        await server.ask("log", alone)
        async with anyio.create_task_group() as calling:
            calling.start_soon(server.ask, "hold", Ask(version=SESSIONS))
            await seen(server, 4)
            await server.ask("log", among)
            await server.ask("release", Ask(version=SESSIONS))
    assert [message["method"] for message in alone.client.told] == ["notifications/message"]
    assert among.client.told == []


async def test_a_process_of_sessions_only_shows_that_and_is_asked_nothing_else(tmp_path: Path) -> None:
    ask = Ask()
    async with served(tmp_path, "legacy") as server:
        for _ in range(3):
            call = await server.upstream.begin(ask.outbound(), ERAS["2026-07-28"])
            assert not isinstance(call, Refusal)
            assert call.evidence == "not_spoken"
        assert set(server.methods()) == {"server/discover"}
        assert server.starts == 2, "it is not tried again and again"
        assert result_of(await server.ask("echo", Ask(version=SESSIONS)))


async def test_a_caller_who_leaves_during_a_start_does_not_end_it(tmp_path: Path) -> None:
    async with served(tmp_path) as server:
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(server.ask, "echo")
            while not server.starts:
                await anyio.lowlevel.checkpoint()
            leaving.cancel_scope.cancel()
        assert result_of(await server.ask("echo"))
        assert server.starts == 1


async def test_a_start_that_takes_too_long_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.stdio.supervised.START_S", 0.5)
    async with served(tmp_path, "mute") as server:
        assert reason_of(await server.ask("echo", Ask(version=SESSIONS))) is Reason.UPSTREAM_UNREACHABLE
        call = await server.upstream.begin(Ask().outbound(), ERAS["2026-07-28"])
        assert not isinstance(call, Refusal)
        assert call.evidence == "not_spoken", "silence is the answer of an older server"


@pytest.mark.parametrize("behaviour", ["settles 2026-07-28", "settles 2027-01-01", "names 2026-07-28"])
async def test_a_process_that_opens_no_session_shows_that(tmp_path: Path, behaviour: str) -> None:
    ask = Ask(version=SESSIONS)
    async with served(tmp_path, behaviour) as server:
        call = await server.upstream.begin(ask.outbound(), ERAS[SESSIONS])
        assert not isinstance(call, Refusal)
        assert call.evidence == "not_spoken"
        assert server.methods() == ["initialize"]
        said = await server.upstream.introduce(ask.outbound(), ERAS[SESSIONS])
        assert isinstance(said, Refusal) or said.kind == "rpc_error"
        assert result_of(await server.ask("echo"))


@pytest.mark.parametrize("behaviour", ["settles 2024-11-05", "settles 2025-03-26", "names 2024-11-05 2025-06-18"])
async def test_a_process_may_be_of_an_older_version_than_it_is_asked_for(tmp_path: Path, behaviour: str) -> None:
    async with served(tmp_path, behaviour) as server:
        assert result_of(await server.ask("echo", Ask(version=SESSIONS)))
        assert server.methods()[-2:] == ["notifications/initialized", "tools/call"]
        said = result_of(await server.upstream.introduce(Ask(version=SESSIONS).outbound(), ERAS[SESSIONS]))
        assert said["protocolVersion"] == behaviour.rsplit(maxsplit=1)[-1]


async def test_a_process_that_names_only_versions_with_sessions_speaks_no_other(tmp_path: Path) -> None:
    async with served(tmp_path, "names 2025-11-25") as server:
        call = await server.upstream.begin(Ask().outbound(), ERAS["2026-07-28"])
        assert not isinstance(call, Refusal)
        assert call.evidence == "not_spoken"
        assert server.methods() == ["server/discover"]
