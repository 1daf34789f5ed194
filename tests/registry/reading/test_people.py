"""Grants, agents, roles and webhooks."""

import pytest

from tallystick.registry.model import Agent, Audience, Grant, Owner, Role, Webhook
from tallystick.registry.reading import read
from tallystick.terms import TenantId
from tests.registry.kinds.full import GRANT, SPECS, WEBHOOK


def test_a_grant_ends_at_its_time_wherever_that_was_written() -> None:
    grant = read("grants/audit.yaml", {"tenant": "retail", **GRANT}).entry
    assert isinstance(grant, Grant)
    # 2027-01-31T17:00:00Z
    assert grant.expires_at == 1_801_414_800.0
    assert grant.to == Audience(("ada",), ("g",), ("robot",), ("vscode",))
    assert (grant.toolset, grant.server, grant.tools, grant.state) == ("desk", None, ("bank__pay",), "draft")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"to": {}}, "names nobody"),
        ({"to": None}, "names nobody"),
        ({"server": "bank"}, "exactly one of toolset and server"),
        ({"toolset": None}, "exactly one of toolset and server"),
        ({"expires": "2027-01-31"}, "is not an allowed value"),
        ({"expires": "2027-01-31T18:00:00"}, "is not an allowed value"),
        ({"expires": "2027-13-31T18:00:00Z"}, "is no time"),
        ({"to": {"people": ["ada", "ada"]}}, "says something twice"),
        ({"to": {"people": [""]}}, "holds an empty text"),
    ],
)
def test_a_grant_that_is_unclear_is_refused(change: dict[str, object], problem: str) -> None:
    found = read("grants/audit.yaml", {"tenant": "retail", **GRANT, **change})
    assert problem in str(found.problems)


def test_a_grant_belongs_to_a_tenant() -> None:
    assert "tenant" in {problem.field for problem in read("grants/audit.yaml", GRANT).problems}


def test_an_agent_has_an_owner_and_its_clients() -> None:
    agent = read("agents/robot.yaml", {"tenant": "retail", **SPECS["Agent", "full"]}).entry
    assert agent == Agent("robot", TenantId("retail"), "Robot", Owner("payments"), "pays", ("cron",))


def test_a_role_of_nobody_is_refused_and_one_without_a_tenant_is_everywhere() -> None:
    assert "nobody has this role" in str(read("roles/a.yaml", {"role": "auditor"}).problems)
    role = read("roles/a.yaml", {"role": "auditor", "people": ["https://idp.example#eve"]}).entry
    assert isinstance(role, Role)
    assert (role.tenant, role.role, role.people) == ("", "auditor", ("https://idp.example#eve",))


@pytest.mark.parametrize("role", ["root", "Owner", "", None])
def test_there_are_no_other_roles(role: object) -> None:
    assert read("roles/a.yaml", {"role": role, "people": ["eve"]}).problems


def test_a_webhook_is_told_of_the_events_that_it_names() -> None:
    webhook = read("webhooks/desk.yaml", {"tenant": "retail", **WEBHOOK}).entry
    assert isinstance(webhook, Webhook)
    assert (webhook.format, webhook.events, webhook.ticketing.project) == ("jira", ("server.submitted",), "GOV")
    assert webhook.ticketing.people == {"557058:a": "ada"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"events": ["server.aproved"]}, 'there is no event "server.aproved"; did you mean "server.approved"?'),
        ({"secret": None}, "is missing"),
        ({"ticketing": {"kind": "Task"}}, "Jira opens no ticket without one"),
        ({"url": "http://hooks.example/in"}, "would leave this machine in plain text"),
        ({"url": "https://user:word@hooks.example/in"}, "is not a plain http(s) URL"),
        ({"url": "https://[/"}, "is not a plain http(s) URL"),
    ],
)
def test_a_webhook_that_could_not_work_or_would_leak_is_refused(change: dict[str, object], problem: str) -> None:
    found = read("webhooks/desk.yaml", {**WEBHOOK, **change})
    assert problem in "\n".join(map(str, found.problems))


def test_events_on_this_machine_may_go_in_plain_text() -> None:
    assert read("webhooks/desk.yaml", {"url": "http://127.0.0.1:9/in", "secret": "signing"}).problems == ()
