"""A name that was another tenant's before: what that tenant did with it stays its own."""

import pytest

from tallystick.api.http import write_cursor
from tallystick.remote import Client, RemoteError, Sent
from tallystick.remote.messages.asked import Following, Page, Step
from tallystick.remote.messages.resources import Metadata, Resource
from tests.api.stage import Stage


def server(name: str, tenant: str, title: str) -> Resource:
    """A draft."""
    spec: dict[str, object] = {
        "title": title,
        "owner": {"person": "dora", "team": "risk"},
        "purpose": title,
        "transport": {"stdio": {"command": ["/bin/tool"], "env": {"REGION": title}}},
    }
    return Resource("Server", Metadata(name=name, tenant=tenant), spec)


def submit(client: Client, name: str, comment: str) -> None:
    """Ask for a review."""
    client.step("Server", name, Step("in_review", comment), Sent(client.get("Server", name).etag))


def handed_on(stage: Stage, name: str) -> None:
    """The bank has a server, has it reviewed, and removes it; the fund takes the name, and then the bank nothing."""
    bank, fund = stage.client("owner-of-bank"), stage.client("owner-of-fund", "fund")
    bank.put(server(name, "bank", "one of the bank"))
    submit(bank, name, "a word of the bank")
    bank.delete("Server", name, bank.get("Server", name).etag)
    fund.put(server(name, "fund", "one of the fund"))


def test_the_history_of_a_name_shows_nobody_what_another_tenant_had_under_it(stage: Stage) -> None:
    handed_on(stage, "handed")
    fund, bank = stage.client("auditor-of-fund", "fund"), stage.client("auditor-of-bank")
    assert {change.tenant for change in fund.history("Server", "handed")} == {"fund"}
    assert {change.tenant for change in bank.history("Server", "handed")} == {"bank"}
    assert "one of the fund" not in str([*bank.history("Server", "handed")])
    page = stage.send("GET", "/api/v1/servers/handed/history?limit=1", stage.token("auditor-of-fund", "fund"))
    assert b"one of the bank" not in page.data
    assert b"one of the fund" in page.data


def test_the_reviews_of_a_name_begin_with_the_tenant_that_has_it(stage: Stage) -> None:
    handed_on(stage, "reviewed")
    fund = stage.client("owner-of-fund", "fund")
    assert fund.reviews("Server", "reviewed") == []
    submit(fund, "reviewed", "a word of the fund")
    assert [step.comment for step in fund.reviews("Server", "reviewed")] == ["a word of the fund"]
    listed = stage.send("GET", "/api/v1/reviews", stage.token("auditor-of-fund", "fund"))
    assert b"a word of the bank" not in listed.data


@pytest.mark.parametrize("after", ["abc", "-1", "9" * 30, "\u0661"])
@pytest.mark.parametrize("path", ["/api/v1/servers/cursed/history", "/api/v1/changes"])
def test_a_cursor_that_somebody_made_up_is_refused(stage: Stage, path: str, after: str) -> None:
    client = stage.client("owner-of-bank")
    try:
        client.get("Server", "cursed")
    except RemoteError:
        client.put(server("cursed", "bank", "x"))
    told = stage.send("GET", f"{path}?cursor={_forged(path, after)}", stage.token("owner-of-bank"))
    assert told.status == 422
    assert b"cursor_refused" in told.data


def _forged(path: str, after: str) -> str:
    """A cursor of the right question, with a place of our choice."""
    return write_cursor(Page() if path.endswith("history") else Following(), after)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_who_has_no_role_learns_of_no_name_whether_it_is_taken_or_by_whom(stage: Stage, method: str) -> None:
    name = f"theirs-{method.lower()}"
    stage.client("owner-of-fund", "fund").put(server(name, "fund", "one of the fund"))
    token = stage.token("stranger")
    told = [stage.send(method, f"/api/v1/servers/{one}", token).json() for one in (name, "nobodys")]
    assert [{**answer, "instance": ""} for answer in told] == [{**told[0], "instance": ""}] * 2
    assert "fund" not in str(told)


def test_nobody_moves_what_is_theirs_to_a_tenant_where_they_have_no_right(stage: Stage) -> None:
    bank = stage.client("owner-of-bank")
    put = bank.put(server("emigrant", "bank", "one of the bank"))
    with pytest.raises(RemoteError) as refused:
        bank.put(server("emigrant", "fund", "one of the bank"), put.etag)
    assert refused.value.code == "denied"
    assert stage.client().get("Server", "emigrant").resource.metadata.tenant == "bank"


def test_nobody_takes_to_their_tenant_what_is_anothers(stage: Stage) -> None:
    stage.client("owner-of-fund", "fund").put(server("resident", "fund", "one of the fund"))
    with pytest.raises(RemoteError) as refused:
        stage.client("owner-of-bank").put(server("resident", "bank", "one of the bank"))
    assert refused.value.reasons == ("name_taken",)
    assert stage.client().get("Server", "resident").resource.metadata.tenant == "fund"
