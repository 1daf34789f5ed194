"""Servers that ask in the middle of a call: each kind of question, in every combination of eras, and every answer."""

from contextlib import AsyncExitStack

import httpx2
import msgspec
import pytest
from mcp import MCPError
from mcp_types import CallToolResult, TextContent

from tests.interaction.crossings import (
    SESSIONS,
    Crossing,
    both_eras,
    every_crossing,
    for_new_clients,
    for_old_clients,
    over_http,
)
from tests.interaction.hearing import Heard, asking
from tests.interaction.legacy import Legacy
from tests.interaction.person import Person
from tests.interaction.questions import KINDS
from tests.interaction.record import told
from tests.interaction.stage import Json, Stage, error_of, reasons_of
from tests.interaction.waiting import until
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]

CAPABLE: Json = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
_FORM = "elicitation/create"
_HEARD = {
    "form": "accept {'name': 'Ada'}",
    "url": "accept None",
    "sample": "model of Ada",
    "roots": "file:///desk/Ada",
}


def _text(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def _accepted(name: str) -> Json:
    return {"action": "accept", "content": {"name": name}}


async def _put(
    stage: Stage, route: str, mark: str, retry: Json | None = None, *, token: str | None = None, rounds: int = 1
) -> httpx2.Response:
    """Call the asking tool with one request of 2026-07-28; `retry` is what one brings."""
    params: Json = {"name": "ask", "arguments": {"kinds": ["form"], "mark": mark, "rounds": rounds}, **(retry or {})}
    params.setdefault("_meta", {"io.modelcontextprotocol/clientCapabilities": CAPABLE})
    return await stage.post(route, "tools/call", params, token=token)


def _result(answer: httpx2.Response) -> Json:
    return msgspec.convert(msgspec.json.decode(answer.content, type=Json).get("result"), Json)


def _asked(answer: httpx2.Response, name: str) -> Json:
    """Return what answers the questions of a result with `name`."""
    result = _result(answer)
    assert result["resultType"] == "input_required", result
    keys = msgspec.convert(result["inputRequests"], Json)
    return {"inputResponses": {key: _accepted(name) for key in keys}, "requestState": result["requestState"]}


def _said(answer: httpx2.Response) -> str:
    content = msgspec.convert(_result(answer)["content"], list[Json])
    return str(content[0]["text"])


async def _opened(stage: Stage, route: str, token: str | None = None) -> Legacy:
    legacy = Legacy(stage, route, SESSIONS, token, CAPABLE)
    await legacy.open()
    return legacy


async def _question(heard: Heard) -> object:
    """Wait until a client of 2025-11-25 is asked and return the id of the question."""
    return (await heard.until(_FORM))[-1]["id"]


def _end(heard: Heard) -> str:
    result = msgspec.convert(heard.end["result"], Json)
    return str(msgspec.convert(result["content"], list[Json])[0]["text"])


@requirement("questions:kinds")
@every_crossing
async def test_a_server_may_ask_its_client_everything_in_every_combination(office: Stage, crossing: Crossing) -> None:
    person = Person()
    async with office.client(crossing.route, crossing.era, person=person) as client:
        for kinds in (*[[kind] for kind in KINDS], ["form", "sample"]):
            result = await client.call_tool("ask", {"kinds": kinds, "mark": "till"})
            assert _text(result) == "; ".join(_HEARD[kind] for kind in kinds)
    assert person.asked[:4] == ["form till", "url till", "sample till", "roots"]
    assert sorted(person.asked[4:]) == ["form till", "sample till"]


@requirement("questions:kinds")
@every_crossing
async def test_a_server_may_ask_several_times_before_it_answers(office: Stage, crossing: Crossing) -> None:
    person, mark = Person(), f"thrice {crossing}"
    async with office.client(crossing.route, crossing.era, person=person) as client:
        result = await client.call_tool("ask", {"kinds": ["form"], "mark": mark, "rounds": 3})
    assert (_text(result), person.asked) == (_HEARD["form"], [f"form {mark}"] * 3)
    assert len(office.world.journal(crossing.server).entries("heard", mark=mark)) == 3


@requirement("questions:kinds")
@pytest.mark.parametrize("era", ["2026-07-28", SESSIONS])
async def test_a_prompt_may_ask_too(office: Stage, era: str) -> None:
    person = Person()
    async with office.client("servers/new", era, person=person) as client:
        prompt = await client.get_prompt("asking", {"name": "x"})
    assert isinstance(prompt.messages[0].content, TextContent)
    assert (prompt.messages[0].content.text, person.asked) == ("state prompt", ["form prompt"])


@requirement("questions:kinds")
async def test_a_new_client_is_sent_where_an_old_server_wants_it(office: Stage) -> None:
    arguments: Json = {"code": -32042, "text": "sign in first", "url": "https://bank.example/sign-in"}
    declared = {"io.modelcontextprotocol/clientCapabilities": CAPABLE}
    called: Json = {"name": "refuse", "arguments": arguments, "_meta": declared}
    result = _result(await office.post("servers/old", "tools/call", called))
    requests = msgspec.convert(result["inputRequests"], dict[str, Json])
    params = [msgspec.convert(request["params"], Json) for request in requests.values()]
    assert [(one["mode"], one["url"]) for one in params] == [("url", "https://bank.example/sign-in")]
    assert "elicitationId" not in params[0]


@requirement("questions:unaskable")
@every_crossing
async def test_nobody_is_asked_who_did_not_declare_that_it_can_be(office: Stage, crossing: Crossing) -> None:
    journal, mark = office.world.journal(crossing.server), f"unaskable {crossing}"
    if crossing.is_modern and crossing.speaks == "new":
        answer = await _put(office, crossing.route, mark, {"_meta": {}})
        # The server spoke its own client's era, and to that very client: nothing is touched.
        assert _result(answer)["resultType"] == "input_required"
        return
    async with office.client(crossing.route, crossing.era, person=Person(answers=False)) as client:
        if crossing.is_modern:
            with pytest.raises(MCPError, match="does not declare") as refused:
                await client.call_tool("ask", {"kinds": ["form"], "mark": mark})
            assert refused.value.code == -32021
        else:
            result = await client.call_tool("ask", {"kinds": ["form"], "mark": mark})
            expected = "unheard -32601" if crossing.speaks == "old" else "did not declare that it can"
            assert expected in _text(result)
            assert result.is_error == (crossing.speaks == "new")
    assert not journal.entries("heard", mark=mark)


@requirement("questions:answers")
@pytest.mark.parametrize("does", ["decline", "cancel"])
@every_crossing
async def test_a_declined_or_cancelled_question_is_told_as_that(office: Stage, crossing: Crossing, does: str) -> None:
    async with office.client(crossing.route, crossing.era, person=Person(does=does)) as client:
        assert _text(await client.call_tool("ask", {"kinds": ["form"], "mark": does})) == f"{does} None"


@requirement("questions:answers")
@for_old_clients
async def test_an_answer_that_is_an_error_ends_nothing_but_the_question(office: Stage, crossing: Crossing) -> None:
    async with office.client(crossing.route, crossing.era, person=Person(error=True)) as client:
        form = await client.call_tool("ask", {"kinds": ["form"], "mark": "x"})
        sample = await client.call_tool("ask", {"kinds": ["sample"], "mark": "x"})
    if crossing.speaks == "old":
        assert (_text(form), _text(sample)) == ("unheard -32000", "unheard -32000")
    else:
        # A retry has no word for an error; a person who was not reached has not chosen anything.
        assert (_text(form), sample.is_error) == ("cancel None", True)
        assert "out to lunch" in _text(sample)


@requirement("questions:answers")
@for_new_clients
async def test_a_retry_without_the_answer_is_asked_again(office: Stage, crossing: Crossing) -> None:
    mark = f"again {crossing}"
    answer = await _put(office, crossing.route, mark)
    for wrong in ({}, {"another": _accepted("Ada")}):
        retry = {**_asked(answer, "Ada"), "inputResponses": wrong}
        answer = await _put(office, crossing.route, mark, retry)
    assert _said(await _put(office, crossing.route, mark, _asked(answer, "Ada"))) == _HEARD["form"]
    assert len(office.world.journal(crossing.server).entries("heard", mark=mark)) == 1


@requirement("questions:answers")
@for_new_clients
async def test_answers_in_a_form_that_is_not_mcp_never_break_the_gateway(office: Stage, crossing: Crossing) -> None:
    for number, wrong in enumerate(([], "x", {"form": "x"}, {"question-1": 5, "form": 5})):
        mark = f"malformed {number} {crossing}"
        asked = _asked(await _put(office, crossing.route, mark), "Ada")
        answer = await _put(office, crossing.route, mark, {**asked, "inputResponses": wrong})
        body = msgspec.json.decode(answer.content, type=Json)
        again = "result" in body and _result(answer)["resultType"] == "input_required"
        assert again or "internal" not in reasons_or_code(answer), answer.text
        assert not office.world.journal(crossing.server).entries("heard", mark=mark)
        if again:
            # Whoever asked is left with nothing that waits.
            await _put(office, crossing.route, mark, _asked(answer, "Ada"))


def reasons_or_code(answer: httpx2.Response) -> list[str]:
    """Return why something was refused, by whomever: the gateway's reasons, or a server's code."""
    error = error_of(answer)
    if "tallystick.dev/reasons" in msgspec.convert(error.get("data") or {}, Json):
        return reasons_of(answer)
    return [str(error["code"])]


@requirement("questions:answers", "questions:recorded")
@for_old_clients
async def test_a_malformed_answer_is_refused_and_the_right_one_still_counts(office: Stage, crossing: Crossing) -> None:
    mark, record = f"shape {crossing}", office.record()
    client = await _opened(office, crossing.route)
    start = await record.mark()
    async with asking(client, "ask", {"kinds": ["form"], "mark": mark}) as heard:
        question = await _question(heard)
        wrong: list[Json] = [{"result": "text"}, {"result": None}, {"error": "no"}, {"result": {}, "error": {}}]
        for member in wrong:
            refused = await client.respond(question, **member)
            assert (refused.status_code, reasons_of(refused)) == (400, ["malformed"])
        assert (await client.respond(question, result=_accepted("Ada"))).status_code == 202
        await heard.over()
    assert _end(heard) == _HEARD["form"]
    leaves = told(await record.since(start))
    assert "local response success" in leaves
    assert leaves.count("intent tools/call") == leaves.count("outcome success") == 1


@requirement("questions:binding")
@for_old_clients
async def test_an_answer_counts_in_the_session_that_was_asked_and_nowhere_else(
    office: Stage, crossing: Crossing
) -> None:
    mark, record = f"bound {crossing}", office.record()
    asked = await _opened(office, crossing.route)
    same_caller, other_caller = (
        await _opened(office, crossing.route),
        await _opened(office, crossing.route, office.token("mallory")),
    )
    thief = Legacy(office, crossing.route, SESSIONS, office.token("mallory"))
    thief.session = asked.session
    start = await record.mark()
    async with asking(asked, "ask", {"kinds": ["form"], "mark": mark}) as heard:
        question = await _question(heard)
        for stranger in (same_caller, other_caller):
            answer = await stranger.respond(question, result=_accepted("Mallory"))
            assert (answer.status_code, reasons_of(answer)) == (400, ["question_unknown"])
        stolen = await thief.respond(question, result=_accepted("Mallory"))
        assert (stolen.status_code, reasons_of(stolen)) == (404, ["session_unknown"])
        await asked.respond(question, result=_accepted("Ada"))
        await heard.over()
    assert _end(heard) == _HEARD["form"]
    late = await asked.respond(question, result=_accepted("Ada"))
    assert reasons_of(late) == ["question_unknown"]
    lines = told(await record.since(start))
    assert lines.count("denial response question_unknown") == 3
    assert lines.count("denial response session_unknown") == 1


@requirement("questions:apart")
@over_http
async def test_two_clients_that_are_asked_at_once_do_not_mix(office: Stage, crossing: Crossing) -> None:
    mark = f"two {crossing}"
    if crossing.is_modern:
        tokens = {name: office.token(name.lower()) for name in ("Ada", "Bob")}
        first = {name: await _put(office, crossing.route, mark, token=token) for name, token in tokens.items()}
        swapped = await _put(office, crossing.route, mark, _asked(first["Ada"], "Bob"), token=tokens["Bob"])
        assert reasons_of(swapped) == ["state_refused"]
        ends = {
            name: _said(await _put(office, crossing.route, mark, _asked(first[name], name), token=tokens[name]))
            for name in ("Bob", "Ada")
        }
    else:
        ends = await _both_asked(office, crossing, mark)
    assert ends == {name: f"accept {{'name': '{name}'}}" for name in ("Ada", "Bob")}


async def _both_asked(office: Stage, crossing: Crossing, mark: str) -> dict[str, str]:
    """Ask two clients whose requests have the same id, and answer the second first."""
    clients = {name: await _opened(office, crossing.route, office.token(name.lower())) for name in ("Ada", "Bob")}
    async with AsyncExitStack() as calls:
        heard: dict[str, Heard] = {}
        for name, client in clients.items():
            call = asking(client, "ask", {"kinds": ["form"], "mark": mark}, request_id=1)
            heard[name] = await calls.enter_async_context(call)
        questions = {name: await _question(one) for name, one in heard.items()}
        for name in ("Bob", "Ada"):
            await clients[name].respond(questions[name], result=_accepted(name))
        for one in heard.values():
            await one.over()
        return {name: _end(one) for name, one in heard.items()}


@requirement("questions:state")
@for_new_clients
async def test_a_state_serves_its_caller_its_route_and_its_request_only(office: Stage, crossing: Crossing) -> None:
    journal, mark = office.world.journal(crossing.server), f"state {crossing}"
    first = await _put(office, crossing.route, mark)
    honest = _asked(first, "Ada")
    state = str(honest["requestState"])
    before, record = journal.text(), office.record()
    start = await record.mark()
    other = "servers/new" if crossing.speaks == "old" else "servers/old"
    tampered = [{**honest, "requestState": wrong} for wrong in (state[:-2] + "AA", "p." + state, "turn 1", "")]
    answers = [
        await _put(office, crossing.route, mark, honest, token=office.token("mallory")),
        await _put(office, crossing.route, mark, honest, token=office.token(act={"sub": "agent"})),
        await _put(office, other, mark, honest),
        await _put(office, crossing.route, f"another {mark}", honest),
        await _put(office, crossing.route, mark, honest, rounds=2),
        *[await _put(office, crossing.route, mark, wrong) for wrong in tampered],
    ]
    assert [reasons_of(answer) for answer in answers] == [["state_refused"]] * len(answers)
    assert [error_of(answer)["code"] for answer in answers] == [-32602] * len(answers)
    assert journal.text() == before
    assert told(await record.since(start)) == ["denial tools/call state_refused"] * len(answers)
    assert _said(await _put(office, crossing.route, mark, honest)) == _HEARD["form"]


@requirement("questions:state")
@for_new_clients
async def test_no_state_of_a_server_is_seen_by_its_client(office: Stage, crossing: Crossing) -> None:
    mark = f"sealed {crossing}"
    first = await _put(office, crossing.route, mark)
    assert "turn 1" not in first.text
    assert _said(await _put(office, crossing.route, mark, _asked(first, "Ada"))) == _HEARD["form"]
    if crossing.speaks == "new":
        heard = office.world.journal(crossing.server).entries("heard", mark=mark)
        assert [entry["state"] for entry in heard] == ["turn 1"]


@requirement("questions:expiry")
@pytest.mark.parametrize("server", ["old", "old-line"])
async def test_a_parked_call_that_nobody_fetches_is_cancelled_at_the_server(
    office: Stage, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal, mark = office.world.journal(server), f"parked at {server}"
    monkeypatch.setattr("tallystick.gateway.bridge.sessions.PARKED_S", 0.05)
    first = await _put(office, f"servers/{server}", mark)
    await until(lambda: journal.entries("cancelled", key=mark))
    late = await _put(office, f"servers/{server}", mark, _asked(first, "Ada"))
    assert reasons_of(late) == ["state_refused"]
    assert not journal.entries("heard", mark=mark)
    assert not office.gateway.rooms.bulkhead.in_flight()


@requirement("questions:expiry")
@for_new_clients
async def test_a_state_serves_once_where_a_call_waits_behind_it(office: Stage, crossing: Crossing) -> None:
    mark = f"once {crossing}"
    honest = _asked(await _put(office, crossing.route, mark), "Ada")
    assert _said(await _put(office, crossing.route, mark, honest)) == _HEARD["form"]
    again = await _put(office, crossing.route, mark, honest)
    if crossing.speaks == "old":
        assert reasons_of(again) == ["state_refused"]
        assert len(office.world.journal(crossing.server).entries("heard", mark=mark)) == 1
    else:
        # A server without sessions decides for itself whether its state serves twice.
        assert _said(again) == _HEARD["form"]


@requirement("questions:vanished")
@for_old_clients
async def test_a_client_that_leaves_while_it_is_asked_leaves_nothing_behind(office: Stage, crossing: Crossing) -> None:
    journal, mark = office.world.journal(crossing.server), f"vanished {crossing}"
    client = await _opened(office, crossing.route)
    async with asking(client, "ask", {"kinds": ["form"], "mark": mark}) as heard:
        question = await _question(heard)
    if crossing.speaks == "old":
        await until(lambda: journal.entries("unheard", mark=mark) or journal.entries("cancelled", key=mark))
    await until(lambda: not office.gateway.rooms.bulkhead.in_flight())
    late = await client.respond(question, result=_accepted("Ada"))
    assert reasons_of(late) == ["question_unknown"]
    assert not journal.entries("heard", mark=mark)
    async with office.client(crossing.route, SESSIONS, person=Person()) as other:
        assert _text(await other.call_tool("ask", {"kinds": ["form"], "mark": f"after {mark}"})) == _HEARD["form"]


@requirement("questions:vanished")
@for_new_clients
async def test_a_question_that_somebody_abandoned_keeps_nobody_else_from_being_asked(
    office: Stage, crossing: Crossing
) -> None:
    mark = f"abandoned {crossing}"
    abandoned = _asked(await _put(office, crossing.route, mark, token=office.token("eve")), "Eve")
    assert not office.gateway.rooms.bulkhead.in_flight()
    try:
        async with office.client(crossing.route, crossing.era, person=Person()) as other:
            assert _text(await other.call_tool("ask", {"kinds": ["form"], "mark": f"after {mark}"})) == _HEARD["form"]
    finally:
        await _put(office, crossing.route, mark, abandoned, token=office.token("eve"))


@requirement("questions:limits")
@pytest.mark.parametrize("era", ["2026-07-28", SESSIONS])
async def test_a_server_that_only_ever_asks_is_ended(office: Stage, era: str) -> None:
    server = "old" if era != SESSIONS else "new"
    mark = f"endless {server}"
    if era == SESSIONS:
        person = Person()
        async with office.client("servers/new", era, person=person) as client:
            with pytest.raises(MCPError, match="asked again and again"):
                await client.call_tool("ask", {"kinds": ["form"], "mark": mark, "rounds": 50})
        assert len(person.asked) in (10, 11)
        return
    answer, turns = await _put(office, "servers/old", mark, rounds=50), 0
    while "result" in msgspec.json.decode(answer.content, type=Json):
        turns += 1
        assert turns < 20
        answer = await _put(office, "servers/old", mark, _asked(answer, "Ada"), rounds=50)
    assert (turns, reasons_of(answer)) == (10, ["upstream_broken"])
    await until(lambda: office.world.journal("old").entries("cancelled", key=mark))


@requirement("questions:limits")
async def test_one_conversation_parks_a_few_calls_and_no_more(office: Stage) -> None:
    token = office.token("hoarder")
    marks = [f"hoarded {number}" for number in range(17)]
    answers = [await _put(office, "servers/old", mark, token=token) for mark in marks]
    waiting = [_result(answer).get("resultType") for answer in answers]
    assert waiting == ["input_required"] * 16 + ["complete"]
    assert _said(answers[-1]) == "unheard -32601"
    # Nobody else is kept out by that.
    other = await _put(office, "servers/old", "not hoarded")
    assert _said(await _put(office, "servers/old", "not hoarded", _asked(other, "Ada"))) == _HEARD["form"]
    for mark, answer in zip(marks[:16], answers[:16], strict=True):
        assert _said(await _put(office, "servers/old", mark, _asked(answer, "Ada"), token=token)) == _HEARD["form"]
