"""Every method on every kind of route for every kind of caller: one table of what is answered and what is recorded."""

from collections.abc import Mapping

import msgspec
import pytest

from tests.interaction.record import told
from tests.interaction.stage import Json, Stage, reasons_of
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

METHODS: dict[str, Json] = {
    "server/discover": {},
    "tools/list": {},
    "tools/call": {"name": "echo", "arguments": {"text": "every method"}},
    "resources/list": {},
    "resources/templates/list": {},
    "resources/read": {"uri": "desk://rates/public-one"},
    "prompts/list": {},
    "prompts/get": {"name": "greet", "arguments": {"name": "Ada"}},
    "completion/complete": {"ref": {"type": "ref/prompt", "name": "greet"}, "argument": {"name": "name", "value": "A"}},
    "subscriptions/listen": {},
    "initialize": {},
    "ping": {},
    "logging/setLevel": {"level": "debug"},
    "resources/subscribe": {"uri": "desk://rates/public-one"},
    "tasks/list": {},
    "tasks/result": {"taskId": "1"},
    "made/up": {},
}
ANSWERED_HERE = {"server/discover", "tools/list"}
CLOSED = {
    "initialize",
    "ping",
    "logging/setLevel",
    "resources/subscribe",
    "subscriptions/listen",
    "tasks/list",
    "tasks/result",
}
"""Of another era, or not offered yet."""
PERMITTED = {
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
}
"""What some policy permits to clerks."""
ROUTES = ("servers/desk", "toolsets/desks", "servers/nobodys")
CALLERS = ("nobody", "wrong audience", "other tenant", "denied", "allowed")


def _authorization(stage: Stage, caller: str) -> str | None:
    tokens = {
        "wrong audience": lambda: stage.token(aud="https://elsewhere.example"),
        "other tenant": lambda: stage.token("olga", tenant="branch"),
        "denied": lambda: stage.token("eve", groups=[]),
        "allowed": stage.token,
    }
    return f"Bearer {tokens[caller]()}" if caller in tokens else None


def _expected(method: str, route: str, caller: str) -> tuple[int, str]:
    """Return the status and the reason of the refusal, or "" where the request succeeds."""
    if caller in ("nobody", "wrong audience"):
        return 401, "token_missing" if caller == "nobody" else "audience_wrong"
    if caller == "other tenant" or route == "servers/nobodys":
        return 404, "route_unknown"
    passed_on = route.startswith("servers") or method == "tools/call"
    if method in CLOSED or not (method in ANSWERED_HERE or passed_on):
        return 404, "method_unknown"
    if method in ANSWERED_HERE or (caller == "allowed" and method in PERMITTED):
        return 200, ""
    return 200, "no_policy_allows"


def _tenant(route: str, caller: str) -> str:
    if caller in ("nobody", "wrong audience"):
        return "platform" if route == "servers/nobodys" else "bank"
    return "branch" if caller == "other tenant" else "bank"


def _leaves(method: str, reason: str) -> list[str]:
    if reason:
        return [f"denial {method} {reason}"]
    return [f"local {method} success"] if method in ANSWERED_HERE else [f"intent {method}", "outcome success"]


@requirement("matrix:methods", "identity:token:refused", "routes:unknown:hidden")
@pytest.mark.parametrize("route", ROUTES)
async def test_every_method_has_one_answer_and_one_record_for_every_kind_of_caller(stage: Stage, route: str) -> None:
    records = {tenant: stage.record(tenant) for tenant in ("bank", "branch", "platform")}
    starts = {tenant: await record.mark() for tenant, record in records.items()}
    expected: dict[str, list[str]] = {tenant: [] for tenant in records}
    for method, caller in ((method, caller) for caller in CALLERS for method in METHODS):
        params = _params(route, method)
        answer = await stage.post(route, method, params, headers={"authorization": _authorization(stage, caller)})
        status, reason = _expected(method, route, caller)
        got = (
            answer.status_code,
            "" if "result" in msgspec.json.decode(answer.content, type=Json) else reasons_of(answer)[0],
        )
        assert (method, caller, *got) == (method, caller, status, reason)
        expected[_tenant(route, caller)] += _leaves(method, reason)
    for tenant, record in records.items():
        assert (tenant, told(await record.since(starts[tenant]))) == (tenant, expected[tenant])


@requirement("matrix:methods")
async def test_no_method_of_a_refused_caller_reaches_a_server(stage: Stage) -> None:
    before = stage.world.journal("desk").text()
    for caller in CALLERS[:-1]:
        for method in METHODS:
            authorization = _authorization(stage, caller)
            await stage.post(
                "servers/desk", method, _params("servers/desk", method), headers={"authorization": authorization}
            )
    assert stage.world.journal("desk").text() == before


def _params(route: str, method: str) -> Mapping[str, object]:
    params = METHODS[method]
    return {**params, "name": "desk__echo"} if (route, method) == ("toolsets/desks", "tools/call") else params
