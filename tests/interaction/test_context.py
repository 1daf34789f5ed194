"""Why a call is made: prompt, intent and reason reach the record from the client or the model, and never a server."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping

import anyio
import httpx2
import msgspec
import pytest
from mcp import MCPError
from mcp_types import TextContent

from tallystick import audit
from tallystick.audit.client import order
from tallystick.terms import TenantId
from tests.interaction.explained import OWN, explained
from tests.interaction.legacy import Legacy
from tests.interaction.record import Leaf, calls_in, told_of_calls
from tests.interaction.stage import MODERN, Json, Stage, error_of, open_stage, reasons_of, text_of
from tests.interaction.ways import Way, every_way
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

ROUTE = "servers/desk"
SESSIONS = "2025-11-25"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
async def stage(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """A gateway whose policies want calls explained."""
    folder = tmp_path_factory.mktemp("explained")
    async with open_stage(world, explained(world.config, folder / "config"), folder / "state") as running:
        yield running


async def _call(stage: Stage, tool: str, arguments: Json, **meta: object) -> httpx2.Response:
    told = {f"tallystick.dev/{name.replace('_', '-')}": value for name, value in meta.items()}
    return await stage.post(ROUTE, "tools/call", {"name": tool, "arguments": arguments, "_meta": told})


def _committed(stage: Stage, leaf: Leaf) -> dict[str, tuple[str, str]]:
    """Return part of the context -> its source and its commitment."""
    context = msgspec.convert(leaf.get("context", []), list[dict[str, str]])
    return {entry["of"]: (entry["source"], entry["c"]) for entry in context}


def _commit(stage: Stage, leaf: Leaf, part: str, content: bytes) -> str:
    return audit.leaf.commit(stage.gateway.rooms.commitment_key, str(leaf["id"]), part, content)


async def _schema(stage: Stage, tool: str, way: Way) -> Json:
    async with stage.client(way.route, way.era) as at:
        listed = {one.name: one.input_schema for one in (await at.list_tools()).tools}
    return listed[f"{way.prefix}{tool}"]


def _tool_text(answer: httpx2.Response) -> str:
    return text_of(answer)


@requirement("context:argument")
@every_way
async def test_a_model_gives_its_reason_in_the_argument_that_the_list_asks_for(stage: Stage, way: Way) -> None:
    schema = await _schema(stage, "echo", way)
    reason = msgspec.convert(schema["properties"], dict[str, Json])["reason"]
    assert (reason["type"], reason["minLength"], reason["maxLength"]) == ("string", 1, 2000)
    assert schema["required"] == ["text", "reason"]
    journal, record, text = stage.world.journal(way.server), stage.record(), f"explained {way}"
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        result = await client.call_tool(f"{way.prefix}echo", {"text": text, "reason": "asked to repeat"})
    assert isinstance(result.content[0], TextContent)
    assert (result.is_error, result.content[0].text) == (False, text)
    assert [entry["arguments"] for entry in journal.entries("call", arguments={"text": text})] == [{"text": text}]
    (intent,) = (leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent")
    assert _committed(stage, intent) == {
        "reason": ("argument", _commit(stage, intent, "reason", b"asked to repeat")),
    }
    assert intent["args_c"] == _commit(stage, intent, "args", b'{"text":"%s"}' % text.encode())


@requirement("context:required")
@every_way
async def test_a_call_that_is_not_explained_is_refused_and_told_what_to_send(stage: Stage, way: Way) -> None:
    journal, record = stage.world.journal(way.server), stage.record()
    start, before = await record.mark(), len(journal.entries("call"))
    wanted = 'the argument "reason" (or params._meta["tallystick.dev/reason"])'
    async with stage.client(way.route, way.era) as client:
        if way.era == "2025-06-18":
            with pytest.raises(MCPError) as caught:
                await client.call_tool(f"{way.prefix}echo", {"text": "unexplained"})
            assert (caught.value.code, wanted in str(caught.value)) == (-32602, True)
        else:
            result = await client.call_tool(f"{way.prefix}echo", {"text": "unexplained"})
            assert isinstance(result.content[0], TextContent)
            assert (result.is_error, wanted in result.content[0].text) == (True, True)
    assert len(journal.entries("call")) == before
    leaves = calls_in(await record.since(start))
    assert told_of_calls(leaves)[-1] == "denial tools/call context_required"
    denial = next(leaf for leaf in leaves if leaf["kind"] == "denial")
    assert msgspec.convert(denial["refusal"], Json)["policies"] == ["echo-explained"]
    assert "args_c" in denial


@requirement("context:meta", "context:stripped")
@pytest.mark.parametrize("era", [MODERN, SESSIONS])
async def test_a_client_tells_prompt_and_intent_which_no_server_is_told(stage: Stage, era: str) -> None:
    record, journal = stage.record(), stage.world.journal("desk")
    meta: Json = {"tallystick.dev/prompt": "Was macht 1 und 2?", "tallystick.dev/intent": "add two numbers"}
    meta |= {"tallystick.dev/model": "acme-9", "tallystick.dev/prompt-set": "v12", "example.dev/kept": era}
    params: Json = {"name": "add", "arguments": {"a": 1, "b": 2}}
    legacy = Legacy(stage, ROUTE, era)
    if era == SESSIONS:
        await legacy.open()
    start = await record.mark()
    if era == SESSIONS:
        answer = await legacy.ask("tools/call", {**params, "_meta": meta})
    else:
        answer = await stage.post(ROUTE, "tools/call", {**params, "_meta": meta})
    assert "structuredContent" in answer.text, answer.text
    (intent,) = (leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent")
    assert (intent["model"], intent["prompt_set"]) == ("acme-9", "v12")
    assert _committed(stage, intent) == {
        "prompt": ("meta", _commit(stage, intent, "prompt", b"Was macht 1 und 2?")),
        "intent": ("meta", _commit(stage, intent, "intent", b"add two numbers")),
    }
    assert "Was macht" not in journal.text()
    assert "acme-9" not in journal.text()


@requirement("context:required")
async def test_every_missing_part_is_named_at_once(stage: Stage) -> None:
    answer = await _call(stage, "add", {"a": 1, "b": 2}, prompt="add them")
    assert reasons_of(answer) == ["context_required"]
    assert _tool_text(answer) == (
        "Policy wants this call explained. Send it again with what you mean to do as a text in "
        'params._meta["tallystick.dev/intent"].'
    )
    both = _tool_text(await _call(stage, "add", {"a": 1, "b": 2}, prompt=""))
    assert "tallystick.dev/intent" in both
    assert "tallystick.dev/prompt" in both


@requirement("context:meta")
async def test_a_reason_may_come_from_the_client_and_that_of_the_model_counts_before_it(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    assert text_of(await _call(stage, "echo", {"text": "one"}, reason="of the client")) == "one"
    assert text_of(await _call(stage, "echo", {"text": "two", "reason": "own"}, reason="of the client")) == "two"
    intents = [leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent"]
    assert [_committed(stage, intent) for intent in intents] == [
        {"reason": ("meta", _commit(stage, intents[0], "reason", b"of the client"))},
        {"reason": ("argument", _commit(stage, intents[1], "reason", b"own"))},
    ]


@requirement("context:argument")
@pytest.mark.parametrize("reason", ["", "x" * 2001, 7, ["why"], {"why": 1}])
async def test_a_reason_that_the_list_would_not_take_is_not_taken(stage: Stage, reason: object) -> None:
    answer = await _call(stage, "echo", {"text": "x", "reason": reason})
    assert reasons_of(answer) == ["arguments_invalid"]
    assert "`reason` is a text of 1 to 2000 characters" in text_of(answer)


@requirement("context:argument")
async def test_who_is_not_obliged_may_leave_the_reason_out_and_it_never_reaches_the_server(stage: Stage) -> None:
    token, journal = stage.token("eve", groups=["seniors"]), stage.world.journal("desk")
    assert text_of(await stage.call(ROUTE, "echo", {"text": "freely"}, token=token)) == "freely"
    assert text_of(await stage.call(ROUTE, "echo", {"text": "freely", "reason": "so"}, token=token)) == "freely"
    calls = journal.entries("call", arguments={"text": "freely"})
    assert len(calls) == 2


@requirement("context:argument")
async def test_a_tool_with_a_reason_of_its_own_keeps_it(stage: Stage) -> None:
    record, journal = stage.record(), stage.world.journal("desk")
    async with stage.client(ROUTE, MODERN) as client:
        listed = {one.name: one.input_schema for one in (await client.list_tools()).tools}
    assert set(msgspec.convert(listed[OWN]["properties"], Json)) == {"key", "reason", "tallystick_reason"}
    assert listed[OWN]["required"] == ["key", "tallystick_reason"]
    own: Json = {"key": "own reason", "reason": "the tool's"}
    refused = await _call(stage, OWN, own)
    assert reasons_of(refused) == ["context_required"]
    assert 'the argument "tallystick_reason"' in text_of(refused)
    start = await record.mark()
    assert text_of(await _call(stage, OWN, {**own, "tallystick_reason": "the model's"})) == "own reason"
    (call,) = journal.entries("call", tool=OWN)
    assert call["arguments"] == own
    (intent,) = (leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent")
    assert _committed(stage, intent)["reason"] == ("argument", _commit(stage, intent, "reason", b"the model's"))


@requirement("context:required")
async def test_what_is_no_tool_is_explained_by_its_client_and_refused_by_an_error(stage: Stage) -> None:
    uri = "desk://rates/secret-1"
    answer = await stage.post(ROUTE, "resources/read", {"uri": uri})
    assert reasons_of(answer) == ["context_required"]
    assert error_of(answer)["code"] == -32602
    assert 'in params._meta["tallystick.dev/reason"]' in str(error_of(answer)["message"])
    told = {"uri": uri, "_meta": {"tallystick.dev/reason": "the audit asks"}}
    assert "rate of secret-1" in (await stage.post(ROUTE, "resources/read", told)).text


@requirement("context:meta")
async def test_what_a_client_told_of_a_call_that_led_nowhere_is_on_record(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    assert reasons_of(await _call(stage, "no_such_tool", {"x": 1}, prompt="wipe it all")) == ["tool_unknown"]
    (denial,) = await record.since(start)
    assert _committed(stage, denial) == {"prompt": ("meta", _commit(stage, denial, "prompt", b"wipe it all"))}
    assert denial["kept"] == ["args", "prompt"]
    assert await _kept(stage, denial, "prompt") == b"wipe it all"


@requirement("context:required")
async def test_an_explanation_comes_before_an_approval(stage: Stage) -> None:
    assert reasons_of(await _call(stage, "close_account", {"account": "7"})) == ["context_required"]
    assert reasons_of(await _call(stage, "close_account", {"account": "7", "reason": "x"})) == ["approval_required"]


@requirement("context:meta")
@pytest.mark.parametrize(
    ("meta", "reason"),
    [({"prompt": 7}, "malformed"), ({"prompt": "x" * 65537}, "malformed"), ({"model": "m" * 129}, "too_large")],
)
async def test_a_context_that_cannot_be_kept_is_refused_and_nothing_is_called(
    stage: Stage, meta: Mapping[str, object], reason: str
) -> None:
    answer = await _call(stage, "echo", {"text": "never", "reason": "x"}, **meta)
    # The request as a whole is larger than the stage allows, where the prompt alone already is.
    assert reasons_of(answer) == [reason] or (len(str(meta)) > 65536 and reasons_of(answer) == ["too_large"])
    assert not stage.world.journal("desk").entries("call", arguments={"text": "never"})


@requirement("record:trace")
async def test_a_call_is_found_by_its_trace_in_every_leaf_that_begins_it(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    meta: Json = {"traceparent": PARENT, "tallystick.dev/reason": "x"}
    await stage.post(ROUTE, "tools/call", {"name": "echo", "arguments": {"text": "traced"}, "_meta": meta})
    unexplained: Json = {"name": "echo", "arguments": {"text": "traced"}}
    await stage.post(ROUTE, "tools/call", unexplained, headers={"traceparent": PARENT})
    await stage.post(ROUTE, "tools/list", headers={"traceparent": PARENT})
    await stage.post(ROUTE, "tools/list", headers={"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"})
    leaves = await record.since(start)
    assert [(leaf["kind"], leaf.get("trace")) for leaf in leaves] == [
        ("intent", TRACE),
        ("outcome", None),
        ("denial", TRACE),
        ("outcome", TRACE),
        ("outcome", None),
    ]


async def _kept(stage: Stage, leaf: Leaf, field: str) -> bytes | None:
    """Return a payload as an operator reads it; None where it is not kept."""
    asked = {"order": "reveal", "tenant": "bank", "call": str(leaf["id"]), "field": field}
    asked |= {"why": "a test", "operator": "auditor"}
    told = await anyio.to_thread.run_sync(order, stage.places.state, asked)
    return b64decode(str(told["content"])) if "content" in told else None


@requirement("record:kept")
async def test_what_is_kept_of_a_call_is_what_its_leaves_commit_to(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    meta: Json = {"tallystick.dev/prompt": "sum it up", "tallystick.dev/intent": "arithmetic", "progressToken": 1}
    called: Json = {"name": "add", "arguments": {"b": 2, "a": 1}, "_meta": meta}
    answer = await stage.post(ROUTE, "tools/call", called)
    refused = await stage.call(ROUTE, "echo", {"text": "unexplained"})
    await stage.post(ROUTE, "tools/list")
    leaves = calls_in(await record.since(start))
    intent, outcome, denial, listed = leaves
    result = msgspec.json.decode(answer.content, type=dict[str, msgspec.Raw])["result"]
    expected = {
        ("args", "intent"): (intent, b'{"a":1,"b":2}'),
        ("prompt", "intent"): (intent, b"sum it up"),
        ("intent", "intent"): (intent, b"arithmetic"),
        ("result", "outcome"): (outcome, bytes(result)),
        ("args", "denial"): (denial, b'{"text":"unexplained"}'),
    }
    for (field, kind), (leaf, content) in expected.items():
        assert leaf["kind"] == kind
        assert field in msgspec.convert(leaf["kept"], list[str])
        assert await _kept(stage, leaf, field) == content
    assert intent["kept"] == ["args", "prompt", "intent"]
    subject = audit.leaf.subject_ref(stage.gateway.rooms.commitment_key, TenantId(stage.record().tenant), "ada")
    assert {(leaf["subject"], leaf["retention"]) for leaf in (intent, outcome, denial)} == {(subject, "standard")}
    assert reasons_of(refused) == ["context_required"]
    # A list follows from the configuration, which the leaf names.
    assert {"kept", "subject", "retention", "unkept"}.isdisjoint(listed)
    assert outcome["result_c"] == _commit(stage, outcome, "result", bytes(result))


@requirement("record:kept")
async def test_nothing_is_kept_of_who_is_not_known(stage: Stage) -> None:
    record = stage.record("platform")
    start = await record.mark()
    answer = await stage.post(ROUTE, "tools/call", {"name": "echo"}, headers={"authorization": "Bearer nonsense"})
    assert answer.status_code == 401
    (denial,) = await record.since(start)
    assert {"kept", "subject", "args_c", "context"}.isdisjoint(denial)


@requirement("record:names")
async def test_a_leaf_names_what_its_owner_said_of_the_tool(stage: Stage) -> None:
    record = stage.record()
    start = await record.mark()
    await stage.call(ROUTE, "transfer", {"account": "DE02", "amount": 40})
    intent, outcome = calls_in(await record.since(start))
    assert {name: intent[name] for name in ("operation", "risk", "amount", "currency")} == {
        "operation": "write",
        "risk": "high",
        "amount": "40",
        "currency": "EUR",
    }
    key = stage.gateway.rooms.commitment_key
    subject = audit.leaf.subject_ref(key, TenantId(stage.record().tenant), "account=DE02")
    for leaf, kept in ((intent, "args"), (outcome, "result")):
        assert (leaf["subject"], leaf["retention"], leaf["kept"]) == (subject, "ten-years", [kept])
