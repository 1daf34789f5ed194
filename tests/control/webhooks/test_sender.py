"""Events that go out: which, to whom, in which order, and what happens when the receiver does not take them."""

import json
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook

from tallystick.control.lifecycle import tick
from tallystick.control.lifecycle.read import is_object
from tallystick.control.model import Key, Mark, Put, Step
from tallystick.control.webhooks import EVENTS, Sender
from tallystick.control.webhooks.sender import BACK_OFF_S, CLAIM_S
from tallystick.terms import TenantId
from tests.control.webhooks.world import (
    ACME,
    ADMIN,
    ANNA,
    BERT,
    MONTH_END,
    RISK,
    SECRET,
    World,
    fields,
    hook,
    today,
    world,
)
from tests.export.sinks.receiver import Asked, Told, receiver, told


class Box:
    """What a receiver got, and what it says."""

    def __init__(self) -> None:
        self.got: list[Asked] = []
        self.says = Told()

    def __call__(self, asked: Asked) -> Told:
        """Keep what came."""
        self.got.append(asked)
        return self.says

    def types(self) -> list[str]:
        """The types of the events, as they came."""
        return [str(asked.fields()["type"]) for asked in self.got]


def begun(made: World, url: str, **more: object) -> None:
    """A webhook to this address."""
    made.do(ADMIN, hook(url, **more))


def test_an_event_is_signed_and_says_what_happened(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, f"{url}/in?a=b")
        made.submit()
        # The reference implementation looks at the real clock.
        made.clock.now = today()
        assert made.tell("out") == 1
    (asked,) = box.got
    assert (asked.path, asked.query) == ("/in", {"a": "b"})
    Webhook(SECRET).verify(asked.body, dict(asked.headers))
    assert asked.headers["webhook-timestamp"] == str(int(made.clock.now))
    assert asked.headers["content-type"] == "application/json"
    body = asked.fields()
    assert (body["type"], body["timestamp"]) == ("server.submitted", "2026-11-21T12:00:00.000000Z")
    said = body["data"]
    assert isinstance(said, dict)
    wanted = {
        "resource": "server/risk",
        "tenant": "acme",
        "title": "Risk",
        "by": "anna",
        "state": "in_review",
        "was": "draft",
    }
    assert wanted.items() <= said.items()
    assert said["definition"] == "sha256:" + "a" * 64
    assert "https://risk.example.com" not in asked.body.decode()


def test_every_step_is_an_event_in_its_order(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        made.do(BERT, Step(RISK, "draft", "no support contact"))
        made.submit()
        made.approve()
        made.approve()
        made.do(ADMIN, Step(RISK, "suspended", "an incident"))
        made.approve()
        made.do(
            ADMIN, Mark(Key("Pin", "risk"), {"quarantined": {"get": {"since": "", "digest": "", "why": "changed"}}})
        )
        made.do(ADMIN, Mark(Key("Pin", "risk"), {"quarantined": None}))
        made.do(ADMIN, Step(RISK, "retired", "replaced"))
        made.do(ANNA, Step(MONTH_END, "in_review"))
        made.do(BERT, Step(MONTH_END, "approved"))
        made.do(BERT, Step(MONTH_END, "suspended", "left the firm"))
        made.tell("out")
    assert box.types() == [
        "server.submitted",
        "server.rejected",
        "server.submitted",
        "server.approved",
        "server.renewed",
        "server.suspended",
        "server.reinstated",
        "tool.quarantined",
        "tool.released",
        "server.retired",
        "grant.requested",
        "grant.approved",
        "grant.suspended",
    ]
    assert set(box.types()) < EVENTS
    assert len({asked.headers["webhook-id"] for asked in box.got}) == len(box.got)
    said = fields(box.got[1].body)["data"]
    assert isinstance(said, dict)
    assert said["comment"] == "no support contact"


def test_only_events_that_were_asked_for_and_of_the_tenant_are_told(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.do(ADMIN, Put("Tenant", "globex", TenantId("globex"), {"title": "Globex", "jurisdiction": "UK"}))
        begun(made, url, events=["server.approved"])
        made.do(ADMIN, Put("Webhook", "other", TenantId("globex"), {"url": url, "secret": "signing"}))
        made.submit()
        made.approve()
        assert (made.tell("out"), made.tell("other")) == (1, 0)
    assert box.types() == ["server.approved"]


def test_what_was_before_a_webhook_is_not_told(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.submit()
        begun(made, url)
        assert made.tell("out") == 0
        made.approve()
        assert made.tell("out") == 1
    assert box.types() == ["server.approved"]


def test_nothing_is_told_that_is_not_on_record(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.control.commit([Step(RISK, "in_review")], ANNA)
        assert (made.tell("out"), box.got) == (0, [])
        made.publish()
        assert made.tell("out") == 1


def test_a_receiver_that_is_away_gets_everything_later_in_order_with_the_same_ids(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        made.approve()
        box.says = Told(503)
        for wait in (*BACK_OFF_S, BACK_OFF_S[-1]):
            assert made.tell("out") == 1
            made.clock.now += wait - 1
            assert made.tell("out") == 0
            made.clock.now += 1
        (status,) = made.sender.status()
        assert (status.tries, status.failing, status.behind) == (len(BACK_OFF_S) + 1, "the receiver answered 503", 2)
        box.says = Told(200)
        assert made.tell("out") == 2
        (status,) = made.sender.status()
        assert (status.tries, status.failing, status.behind, status.sent, status.dead) == (0, "", 0, 2, ())
    assert len({asked.headers["webhook-id"] for asked in box.got[:-1]}) == 1
    assert box.types()[-2:] == ["server.submitted", "server.approved"]
    # A message that is sent again is signed anew, so that the receiver's window does not refuse it.
    assert box.got[0].headers["webhook-timestamp"] != box.got[-2].headers["webhook-timestamp"]


def test_nobody_there_is_like_a_receiver_that_is_away(tmp_path: Path) -> None:
    with receiver(Box()) as url:
        pass
    with world(tmp_path) as made:
        begun(made, url)
        made.submit()
        assert (made.tell("out"), made.sender.status()[0].tries) == (1, 1)
        assert "cannot be reached" in made.sender.status()[0].failing
        # The change was made all the same.
        assert made.state() == "in_review"


@pytest.mark.parametrize("refusal", [400, 413, 422])
def test_an_event_that_is_refused_is_put_aside_and_shown(tmp_path: Path, refusal: int) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        box.says = Told(refusal)
        assert made.tell("out") == 1
        box.says = Told(200)
        made.approve()
        assert made.tell("out") == 1
        (status,) = made.sender.status()
        (dead,) = status.dead
    assert (dead.type, dead.why, dead.id) == (
        "server.submitted",
        f"the receiver answered {refusal}",
        box.got[0].headers["webhook-id"],
    )
    assert (status.sent, status.failing) == (1, "")


def test_a_receiver_that_wants_no_more_is_left_alone_until_the_webhook_changes(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        box.says = Told(410)
        assert made.tell("out") == 1
        made.clock.now += 100_000
        assert made.tell("out") == 0
        box.says = Told(200)
        begun(made, f"{url}/new")
        assert made.tell("out") == 1
    assert [asked.path for asked in box.got] == ["/", "/new"]


def test_a_webhook_that_is_switched_off_is_told_nothing_and_nothing_is_lost(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        begun(made, url, enabled=False)
        made.submit()
        assert (made.tell("out"), made.sender.hooks()) == (0, ())
        begun(made, url)
        assert (made.tell("out"), made.sender.hooks()) == (1, ("out",))


def test_of_two_processes_one_sends(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        again: list[bool] = []

        def while_sending(asked: Asked) -> Told:
            again.append(other.turn("out"))
            return box(asked)

        with receiver(while_sending) as slow:
            begun(made, slow)
            other = Sender(made.control, made.post, made.clock)
            assert made.tell("out") == 1
    assert (again, box.types()) == ([False], ["server.submitted"])


def test_a_claim_of_a_process_that_died_ends(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        note = made.control.note("webhook-out/out")
        assert note is None
        claimed = {"revision": made.control.published() - 1, "claimed_until": made.clock.now + CLAIM_S}
        assert made.control.keep("webhook-out/out", claimed, 0)
        assert made.tell("out") == 0
        made.clock.now += CLAIM_S
        assert made.tell("out") == 1


def test_a_restart_goes_on_where_it_was(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url)
        made.submit()
        assert made.tell("out") == 1
        made.approve()
        fresh = Sender(made.control, made.post, made.clock)
        assert (fresh.turn("out"), fresh.turn("out")) == (True, False)
    assert box.types() == ["server.submitted", "server.approved"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, None),
        ({"token": "password"}, "Bearer letmein"),
        ({"token": "password", "user": "bot@x"}, "Basic Ym90QHg6bGV0bWVpbg=="),
    ],
)
def test_a_receiver_gets_the_credential_that_it_asks_for(
    tmp_path: Path, more: dict[str, str], said: str | None
) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url, **more)
        made.submit()
        made.tell("out")
    assert box.got[0].headers.get("authorization") == said


def test_jira_gets_an_issue_and_then_notes_on_it(tmp_path: Path) -> None:
    box = Box()
    box.says = told(201, {"id": "10000", "key": "RISK-24", "self": "https://x.atlassian.net/rest/api/3/issue/10000"})
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url, format="jira", user="bot@x", token="password", ticketing={"project": "RISK"})
        made.submit()
        made.tell("out")
        ticket = made.get(RISK).status["ticket:out"]
        made.do(BERT, Step(RISK, "draft", "no support contact"))
        made.tell("out")
    first, second = box.got
    assert ticket == {
        "id": "RISK-24",
        "label": "RISK-24",
        "url": f"{url}/browse/RISK-24",
        "for": "server.submitted",
        "version": 2,
        "definition": "sha256:" + "a" * 64,
    }
    issue = first.fields()["fields"]
    assert first.path == "/rest/api/3/issue"
    assert isinstance(issue, dict)
    assert issue["project"] == {"key": "RISK"}
    assert issue["issuetype"] == {"name": "Task"}
    assert issue["summary"] == "server/risk: server.submitted (acme)"
    assert issue["labels"] == ["tallystick", first.headers["webhook-id"]]
    document = json.dumps(issue["description"])
    assert '{"type": "doc", "version": 1, "content": [{"type": "paragraph", "content": [{"type": "text"' in document
    assert "sha256:" + "a" * 64 in document
    assert second.path == "/rest/api/3/issue/RISK-24/comment"
    assert "no support contact" in json.dumps(second.fields()["body"])


def test_servicenow_gets_a_change_request_and_then_notes_on_it(tmp_path: Path) -> None:
    box = Box()
    box.says = told(201, {"result": {"sys_id": "9d385017c611228701d22104cc95c371", "number": "CHG0030001"}})
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url, format="servicenow")
        made.submit()
        made.tell("out")
        ticket = made.get(RISK).status["ticket:out"]
    (asked,) = box.got
    body = asked.fields()
    assert asked.path == "/api/now/table/change_request"
    assert set(body) == {"short_description", "description", "correlation_id", "correlation_display"}
    assert body["correlation_id"] == asked.headers["webhook-id"]
    assert isinstance(ticket, dict)
    assert (ticket["id"], ticket["label"]) == ("9d385017c611228701d22104cc95c371", "CHG0030001")


def test_what_needs_nobody_opens_no_ticket(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.submit()
        made.approve()
        begun(made, url, format="jira", ticketing={"project": "RISK"})
        made.do(ADMIN, Step(RISK, "suspended", "an incident"))
        assert made.tell("out") == 1
        (status,) = made.sender.status()
    assert (box.got, status.failing, status.behind) == ([], "", 0)


@pytest.mark.parametrize("more", [{"secret": "nowhere"}, {"token": "nowhere"}])
def test_nothing_is_sent_without_its_signature_or_its_credential(tmp_path: Path, more: dict[str, str]) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        begun(made, url, **more)
        made.submit()
        assert made.tell("out") == 1
        (status,) = made.sender.status()
        assert (box.got, status.tries) == ([], 1)
        assert status.failing == "the secret nowhere that this webhook needs is not there"
        made.do(ADMIN, Put("Secret", "nowhere", ACME, {"value": SECRET}))
        made.clock.now = status.next_at
        assert made.tell("out") == 1
    assert box.types() == ["server.submitted"]


def test_what_time_does_is_told_like_everything_else(tmp_path: Path) -> None:
    box = Box()
    with world(tmp_path) as made, receiver(box) as url:
        made.do(ANNA, Step(MONTH_END, "in_review"))
        made.do(BERT, Step(MONTH_END, "approved"))
        begun(made, url)
        for days in (1, 1, 24, 1, 5):
            made.clock.now += days * 86_400
            assert tick(made.control, made.clock.now) == ()
            assert tick(made.control, made.clock.now) == ()
            made.publish()
        made.tell("out")
    said = [asked.fields()["data"] for asked in box.got]
    assert box.types() == [*["approval.expiring"] * 2, "grant.suspended", "approval.expired"]
    reminders = [about["reminder"] for about in said[:2] if is_object(about)]
    assert reminders == ["2026-12-21T12:00:00Z, 30 days", "2026-12-21T12:00:00Z, 7 days"]


def test_a_turn_without_news_writes_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        begun(made, "http://127.0.0.1:1")
        made.do(ANNA, Put("Toolset", "desk", ACME, {"members": [{"server": "risk"}]}))
        assert made.tell("out") == 0
        kept = made.control.note("webhook-out/out")
        assert kept is not None
        assert kept.value["revision"] == made.control.published()
        assert made.tell("out") == 0
        assert made.control.note("webhook-out/out") == kept
