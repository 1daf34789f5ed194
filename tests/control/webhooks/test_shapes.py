"""What is written for a receiver, and what is read from its answer."""

import json
from dataclasses import replace

import pytest

from tallystick.control.webhooks import Event, Hook
from tallystick.control.webhooks.shapes import OPENING, request_of, ticket_of
from tallystick.terms import TenantId

ABOUT = {"resource": "server/risk", "title": "Risk", "tenant": "acme", "by": "anna", "why": "", "was": None}
ACME = TenantId("acme")


def event(kind: str = "server.submitted", **more: object) -> Event:
    """An event of the tenant."""
    return Event(kind, "msg_1", "2026-11-21T12:00:00Z", ACME, {**ABOUT, **more})


def hook(form: str) -> Hook:
    """A webhook to a table whose name has to be escaped."""
    assert form in ("generic", "jira", "servicenow")
    known = Hook("out", ACME, 1, "https://x.example.com", form, frozenset(), "s")
    return replace(known, project="RISK", kind="Task", table="change/request")


@pytest.mark.parametrize("form", ["jira", "servicenow"])
def test_a_note_needs_a_ticket_and_an_opening_event_never_uses_an_old_one(form: str) -> None:
    assert request_of(hook(form), event("server.approved"), "") is None
    note = request_of(hook(form), event("server.approved"), "A/1?x")
    assert note is not None
    assert "A%2F1%3Fx" in note.url
    for kind in OPENING:
        opening = request_of(hook(form), event(kind), "A-1")
        assert opening is not None
        assert (opening.method, "A-1" in opening.url) == ("POST", False)


def test_the_table_of_servicenow_cannot_lead_elsewhere() -> None:
    request = request_of(hook("servicenow"), event(), "")
    assert request is not None
    assert request.url == "https://x.example.com/api/now/table/change%2Frequest"


def test_what_people_wrote_is_text_and_no_markup() -> None:
    comment = 'h1. {html}<script>alert(1)</script>{html} "quoted"'
    request = request_of(hook("jira"), event("server.rejected", comment=comment), "A-1")
    assert request is not None
    nodes = json.loads(request.body)["body"]["content"]
    assert {"type": "paragraph", "content": [{"type": "text", "text": f"comment: {comment}"}]} in nodes
    assert {node["type"] for node in nodes} == {"paragraph"}
    assert all(part["type"] == "text" and part["text"] for node in nodes for part in node["content"])


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"key": 7}', b'{"result": {"number": "CHG1"}}', b'{"result": "x"}', b"[" * 99_999],
)
@pytest.mark.parametrize("form", ["jira", "servicenow"])
def test_an_answer_without_a_ticket_opens_none(form: str, body: bytes) -> None:
    assert ticket_of(hook(form), event(), body) is None


def test_a_generic_receiver_opens_no_ticket() -> None:
    assert ticket_of(hook("generic"), event(), b'{"key": "A-1", "result": {"sys_id": "1"}}') is None
