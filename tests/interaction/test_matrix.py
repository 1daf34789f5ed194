"""Every method that the SDK knows, on every kind of route, for every kind of caller, in both kinds of era.

The methods are taken from the SDK: one without a row in `PARAMS` fails here. Whoever may not call is refused for the
reason that comes first, the refusal is on record, and no server hears of it.
"""

import json
from collections.abc import AsyncGenerator, Mapping

import httpx2
import msgspec
import pytest
from mcp_types import methods as sdk

from tests.interaction.configuration import copy_configuration, copy_pin
from tests.interaction.record import told
from tests.interaction.stage import MODERN, Json, Stage, envelope, modern, open_stage, reasons_of
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

TASKS = {"tasks/get", "tasks/update", "tasks/cancel", "tasks/list", "tasks/result"}
"""Of the tasks extension, and of the experiment before it; the SDK has no table of them."""
UNKNOWN = {"made/up", "notifications/made-up"}

PARAMS: dict[str, Json] = {
    "initialize": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
    "ping": {},
    "server/discover": {},
    "tools/list": {},
    "tools/call": {"name": "echo", "arguments": {"text": "matrix"}},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "desk://rates/public-matrix"},
    "resources/subscribe": {"uri": "desk://rates/public-matrix"},
    "resources/unsubscribe": {"uri": "desk://rates/public-matrix"},
    "prompts/list": {},
    "prompts/get": {"name": "greet", "arguments": {"name": "Ada"}},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name", "value": "A"}},
    "logging/setLevel": {"level": "debug"},
    "subscriptions/listen": {"notifications": {"resourceSubscriptions": ["desk://rates/secret"]}},
    "tasks/get": {"taskId": "1"},
    "tasks/update": {"taskId": "1", "inputResponses": {}},
    "tasks/cancel": {"taskId": "1"},
    "tasks/list": {},
    "tasks/result": {"taskId": "1"},
    "made/up": {},
    "notifications/initialized": {},
    "notifications/cancelled": {"requestId": 1},
    "notifications/progress": {"progressToken": 1, "progress": 1},
    "notifications/roots/list_changed": {},
    "notifications/made-up": {},
}
ANSWERED_HERE = {"initialize", "ping", "server/discover", "tools/list", "logging/setLevel", "resources/unsubscribe"}
"""What the gateway answers itself to whoever may connect; a list holds what its caller may use, so nothing here."""
LISTS = {"tools/list", "prompts/list", "resources/list", "resources/templates/list"}

ROUTES = {"server": "servers/desk", "toolset": "toolsets/desks", "foreign": "servers/theirs", "unknown": "servers/none"}
CALLERS = ("nobody", "wrong audience", "other tenant", "denied", "allowed")
ERAS = (MODERN, "2025-11-25")


@pytest.fixture(scope="module")
async def both(world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """A gateway of its own, with a server of the other tenant."""
    folder = tmp_path_factory.mktemp("matrix")
    config = copy_configuration(world.config, folder / "config")
    ours = (config / "servers/desk.yaml").read_text()
    (config / "servers/theirs.yaml").write_text(ours.replace("tenant: bank", "tenant: branch"))
    copy_pin(config, "desk", "theirs")
    async with open_stage(world, config, folder / "state") as running:
        yield running


def _token(stage: Stage, caller: str) -> str | None:
    if caller == "nobody":
        return None
    changes: dict[str, dict[str, object]] = {
        "wrong audience": {"aud": "https://elsewhere.example"},
        "other tenant": {"tenant": "branch", "groups": []},
        "denied": {"groups": []},
    }
    return stage.token("ada" if caller == "allowed" else "eve", **changes.get(caller, {}))


def _message(method: str, params: Mapping[str, object], era: str) -> bytes:
    message: Json = msgspec.json.decode(modern(method, params)) if era == MODERN else {"params": params}
    message |= {"jsonrpc": "2.0", "method": method, "id": 1}
    if method.startswith("notifications/"):
        del message["id"]
    return json.dumps(message).encode()


async def _ask(stage: Stage, route: str, method: str, headers: Mapping[str, str | None], era: str) -> httpx2.Response:
    params = PARAMS[method]
    if (route, method) == (ROUTES["toolset"], "tools/call"):
        params = {**params, "name": "desk__echo"}
    named = envelope(method, params)
    if era != MODERN:
        # initialize opens a session; everything else is said in the one that the headers name.
        fresh = {"mcp-session-id", "mcp-protocol-version"} if method == "initialize" else {"mcp-method", "mcp-name"}
        named = {name: value for name, value in {**named, **headers}.items() if name not in fresh}
    sent = {name: value for name, value in {**named, **headers}.items() if value is not None}
    if method == "initialize" and era != MODERN:
        sent = {name: value for name, value in sent.items() if not name.startswith("mcp-")}
    async with stage.http.stream(
        "POST", stage.endpoint(route), content=_message(method, params, era), headers=sent
    ) as answer:
        # A stream that goes on, such as a subscription, is told by its head; everything else is read to its end.
        if "event-stream" not in answer.headers.get("content-type", ""):
            await answer.aread()
    return answer


async def _headers(stage: Stage, caller: str, era: str) -> dict[str, str | None]:
    token = _token(stage, caller)
    headers = {"authorization": f"Bearer {token}" if token else None}
    if era == MODERN:
        return headers
    # Whoever cannot open a session brings one that is not theirs.
    opener = headers if caller in ("denied", "allowed") else {"authorization": f"Bearer {stage.token()}"}
    opened = await _ask(stage, ROUTES["server"], "initialize", opener, era)
    return {**headers, "mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": era}


def _first_reason(route: str, caller: str, era: str) -> set[str]:
    """Return the reasons that may be told, by what is wrong first; empty where the caller may connect."""
    if caller == "nobody":
        return {"token_missing"}
    if caller == "wrong audience":
        return {"audience_wrong"}
    theirs = route == "foreign"
    if route == "unknown" or theirs != (caller == "other tenant"):
        return {"route_unknown"} if era == MODERN else {"route_unknown", "session_unknown"}
    return set()


def _refusal(answer: httpx2.Response) -> list[str]:
    """Return the reasons of a refusal, or nothing where the request was taken."""
    if "event-stream" in answer.headers.get("content-type", "") or not answer.content:
        return []
    members = msgspec.json.decode(answer.content, type=Json)
    return reasons_of(answer) if "tallystick.dev/reasons" in json.dumps(members.get("error")) else []


def _seen(stage: Stage) -> list[object]:
    own = ("initialize", "server/discover", "ping", "notifications/initialized")
    entries = stage.world.journal("desk").entries("request") + stage.world.journal("risk").entries("request")
    return [entry for entry in entries if entry["method"] not in own]


@requirement("matrix:methods")
def test_every_method_of_the_sdk_has_a_row() -> None:
    spoken = {method for method, _ in (*sdk.CLIENT_REQUESTS, *sdk.CLIENT_NOTIFICATIONS)}
    assert spoken >= sdk.SPEC_CLIENT_METHODS | sdk.SPEC_CLIENT_NOTIFICATION_METHODS
    assert set(PARAMS) - spoken <= TASKS | UNKNOWN
    assert spoken - set(PARAMS) == set()


@requirement("matrix:methods", "identity:token:refused", "routes:unknown:hidden")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("caller", CALLERS[:-1])
async def test_whoever_may_not_call_is_refused_on_record_and_no_server_hears_of_it(
    both: Stage, caller: str, era: str
) -> None:
    headers = await _headers(both, caller, era)
    records = [both.record(tenant) for tenant in ("bank", "branch", "platform")]
    starts, before = [await record.mark() for record in records], _seen(both)
    refused = streams = 0
    for route, method in ((route, method) for route in ROUTES for method in PARAMS):
        answer = await _ask(both, ROUTES[route], method, headers, era)
        reasons, expected = _refusal(answer), _first_reason(route, caller, era)
        refused += bool(reasons)
        where = (method, route, caller, answer.status_code, reasons)
        if expected:
            assert reasons and set(reasons) <= expected, where  # noqa: PT018 - one sentence
            assert answer.status_code == (401 if caller in ("nobody", "wrong audience") else 404), where
        elif not reasons:
            # On a toolset the gateway tells of changes of its own lists, without any server.
            streams += (route, method) == ("toolset", "subscriptions/listen")
            is_here = method in ANSWERED_HERE | LISTS or method.startswith("notifications/")
            assert is_here or (route, method) == ("toolset", "subscriptions/listen"), where
    leaves = [line for record, start in zip(records, starts, strict=True) for line in told(await record.since(start))]
    assert sum(line.startswith("denial ") for line in leaves) == refused
    assert [line for line in leaves if line.startswith("intent ")] == ["intent subscriptions/listen"] * streams
    assert _seen(both) == before


@requirement("matrix:methods")
@pytest.mark.parametrize("era", ERAS)
async def test_who_may_call_is_refused_for_no_reason_of_identity_or_policy(both: Stage, era: str) -> None:
    headers = await _headers(both, "allowed", era)
    never = {"token_missing", "token_invalid", "audience_wrong", "route_unknown", "session_unknown", "internal"}
    for method in PARAMS:
        answer = await _ask(both, ROUTES["server"], method, headers, era)
        assert not never & set(_refusal(answer)), (method, answer.text)
        assert answer.status_code < 500, (method, answer.text)
    assert both.world.journal("desk").calls("echo", text="matrix")
