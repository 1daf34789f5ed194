"""A server's way through its review over HTTP: who may take which step, what is asked for, what is kept."""

import pytest

from tallystick.control import model
from tallystick.remote import Client, RemoteError, Versioned
from tallystick.remote.client import Sent
from tallystick.remote.messages.asked import Ability, Search, Step
from tallystick.remote.messages.resources import Metadata, Resource
from tests.api.stage import Stage

SPEC: dict[str, object] = {
    "title": "Payments",
    "owner": {"person": "pat", "team": "payments", "legal_entity": "Bank plc"},
    "purpose": "pays invoices",
    "classification": "confidential",
    "jurisdictions": ["GB"],
    "security_review": {"date": "2026-01-10", "next": "2099-01-10"},
    "transport": {"http": {"url": "https://8.8.8.8/mcp"}},
    "tools": {
        "pay": {"operation": "write", "risk": "high", "data_scope": "invoices", "reversibility": "R2", "labels": []}
    },
}
TOOL = {"name": "pay", "description": "Pays an invoice.", "inputSchema": {"type": "object"}}


def drafted(stage: Stage, name: str) -> Client:
    """Have a draft of a developer, with a definition that was seen; return the developer."""
    developer = stage.client("developer-of-bank")
    developer.put(Resource("Server", Metadata(name, "bank"), SPEC))
    pin: dict[str, object] = {"pinned_at": "2026-11-01T00:00:00Z", "eras": {}, "tools": [TOOL]}
    seen: dict[str, object] = {"digest": "sha256:" + "a" * 64, "at": "2026-11-01T00:00:00Z", "spec": pin}
    done = stage.control.commit(
        (model.Mark(model.Key("Pin", name), {"observed": seen}),), model.Actor("tallystick/drift", "tallystick/drift")
    )
    assert isinstance(done, model.Committed), done
    return developer


def step(client: Client, name: str, to: model.State, **parts: str) -> Versioned:
    """Take a step with the version that there is."""
    wanted = Step(to, parts.get("comment", ""), definition=parts.get("definition"))
    return client.step("Server", name, wanted, Sent(client.get("Server", name).etag))


def test_a_server_is_drafted_submitted_and_approved_by_two_people(stage: Stage) -> None:
    developer, reviewer = drafted(stage, "payments"), stage.client("reviewer-of-bank")
    assert developer.get("Server", "payments").resource.status is not None
    step(developer, "payments", "in_review")
    with pytest.raises(RemoteError) as mine:
        step(developer, "payments", "approved")
    assert mine.value.reasons == ("role_missing",)
    with pytest.raises(RemoteError) as unseen:
        step(reviewer, "payments", "approved")
    assert unseen.value.reasons == ("gate_unmet",)
    assert unseen.value.problem is not None
    assert unseen.value.problem.unmet
    shown = reviewer.definition("payments")
    assert shown.observed_digest is not None
    approved = step(reviewer, "payments", "approved", definition=shown.observed_digest)
    assert approved.resource.status is not None
    assert approved.resource.status.state == "approved"
    steps = [(review.actor, review.to, bool(review.unmet)) for review in reviewer.reviews("Server", "payments")]
    assert steps == [
        ("developer-of-bank", "in_review", False),
        ("reviewer-of-bank", "approved", True),
        ("reviewer-of-bank", "approved", False),
    ]
    routes = {route.route: route.tools for route in reviewer.snapshot().routes}
    assert routes["servers/payments"] == ["pay"]


def test_a_developer_changes_drafts_and_nothing_that_is_approved(stage: Stage) -> None:
    stage.approved("books", "bank")
    developer = stage.client("developer-of-bank")
    found = developer.get("Server", "books")
    with pytest.raises(RemoteError) as refused:
        developer.put(Resource("Server", Metadata("books", "bank"), SPEC), found.etag)
    assert refused.value.reasons == ("role_missing",)
    assert not developer.can(Ability("server:put", "bank", "Server", "books")).allowed
    assert developer.can(Ability("server:put", "bank")).allowed


def test_an_operator_suspends_without_an_etag_and_cannot_undo_it(stage: Stage) -> None:
    stage.approved("rates", "bank")
    operator = stage.client("operator-of-bank")
    assert operator.step("Server", "rates", Step("suspended", "incident 7")).resource.status is not None
    assert "servers/rates" not in {route.route for route in operator.snapshot().routes}
    with pytest.raises(RemoteError) as refused:
        step(operator, "rates", "approved")
    assert refused.value.reasons == ("role_missing",)


def test_every_other_step_needs_the_version_that_was_seen(stage: Stage) -> None:
    developer = drafted(stage, "seen")
    with pytest.raises(RemoteError) as refused:
        developer.step("Server", "seen", Step("in_review"))
    assert refused.value.reasons == ("precondition_required",)


def test_a_step_that_the_lifecycle_does_not_have_is_said_to_be_none(stage: Stage) -> None:
    drafted(stage, "early")
    with pytest.raises(RemoteError) as refused:
        step(stage.client("owner-of-bank"), "early", "suspended")
    assert refused.value.reasons == ("gate_unmet",)


def test_a_search_finds_what_has_all_words_and_every_filter(stage: Stage) -> None:
    drafted(stage, "invoices")
    client = stage.client("auditor-of-bank")
    found = client.search(Search(q="invoices PAYS", of="tools", operation="write", risk="high"))
    assert [(hit.server, hit.tool, hit.state) for hit in found.items if hit.server == "invoices"] == [
        ("invoices", "pay", "draft")
    ]
    assert client.search(Search(q="invoices", risk="low")).total == 0
    owned = client.search(Search(owner="bank plc", of="servers", q="invoices"))
    assert "invoices" in {hit.server for hit in owned.items}
    assert stage.client("auditor-of-fund", "fund").search(Search(q="invoices")).total == 0


def test_the_pages_of_a_search_hold_everything_once(stage: Stage) -> None:
    stage.approved("paged-a", "bank")
    stage.approved("paged-b", "bank")
    client, found, cursor = stage.client("auditor-of-bank"), list[str](), ""
    while True:
        page = client.search(Search(q="paged", limit=1, cursor=cursor))
        found += [f"{hit.server}/{hit.tool}" for hit in page.items]
        if page.next is None:
            break
        cursor = page.next
    assert found == ["paged-a/", "paged-a/pay", "paged-b/", "paged-b/pay"]
    assert page.total == 4
