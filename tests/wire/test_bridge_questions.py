"""Questions and notifications reach the other era in a form that it has a word for."""

import copy
import json

import pytest
from mcp_types import methods

from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN, Era, bridge, encode

NOW, LAST, FIRST = ERAS[MODERN], ERAS["2025-11-25"], ERAS["2025-06-18"]
EVERY = list(ERAS.values())
SUBSCRIPTION = "io.modelcontextprotocol/subscriptionId"


def _json(value: object) -> bytes:
    return encode.value(value)


# Questions

FORM: dict[str, object] = {"message": "m", "requestedSchema": {"type": "object", "properties": {}}}
AT_URL: dict[str, object] = {"mode": "url", "message": "m", "url": "https://bank.example/a"}


@pytest.mark.parametrize(
    ("params", "to", "told"),
    [
        (FORM, NOW, FORM | {"mode": "form"}),
        (FORM | {"mode": "form"}, LAST, None),
        (FORM, LAST, FORM | {"mode": "form"}),
        (FORM | {"mode": "form"}, FIRST, FORM),
        (AT_URL, LAST, AT_URL | {"elicitationId": "e-1"}),
        (AT_URL | {"elicitationId": "theirs"}, LAST, AT_URL | {"elicitationId": "e-1"}),
        (AT_URL | {"elicitationId": "theirs"}, NOW, AT_URL),
        (FORM | {"mode": "form", "task": {"ttl": 1}, "_meta": {"progressToken": 1}}, NOW, FORM | {"mode": "form"}),
        (
            FORM | {"mode": "form", "_meta": {"progressToken": 1, "a": 2}},
            LAST,
            FORM | {"mode": "form", "_meta": {"a": 2}},
        ),
    ],
    ids=str,
)
def test_an_elicitation_is_asked_in_the_form_of_its_reader(
    params: dict[str, object], to: Era, told: dict[str, object] | None
) -> None:
    before = copy.deepcopy(params)
    asked = bridge.question("elicitation/create", params, to, "e-1")
    assert asked == (params if told is None else told)
    assert params == before
    if to.sessions:
        methods.parse_server_request("elicitation/create", to.version, asked)


@pytest.mark.parametrize("to", EVERY, ids=lambda era: era.version)
def test_other_questions_keep_all_that_they_ask(to: Era) -> None:
    sampling = {"messages": [{"role": "user"}], "maxTokens": 5, "mode": "x", "elicitationId": "y", "unknown": 1}
    assert bridge.question("sampling/createMessage", sampling, to, "e-1") == sampling
    assert bridge.question("roots/list", {}, to, "e-1") == {}


ASKED = {"b": ("elicitation/create", FORM), "a": ("roots/list", dict[str, object]())}


@pytest.mark.parametrize("state", [None, "", "u.x\u00e9\n"])
def test_questions_are_written_and_read_back(state: str | None) -> None:
    payload = bridge.write_input_required(ASKED, state)
    methods.validate_server_result("tools/call", MODERN, json.loads(payload))
    assert bridge.read_input_required(payload) == bridge.InputRequired(ASKED, state)


def test_a_state_without_a_question_is_only_a_request_to_come_back() -> None:
    assert bridge.write_input_required({}, "s") == b'{"resultType":"input_required","requestState":"s"}'
    assert bridge.read_input_required(b'{"requestState":"s"}') == bridge.InputRequired({}, "s")


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"inputRequests":{}}',
        b'{"inputRequests":[],"requestState":"s"}',
        b'{"inputRequests":{"a":{}}}',
        b'{"inputRequests":{"a":{"method":5}}}',
        b'{"inputRequests":{"a":{"method":"roots/list","params":[]}}}',
        b'{"requestState":5}',
        b'{"requestState":null}',
        _json({"inputRequests": {str(n): {"method": "roots/list"} for n in range(bridge.MAX_QUESTIONS + 1)}}),
        b'{"inputRequests":{"a":{"method":"m","params":{"a":%b}}}}' % (b"[" * 5000 + b"]" * 5000),
        b"[",
    ],
    ids=lambda payload: payload[:60].decode(),
)
def test_a_server_that_asks_nothing_or_nonsense_is_broken(payload: bytes) -> None:
    refusal = bridge.read_input_required(payload)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reasons) == ("upstream", (Reason.UPSTREAM_BROKEN,))


@pytest.mark.parametrize(
    ("brought", "answers"),
    [
        ({"a": {"action": "accept"}, "b": 5, "c": None}, {"a": {"action": "accept"}}),
        ([], {}),
        (None, {}),
        ("x", {}),
    ],
)
def test_only_answers_that_are_objects_are_answers(brought: object, answers: dict[str, object]) -> None:
    assert bridge.answers({"inputResponses": brought}) == answers
    assert bridge.answers({}) == {}


def test_an_error_that_sends_the_user_away_first_becomes_questions() -> None:
    asked = [AT_URL | {"elicitationId": "e"}, AT_URL | {"url": "https://bank.example/b"}]
    required = bridge.url_elicitations(_json({"code": -32042, "message": "m", "data": {"elicitations": asked}}))
    assert required is not None
    assert required == bridge.InputRequired(
        {
            "elicitation-1": ("elicitation/create", AT_URL),
            "elicitation-2": ("elicitation/create", AT_URL | {"url": "https://bank.example/b"}),
        },
        None,
    )
    methods.validate_server_result("tools/call", MODERN, json.loads(bridge.write_input_required(*required)))


@pytest.mark.parametrize(
    "error",
    [
        {"code": -32041, "data": {"elicitations": [AT_URL]}},
        {"code": -32042},
        {"code": -32042, "data": None},
        {"code": -32042, "data": {"elicitations": []}},
        {"code": -32042, "data": {"elicitations": [{"mode": "url"}]}},
        {"code": -32042, "data": {"elicitations": [AT_URL] * (bridge.MAX_QUESTIONS + 1)}},
        5,
    ],
    ids=lambda error: str(error)[:60],
)
def test_any_other_error_asks_nothing(error: object) -> None:
    assert bridge.url_elicitations(_json(error)) is None


# Notifications


def _notice(method: str, params: object = None) -> bytes:
    return encode.request(None, method, {} if params is None else {"_meta": params, "uri": "file:///a"})


@pytest.mark.parametrize("to", EVERY, ids=lambda era: era.version)
@pytest.mark.parametrize(("method", "version"), methods.SERVER_NOTIFICATIONS)
def test_a_notification_is_passed_on_exactly_where_the_revision_has_it(method: str, version: str, to: Era) -> None:
    told = bridge.notification(method, _notice(method), to)
    assert (told is not None) == ((method, to.version) in methods.SERVER_NOTIFICATIONS), version


@pytest.mark.parametrize("method", ["notifications/tasks", "notifications/subscriptions/acknowledged"])
def test_a_session_has_no_word_for_what_only_a_listener_is_told(method: str) -> None:
    assert [bridge.notification(method, _notice(method), era) is None for era in EVERY] == [False, True, True]


def test_a_notification_that_no_revision_names_is_passed_on() -> None:
    payload = _notice("notifications/com.example/x", {"a": 1})
    assert [bridge.notification("notifications/com.example/x", payload, era) for era in EVERY] == [payload] * 3


@pytest.mark.parametrize("subscription", [5, "s-\u00e9", 10**40])
def test_a_subscription_is_marked_and_its_mark_comes_off_again(subscription: int | str) -> None:
    method = "notifications/resources/updated"
    marked = bridge.with_subscription(_notice(method, {"a": 1}), subscription)
    assert json.loads(marked)["params"] == {"_meta": {"a": 1, SUBSCRIPTION: subscription}, "uri": "file:///a"}
    methods.parse_server_notification(method, MODERN, json.loads(marked)["params"])
    assert json.loads(bridge.with_subscription(marked, 9))["params"]["_meta"][SUBSCRIPTION] == 9
    assert json.loads(bridge.notification(method, marked, LAST) or b"") == json.loads(_notice(method, {"a": 1}))
    assert bridge.notification(method, marked, NOW) == marked


def test_a_bare_notification_can_be_marked_and_gets_bare_again() -> None:
    bare = b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'
    marked = bridge.with_subscription(bare, 1)
    assert json.loads(marked)["params"] == {"_meta": {SUBSCRIPTION: 1}}
    told = json.loads(bridge.notification("notifications/tools/list_changed", marked, LAST) or b"")
    assert told == json.loads(bare) | {"params": {}}
    assert bridge.notification("notifications/tools/list_changed", bare, LAST) == bare


def test_the_mark_comes_off_however_it_is_spelled() -> None:
    spelled = b'{"jsonrpc":"2.0","method":"m","params":{"_meta":{"io.modelcontextprotocol\\/subscription\\u0049d":1}}}'
    assert json.loads(bridge.notification("m", spelled, LAST) or b"")["params"] == {}


def test_the_first_message_of_a_subscription_says_what_is_honoured() -> None:
    told = json.loads(bridge.acknowledged("s", {"toolsListChanged": True, "resourceSubscriptions": ["file:///a"]}))
    assert told["method"] == "notifications/subscriptions/acknowledged"
    assert told["params"]["_meta"] == {SUBSCRIPTION: "s"}
    methods.parse_server_notification(told["method"], MODERN, told["params"])
