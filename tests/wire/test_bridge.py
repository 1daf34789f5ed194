"""What one era says reaches the other in its own form, and nothing that neither of them names is lost."""

import copy
import json

import pytest
from mcp_types import methods

from tallystick.wire import ERAS, MODERN, Era, bridge, encode
from tallystick.wire.message import CAPABILITIES_KEY, CLIENT_KEY, LOG_LEVEL_KEY, VERSION_KEY

NOW, LAST, FIRST = ERAS[MODERN], ERAS["2025-11-25"], ERAS["2025-06-18"]
SESSIONS = [LAST, FIRST]
EVERY = list(ERAS.values())
ABOUT: dict[str, object] = {"name": "desk", "version": "3"}
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
TASKS, UI = "io.modelcontextprotocol/tasks", "io.modelcontextprotocol/ui"
TRACE: dict[str, object] = {"progressToken": 7, "traceparent": "00-1", "tracestate": "a", "baggage": "b", "x.y/z": [1]}
CLIENT: bridge.Client = ({"elicitation": {}}, ABOUT, "warning")


def _json(value: object) -> bytes:
    return encode.value(value)


# Requests


@pytest.mark.parametrize("client", [CLIENT, ({}, None, None)])
def test_a_request_of_a_session_gets_the_envelope_that_a_stateless_server_asks_for(client: bridge.Client) -> None:
    params = {"name": "pay", "arguments": {"a": 1}, "_meta": TRACE, "unknown": {"b": [2]}}
    before = copy.deepcopy(params)
    sent = bridge.request("tools/call", params, NOW, client)
    capabilities, about, level = client
    said = {VERSION_KEY: MODERN, CAPABILITIES_KEY: capabilities, CLIENT_KEY: about, LOG_LEVEL_KEY: level}
    wanted = TRACE | {key: value for key, value in said.items() if value is not None}
    assert sent == {**params, "_meta": wanted}
    assert params == before
    methods.validate_client_request("tools/call", MODERN, sent)
    assert bridge.client_of(sent) == client


def test_what_a_session_client_writes_into_the_envelope_itself_is_not_believed() -> None:
    forged: dict[str, object] = {
        VERSION_KEY: "2099-01-01",
        CAPABILITIES_KEY: {"sampling": {}},
        CLIENT_KEY: {},
        LOG_LEVEL_KEY: "debug",
    }
    sent = bridge.request("tools/list", {"_meta": forged}, NOW, ({}, None, None))
    assert sent == {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}}


@pytest.mark.parametrize("to", SESSIONS, ids=lambda era: era.version)
def test_a_request_without_a_session_loses_its_envelope_and_nothing_else(to: Era) -> None:
    envelope = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}, CLIENT_KEY: ABOUT, LOG_LEVEL_KEY: "debug"}
    params: dict[str, object] = {"uri": "file:///a", "_meta": envelope | TRACE, "unknown": 1}
    before = copy.deepcopy(params)
    assert bridge.request("resources/read", params, to, CLIENT) == {**params, "_meta": TRACE}
    assert params == before
    assert bridge.request("tools/list", {"cursor": "c", "_meta": envelope}, to, CLIENT) == {"cursor": "c"}


@pytest.mark.parametrize("to", EVERY, ids=lambda era: era.version)
def test_the_answers_and_the_state_of_a_retry_never_cross(to: Era) -> None:
    params: dict[str, object] = {"name": "pay", "requestState": "p.1", "inputResponses": {"a": {}}}
    sent = bridge.request("tools/call", params, to, CLIENT)
    assert not {"requestState", "inputResponses"} & sent.keys()


@pytest.mark.parametrize(
    "meta", [None, [], {}, {CAPABILITIES_KEY: [], CLIENT_KEY: "x", LOG_LEVEL_KEY: 5}, {CAPABILITIES_KEY: None}]
)
def test_a_client_that_says_nothing_readable_of_itself_can_be_asked_nothing(meta: object) -> None:
    assert bridge.client_of({"_meta": meta}) == ({}, None, None)
    assert bridge.client_of({}) == ({}, None, None)


# Results

TEXT = {"type": "text", "text": "t", "annotations": {"zzz": 1}}
RESULTS: dict[str, dict[str, object]] = {
    "tools/call": {"content": [TEXT], "structuredContent": {"a": 1}, "isError": True},
    "tools/list": {"tools": [{"name": "a", "inputSchema": {"type": "object"}}], "nextCursor": "c"},
    "prompts/list": {"prompts": []},
    "prompts/get": {"messages": []},
    "resources/list": {"resources": []},
    "resources/templates/list": {"resourceTemplates": []},
    "resources/read": {"contents": [{"uri": "file:///a", "text": ""}]},
    "completion/complete": {"completion": {"values": ["a"]}},
}


@pytest.mark.parametrize(("method", "said"), RESULTS.items(), ids=RESULTS.keys())
def test_a_result_of_a_session_reads_as_a_result_without_one(method: str, said: dict[str, object]) -> None:
    told = json.loads(bridge.result(method, _json(said | {"_meta": {"a": 1}, "future": [1.50]}), NOW, ABOUT))
    methods.validate_server_result(method, MODERN, told)
    cached = {"ttlMs": 0, "cacheScope": "private"}
    wanted = said | {"resultType": "complete", "future": [1.5], "_meta": {"a": 1, SERVER_INFO: ABOUT}}
    assert told in (wanted, wanted | cached)
    assert ("ttlMs" in told) == (method not in {"tools/call", "prompts/get", "completion/complete"})


@pytest.mark.parametrize("to", SESSIONS, ids=lambda era: era.version)
@pytest.mark.parametrize(("method", "said"), RESULTS.items(), ids=RESULTS.keys())
def test_there_and_back_a_result_is_the_same(method: str, said: dict[str, object], to: Era) -> None:
    payload = _json(said)
    assert bridge.result(method, bridge.result(method, payload, NOW, None), to, None) == payload
    methods.validate_server_result(method, to.version, json.loads(payload))


def test_what_a_server_says_of_itself_and_of_caching_is_kept() -> None:
    own: dict[str, object] = {
        "tools": [],
        "ttlMs": 5,
        "cacheScope": "public",
        "resultType": "complete",
        "_meta": {SERVER_INFO: {"n": 1}},
    }
    assert json.loads(bridge.result("tools/list", _json(own), NOW, ABOUT)) == own


def test_what_is_not_looked_at_keeps_its_exact_bytes() -> None:
    inner = b'[{ "a" : 1.50, "b":1e5, "a":"\\u0041" }]'
    payload = b'{"content":%b, "ttlMs":3,"_meta":null}' % inner
    assert bridge.result("tools/call", payload, LAST, None) == b'{"content":%b,"_meta":null}' % inner
    assert b'"content":%b,' % inner in bridge.result("tools/call", payload, NOW, ABOUT)


@pytest.mark.parametrize("value", ["[]", "null", '"{"', "1", "true", " [{}]"])
def test_a_structured_result_that_is_no_object_is_left_out_where_the_era_has_none(value: str) -> None:
    payload = b'{"content":[],"structuredContent":%b}' % value.encode()
    assert bridge.result("tools/call", payload, LAST, None) == b'{"content":[]}'
    assert json.loads(bridge.result("tools/call", payload, NOW, None))["structuredContent"] == json.loads(value)


def test_a_tool_whose_output_is_no_object_loses_only_its_output_schema() -> None:
    tools: list[object] = [
        {"name": "a", "outputSchema": {"type": "array"}, "x": 1},
        {"name": "b", "outputSchema": {"type": "object", "$defs": {}}},
        {"name": "c", "outputSchema": {}},
        {"name": "d", "outputSchema": True},
        {"name": "e"},
    ]
    told = json.loads(bridge.result("tools/list", _json({"tools": tools}), FIRST, None))["tools"]
    assert told == [{"name": "a", "x": 1}, tools[1], {"name": "c"}, {"name": "d"}, {"name": "e"}]


def test_a_tool_that_only_runs_as_a_task_of_2025_is_not_shown_to_who_has_no_such_tasks() -> None:
    tools = [{"name": name, "execution": {"taskSupport": name}} for name in ("required", "optional", "forbidden")]
    told = json.loads(bridge.result("tools/list", _json({"tools": [*tools, {"name": "plain"}]}), NOW, None))["tools"]
    assert told == [{"name": "optional"}, {"name": "forbidden"}, {"name": "plain"}]


@pytest.mark.parametrize("tools", [None, {}, [1], "a"])
def test_a_list_that_is_no_list_of_tools_is_passed_on_as_it_is(tools: object) -> None:
    assert json.loads(bridge.result("tools/list", _json({"tools": tools}), LAST, None)) == {"tools": tools}


# Errors

GONE = {"code": -32602, "message": "gone", "data": {"uri": "file:///a"}}
OURS = "tallystick.dev/error"


@pytest.mark.parametrize(
    ("method", "said", "to", "told"),
    [
        ("resources/read", GONE, LAST, GONE | {"code": -32002}),
        ("resources/read", GONE | {"code": -32002}, NOW, GONE),
        ("resources/read", GONE | {"data": {}}, LAST, None),
        ("resources/read", GONE | {"data": [1]}, LAST, None),
        ("resources/read", GONE | {"data": {"uri": 5}}, LAST, None),
        ("resources/read", {"code": -32602, "message": "m"}, LAST, None),
        ("prompts/get", GONE, LAST, None),
        ("prompts/get", {"code": -32002, "message": "m"}, NOW, {"code": -32602, "message": "m"}),
        ("tools/call", {"code": -32601, "message": "m", "more": 1}, NOW, None),
        ("tools/call", {"code": -32601, "message": "m"}, LAST, None),
        ("tools/call", {"code": -31009, "message": "m", "data": 5}, FIRST, None),
        ("tools/call", {"code": -32099, "message": "m"}, FIRST, None),
        (
            "tools/call",
            {"code": -32021, "message": "m", "data": {"requiredCapabilities": {}}},
            LAST,
            {"code": -32600, "message": "m", "data": {OURS: {"code": -32021, "data": {"requiredCapabilities": {}}}}},
        ),
        (
            "a",
            {"code": -32020, "message": "m"},
            LAST,
            {"code": -32603, "message": "m", "data": {OURS: {"code": -32020}}},
        ),
        (
            "a",
            {"code": -32022, "message": "m"},
            FIRST,
            {"code": -32603, "message": "m", "data": {OURS: {"code": -32022}}},
        ),
        (
            "a",
            {"code": -32042, "message": "m"},
            NOW,
            {"code": -32603, "message": "m", "data": {OURS: {"code": -32042}}},
        ),
    ],
    ids=str,
)
def test_an_error_has_a_code_that_its_reader_knows(
    method: str, said: dict[str, object], to: Era, told: dict[str, object] | None
) -> None:
    payload = _json(said)
    code, answer = bridge.error(method, payload, to)
    assert json.loads(answer) == (told or said)
    assert code == json.loads(answer)["code"]
    assert told is not None or answer == payload


@pytest.mark.parametrize("code", range(-32100, -31990))
def test_no_stateless_client_is_told_a_code_that_it_must_never_see(code: int) -> None:
    told, _ = bridge.error("resources/read", _json({"code": code, "message": ""}), NOW)
    assert told not in {-32002, -32042}


# What each side says of itself

INITIALIZED: dict[str, object] = {
    "protocolVersion": "2025-11-25",
    "serverInfo": ABOUT,
    "instructions": "i",
    "capabilities": {
        "tools": {"listChanged": True},
        "resources": {"subscribe": True, "listChanged": False},
        "logging": {},
        "tasks": {"list": {}},
        "extensions": {UI: {"a": 1}, TASKS: {}},
        "x": 1,
    },
    "_meta": {"a": 1},
    "future": 2,
}
KEPT = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": False},
    "logging": {},
    "extensions": {UI: {"a": 1}},
    "x": 1,
}
DISCOVERED: dict[str, object] = {
    "resultType": "complete",
    "supportedVersions": [MODERN],
    "ttlMs": 0,
    "cacheScope": "private",
    "instructions": "i",
    "capabilities": KEPT,
    "_meta": {"a": 1, SERVER_INFO: ABOUT},
    "future": 2,
}


def test_a_server_with_sessions_is_discovered() -> None:
    before = copy.deepcopy(INITIALIZED)
    told = bridge.opening(INITIALIZED, NOW)
    assert told == DISCOVERED
    assert before == INITIALIZED
    methods.validate_server_result("server/discover", MODERN, told)


@pytest.mark.parametrize("to", SESSIONS, ids=lambda era: era.version)
def test_a_server_without_sessions_is_initialized(to: Era) -> None:
    tasks = {"extensions": {UI: {"a": 1}, TASKS: {}}}
    said = DISCOVERED | {"ttlMs": 5, "cacheScope": "public", "capabilities": KEPT | tasks}
    told = bridge.opening(said, to)
    assert told == INITIALIZED | {"protocolVersion": to.version, "capabilities": KEPT}
    methods.validate_server_result("initialize", to.version, told)


def test_a_stateless_server_keeps_its_tasks_towards_a_stateless_client() -> None:
    assert bridge.server_capabilities({"extensions": {TASKS: {}}, "tasks": {}}, NOW) == {"extensions": {TASKS: {}}}
    assert bridge.server_capabilities({"extensions": {TASKS: {}}, "tasks": {}}, LAST) == {}


@pytest.mark.parametrize("to", SESSIONS, ids=lambda era: era.version)
def test_a_server_that_does_not_say_who_it_is_is_still_initialized(to: Era) -> None:
    methods.validate_server_result("initialize", to.version, bridge.opening({"capabilities": None, "_meta": 5}, to))


FORM_AND_URL: dict[str, object] = {"form": {}, "url": {}}


@pytest.mark.parametrize(
    ("said", "to", "told"),
    [
        ({"elicitation": {}}, NOW, None),
        ({"elicitation": FORM_AND_URL}, LAST, None),
        ({"elicitation": FORM_AND_URL}, FIRST, {"elicitation": {}}),
        ({"elicitation": {}}, FIRST, None),
        ({"elicitation": {"url": {}}}, FIRST, {}),
        ({"elicitation": {"url": {}}}, LAST, None),
        ({"sampling": {"tools": {}, "context": {}}}, FIRST, {"sampling": {}}),
        ({"sampling": {"tools": {}}}, NOW, None),
        ({"roots": {"listChanged": True, "x": 1}}, NOW, {"roots": {"x": 1}}),
        ({"roots": {"listChanged": True}}, LAST, {"roots": {}}),
        ({"tasks": {"list": {}}, "experimental": {"a": {}}}, LAST, {"experimental": {"a": {}}}),
        ({"extensions": {TASKS: {}, UI: {}}}, LAST, {"extensions": {UI: {}}}),
        ({"extensions": {TASKS: {}}}, NOW, {}),
        ({"x.y/z": {"a": [1]}}, FIRST, None),
    ],
    ids=str,
)
def test_a_client_claims_what_it_can_keep_across_eras(
    said: dict[str, object], to: Era, told: dict[str, object] | None
) -> None:
    before = copy.deepcopy(said)
    assert bridge.client_capabilities(said, to) == (said if told is None else told)
    assert said == before


# Methods

REQUESTS = {method for method, version in methods.CLIENT_REQUESTS if version in ERAS}


@pytest.mark.parametrize("era", EVERY, ids=lambda era: era.version)
def test_a_method_is_closed_exactly_where_the_revision_does_not_have_it(era: Era) -> None:
    spoken = {method for method, version in methods.CLIENT_REQUESTS if version == era.version}
    assert REQUESTS - era.closed_methods == spoken
    told = {method for method, _ in methods.CLIENT_NOTIFICATIONS} - era.closed_methods
    # Progress of an answer has nowhere to go in 2026-07-28, and is harmless.
    assert told - {"notifications/progress"} == {
        method for method, version in methods.CLIENT_NOTIFICATIONS if version == era.version
    } - {"notifications/progress"}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_tasks_are_of_the_stateless_revision_alone(method: str) -> None:
    assert [method in era.closed_methods for era in EVERY] == [False, True, True]


@pytest.mark.parametrize("method", ["tasks/list", "tasks/result"])
def test_what_tasks_lost_when_they_became_an_extension_is_closed_everywhere(method: str) -> None:
    assert all(method in era.closed_methods for era in EVERY)
