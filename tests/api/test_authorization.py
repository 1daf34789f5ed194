"""The authorization matrix, generated: every route of the table, for everybody there is, against a table by hand.

What each role may do is written down here a second time on purpose: the policies of the roles are held against it.
"""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

import pytest

from tallystick.api.routes import ROUTES, Route
from tests.api.stage import GATEWAY, ROLES, Stage

ANY: Final = frozenset(ROLES)
WRITERS: Final = frozenset({"owner", "admin"})
MAY: Final[dict[str, frozenset[str]]] = {
    # First match counts.
    "record:search": frozenset({"auditor"}),
    "denial:search": frozenset({"auditor"}),
    "review:list": frozenset({"auditor"}),
    "self:*": ANY,
    "state:apply": frozenset({"owner", "admin"}),
    "state:*": ANY,
    "*:list": ANY,
    "*:get": ANY,
    "*:history": ANY,
    "*:reviews": ANY,
    "server:definition": ANY,
    "server:scan": ANY - {"auditor"},
    "server:suspend": frozenset({"owner", "admin", "operator", "reviewer"}),
    "grant:suspend": frozenset({"owner", "admin", "operator", "reviewer"}),
    "role:*": frozenset({"owner"}),
    "webhook:*": frozenset({"owner"}),
    "secret:*": frozenset({"owner"}),
    "pin:*": frozenset({"owner"}),
    # Of the whole installation: no tenant's role suffices.
    "tenant:*": frozenset(),
    "issuer:*": frozenset(),
    # What is approved is no developer's to change.
    "server:put": WRITERS,
    "server:delete": WRITERS,
    "*:put": WRITERS,
    "*:delete": WRITERS,
}
NAMES: Final = {
    "Tenant": "bank", "Issuer": "banks", "Server": "ledger", "Pin": "ledger", "Toolset": "desk", "Policy": "limits",
    "Grant": "borrow", "Agent": "clerk", "Role": "bank-auditor", "Webhook": "tickets", "Secret": "signing",
}  # fmt: skip
"""A resource of the bank of each kind."""


def may(role: str, action: str) -> bool:
    """Whether a role may do something with what is approved in its own tenant, by the table above."""
    return role in next(roles for pattern, roles in MAY.items() if fnmatchcase(action, pattern))


@pytest.fixture(scope="module")
def furnished(stage: Stage) -> Stage:
    stage.approved("ledger", "bank")
    stage.put("Issuer", "banks", "bank", {"issuer": "https://banks.example"})
    stage.put("Toolset", "desk", "bank", {"title": "Desk", "members": [{"server": "ledger"}]})
    text = '@id("limits") forbid (principal, action in Action::"delete", resource);'
    stage.put("Policy", "limits", "", {"cedar": text})
    stage.put("Agent", "clerk", "bank", {"title": "Clerk"})
    stage.put("Secret", "signing", "bank", {"value": "s" * 32})
    stage.put("Webhook", "tickets", "bank", {"url": "https://tickets.example/hook", "secret": "signing"})
    grant = {"server": "ledger", "to": {"people": ["eve"]}, "purpose": "month end", "expires": "2027-01-01T00:00:00Z"}
    stage.put("Grant", "borrow", "bank", dict(grant))
    return stage


def of_everybody(stage: Stage) -> Iterator[tuple[str, str | None]]:
    """Yield everybody who may come, and the token they come with."""
    yield "nobody", None
    yield "the gateway's token", stage.token("owner-of-bank", aud=GATEWAY)
    yield "no role", stage.token("visitor")
    for role in ROLES:
        yield role, stage.token(f"{role}-of-bank")
        yield f"{role} of another tenant", stage.token(f"{role}-of-fund", "fund")


def request_of(route: Route) -> tuple[str, bytes | None, dict[str, str]]:
    """Return path, body and headers of a request that only a missing right refuses, and that changes nothing."""
    path = "/api/v1" + route.path.replace("{name}", NAMES.get(route.kind, "ledger"))
    query = ""
    if route.path == "/roles/check":
        query = "?action=server:get"
    elif route.path in {"/record", "/denials"}:
        query = "?tenant=bank"
    headers = {"content_type": route.media}
    body: bytes | None = None
    if route.method in {"PUT", "PATCH", "DELETE"} or route.path.endswith("/steps"):
        # A version that never was: whoever has the right is told so.
        query, headers["if_match"] = "?dry_run=true", '"999-999"'
    if route.method == "PATCH":
        body = b"{}"
    elif route.method == "PUT":
        tenant = "" if route.kind == "Policy" else "bank"
        resource = {"kind": route.kind, "metadata": {"name": NAMES[route.kind], "tenant": tenant}, "spec": {}}
        body = json.dumps(resource).encode()
    elif route.path.endswith("/steps"):
        body = json.dumps({"to": "suspended" if route.kind == "Server" else "in_review", "comment": "x"}).encode()
    elif route.path in {"/plan", "/apply"}:
        agent = {"apiVersion": "tallystick.dev/v1", "kind": "Agent", "spec": {"title": "T"}}
        body = json.dumps(
            {"documents": [{**agent, "metadata": {"name": "t", "tenant": "bank"}}], "dry_run": True}
        ).encode()
    return path + query, body, headers


def action_of(route: Route) -> str:
    """Return the action that the request of a route asks for."""
    if route.path == "/apply":
        return "state:apply"
    return route.action.replace("*", "suspend" if route.kind == "Server" else "submit")


def expected(who: str, route: Route) -> str:
    """Return what somebody is to be told: "yes", "who?", "no" or "hidden"."""
    if route.is_open:
        return "yes"
    if who in {"nobody", "the gateway's token"}:
        return "who?"
    if route.action.startswith("self:"):
        return "yes"
    if who == "no role":
        return "no"
    if who in ROLES:
        if (route.kind == "Policy" and route.path.endswith("{name}")) or route.path == "/policies/{name}/history":
            # A policy of the whole installation: a tenant's role does not reach it.
            return "taken or no" if route.method == "PUT" else "hidden"
        if route.action == "grant:*":
            return "yes" if who in {"owner", "admin", "developer"} else "no"
        if route.kind == "Grant" and who == "developer" and route.action in {"grant:put", "grant:delete"}:
            return "yes"  # a draft
        return "yes" if may(who, action_of(route)) else "no"
    return _elsewhere(who.removesuffix(" of another tenant"), route)


def _elsewhere(role: str, route: Route) -> str:
    """Return what the role of another tenant is told: of what is the bank's, nothing."""
    if route.path in {"/record", "/denials", "/apply"}:
        return "no"
    if route.path == "/reviews":
        return "yes" if role == "auditor" else "no"
    if "{name}" not in route.path:
        return "yes"
    if route.method == "PUT":
        return "taken or no"
    return "hidden"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_everybody_gets_what_the_table_says(furnished: Stage, route: Route) -> None:
    path, body, headers = request_of(route)
    wrong: list[str] = []
    for who, token in of_everybody(furnished):
        answer = furnished.send(route.method, path, token, body, **headers)
        wanted = expected(who, route)
        if not fits(wanted, answer.status):
            wrong.append(f"{who}: {wanted}, but {answer.status} {answer.data[:300]!r}")
    assert not wrong, "\n".join(wrong)


def fits(wanted: str, status: int) -> bool:
    """Whether a status says what was expected. Whoever has the right is told something about the request itself."""
    return {
        "yes": status not in {401, 403, 404},
        "who?": status == 401,
        "no": status == 403,
        "hidden": status == 404,
        "taken or no": status in {403, 409},
    }[wanted]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.method != "GET"], ids=lambda route: route.path)
def test_an_auditor_changes_nothing(furnished: Stage, route: Route) -> None:
    before = furnished.control.head()
    path, body, headers = request_of(route)
    path = path.partition("?")[0]
    headers["if_match"] = "*"
    answer = furnished.send(route.method, path, furnished.token("auditor-of-bank"), body, **headers)
    assert answer.status == (200 if route.path == "/plan" else answer.status)
    assert furnished.control.head() == before
    assert route.path == "/plan" or answer.status >= 400


def test_the_operator_of_the_machine_may_do_what_an_owner_of_everything_may(furnished: Stage) -> None:
    client = furnished.client()
    assert [(held.role, held.tenant) for held in client.whoami().roles] == [("owner", "")]
    assert client.get("Policy", "limits").resource.metadata.name == "limits"


def test_every_refusal_is_on_record_with_its_method_and_its_caller(furnished: Stage) -> None:
    answer = furnished.send("DELETE", "/api/v1/agents/clerk", furnished.token("reviewer-of-bank"), if_match="*")
    assert answer.status == 403
    denial = furnished.record.of("denial")[-1]
    assert (denial["route"], denial["method"], denial["tenant"]) == ("console", "DELETE /api/v1/agents/clerk", "bank")
    assert denial["refusal"] == {"code": "denied", "policies": [], "reasons": ["role_missing"]}
    caller = denial["caller"]
    assert isinstance(caller, dict)
    assert caller["subject"] == "reviewer-of-bank"
