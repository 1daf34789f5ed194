"""Which changes are events, and which are nobody's business."""

from dataclasses import replace

import pytest

from tallystick.control.entries import Entry
from tallystick.control.lifecycle import CLOCKWORK
from tallystick.control.model import Actor, Resource, State
from tallystick.control.webhooks import EVENTS
from tallystick.control.webhooks.events import events_of
from tallystick.registry import model
from tests.control.lifecycle.cases import ANNA, GRANT, NOW, PIN, SERVER, resource


def types(before: Resource | None, after: Resource | None, actor: Actor = ANNA) -> list[str]:
    """The events of a change."""
    known = after or before
    assert known is not None
    return [event.type for event in events_of(Entry(7, NOW, actor, "", known.key, before, after))]


def server(state: State = "approved", **status: object) -> Resource:
    """The server in a state."""
    return replace(resource("Server", "risk", SERVER, state), status=status)


def test_a_change_that_moves_nothing_is_no_event() -> None:
    assert types(None, server("draft")) == []
    assert types(server("draft"), replace(server("draft"), spec={})) == []
    assert types(server(), server(observed={"digest": "x"})) == []
    assert types(server(), None) == []
    assert types(None, resource("Toolset", "desk", {}, "approved")) == []
    assert types(None, resource("Role", "desk", {}, "approved")) == []


def test_what_the_directory_brings_is_an_event_as_soon_as_it_has_effect() -> None:
    assert types(None, server()) == ["server.approved"]


def test_an_approval_that_ended_says_so_beside_its_suspension() -> None:
    assert types(server(), server("suspended"), CLOCKWORK) == ["server.suspended", "approval.expired"]
    assert types(server(), server("suspended")) == ["server.suspended"]
    grant = resource("Grant", "g", GRANT, "approved")
    assert types(grant, replace(grant, state="suspended"), CLOCKWORK) == ["grant.suspended", "approval.expired"]


def test_each_reminder_is_an_event_of_its_own() -> None:
    before = server(reminded={"review.due": "2027-01-01, 30 days"})
    after = server(reminded={"review.due": "2027-01-01, 7 days", "approval.expiring": "2027-01-01, 7 days"})
    assert types(before, after) == ["review.due", "approval.expiring"]
    assert types(after, after) == []
    assert types(before, server()) == []


@pytest.mark.parametrize(
    ("was", "is_now", "told"),
    [
        ({}, {"get": {}}, ["tool.quarantined"]),
        ({"get": {}}, {"get": {}, "*": {}}, ["tool.quarantined"]),
        ({"get": {}}, {}, ["tool.released"]),
        ({"get": {}}, {"put": {}}, ["tool.quarantined", "tool.released"]),
        ({"get": {}}, {"get": {"why": "again"}}, []),
    ],
)
def test_quarantines_are_told_tool_by_tool(was: dict[str, object], is_now: dict[str, object], told: list[str]) -> None:
    pin = resource("Pin", "risk", PIN, "approved")
    before, after = (replace(pin, status={"quarantined": value}) for value in (was, is_now))
    assert types(before, after) == told
    for event in events_of(Entry(7, NOW, ANNA, "", pin.key, before, after)):
        assert event.about["resource"] == "server/risk"


def test_an_event_has_one_id_for_ever_and_another_than_any_other() -> None:
    entries = [
        Entry(revision, NOW, CLOCKWORK, "", server().key, server(), server("suspended")) for revision in (7, 7, 8)
    ]
    ids = [[event.id for event in events_of(entry)] for entry in entries]
    assert ids[0] == ids[1]
    assert len({*ids[0], *ids[2]}) == 4


def test_a_webhook_may_ask_for_every_event_that_there_is() -> None:
    assert len(EVENTS) == 19
    assert set(model.EVENTS) == EVENTS
