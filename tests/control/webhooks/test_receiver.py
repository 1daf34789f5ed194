"""Messages that come in: whose word counts, for what, and once only."""

import hashlib
import hmac
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tallystick.control.model import Actor, Conflict, Key, Mark, Put, Refused, Step
from tallystick.control.webhooks import Heard
from tallystick.control.webhooks.signature import sign
from tallystick.terms import Reason, Refusal, TenantId
from tests.control.webhooks.world import ACME, ADMIN, ANNA, BERT, MONTH_END, RISK, SECRET, World, hook, world
from tests.export.sinks.receiver import receiver, told

PEOPLE = {"557058:bert": "bert", "557058:anna": "anna"}
SEEN = "sha256:" + "a" * 64


def answered(found: Heard | Refusal | Refused) -> Reason | str:
    """How a message ended: the reason of its refusal, the code of a gate, or what it did."""
    if isinstance(found, Refusal):
        return found.reasons[0]
    if isinstance(found, Heard):
        return "nothing" if found.committed is None else "done"
    assert isinstance(found, Conflict)
    return ",".join(found.unmet) or found.why


def opened(made: World, form: str, ticket: Mapping[str, object], **ticketing: object) -> None:
    """A webhook of this form, and the ticket that it opened for the review of the server."""
    with receiver(lambda _: told(201, ticket)) as url:
        made.do(ADMIN, hook(url, format=form, ticketing={"people": PEOPLE, **ticketing}))
        made.submit()
        assert made.tell("out") == 1


def jira(made: World) -> None:
    """An issue, and what its statuses mean."""
    opened(made, "jira", {"key": "RISK-24"}, project="RISK", approve=["Approved"], reject=["Declined"])


def moved(made: World, status: str, account: str = "557058:bert", **more: object) -> bytes:
    """Jira's message about a transition, without what nobody reads."""
    return json.dumps(
        {
            "timestamp": int(made.clock.now * 1000),
            "webhookEvent": "jira:issue_updated",
            "issue_event_type_name": "issue_generic",
            "user": {"accountId": account, "displayName": "bert", "emailAddress": "bert@example.com"},
            "issue": {"id": "10000", "key": "RISK-24", "fields": {"summary": "server/risk"}},
            "changelog": {
                "id": "10124",
                "items": [
                    {"field": "resolution", "to": "1", "toString": "Done"},
                    {
                        "field": "status",
                        "fieldId": "status",
                        "from": "3",
                        "fromString": "In Review",
                        "toString": status,
                    },
                ],
            },
            **more,
        }
    ).encode()


def from_jira(made: World, body: bytes, secret: str = SECRET) -> Reason | str:
    """Deliver a message as Jira does."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature": f"sha256={digest}", "x-atlassian-webhook-identifier": "1"}
    return answered(made.receiver.receive("out", headers, body))


def signed(made: World, body: bytes, name: str = "msg_1", secret: str = SECRET) -> Reason | str:
    """Deliver a message that is signed as ours are."""
    return answered(made.receiver.receive("out", sign(secret.encode(), name, made.clock.now, body), body))


def said(made: World, word: str = "approve", **more: object) -> bytes:
    """A message in our own form."""
    version = made.get(RISK).version
    about = {"resource": "server/risk", "version": version, "definition": SEEN, "account": "557058:bert", **more}
    return json.dumps({"type": f"review.{word}", "timestamp": "2026-11-21T12:00:00Z", "data": about}).encode()


def generic(made: World, **more: object) -> None:
    """A webhook in our own form, and a server that waits for its review."""
    made.do(ADMIN, hook("http://127.0.0.1:1", ticketing={"people": PEOPLE}, **more))
    made.submit()


def test_a_transition_in_jira_approves_as_the_mapped_person(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        assert from_jira(made, moved(made, "approved")) == "done"
        last = made.control.reviews(RISK)[-1]
        made.publish()
        assert made.state() == "approved"
    assert (last.actor.name, last.actor.operator, last.to) == ("bert", "jira:557058:bert", "approved")
    assert (last.comment, last.definition) == ("RISK-24 became approved", SEEN)


def test_a_transition_in_jira_rejects(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        assert from_jira(made, moved(made, "Declined")) == "done"
        assert made.state() == "draft"


def test_four_eyes_holds_through_a_ticket_too(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        assert from_jira(made, moved(made, "Approved", "557058:anna")) == "four_eyes"
        assert made.state() == "in_review"
        assert made.control.reviews(RISK)[-1].unmet


def test_an_account_that_nobody_mapped_decides_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        for status in ("Approved", "Declined"):
            assert from_jira(made, moved(made, status, "557058:carl")) == Reason.HOOK_ACCOUNT_UNKNOWN
        assert made.state() == "in_review"


@pytest.mark.parametrize(
    "more",
    [
        {"webhookEvent": "jira:issue_created"},
        {"webhookEvent": "comment_created"},
        {"changelog": {"items": [{"field": "assignee", "toString": "Approved"}]}},
        {"changelog": {"items": [{"field": "status", "toString": "In Progress"}]}},
        {"changelog": {"items": "Approved"}},
        {"changelog": None},
    ],
)
def test_what_is_no_decision_is_taken_and_changes_nothing(tmp_path: Path, more: dict[str, object]) -> None:
    with world(tmp_path) as made:
        jira(made)
        before = made.control.head()
        assert from_jira(made, moved(made, "Approved", "557058:bert", **more)) == "nothing"
        assert made.control.head() == before


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"user": {}}, Reason.HOOK_STRANGE),
        ({"issue": {}}, Reason.HOOK_STRANGE),
        ({"issue": {"key": "RISK-25"}}, Reason.HOOK_TICKET_UNKNOWN),
    ],
)
def test_a_decision_about_something_else_changes_nothing(
    tmp_path: Path, more: dict[str, object], reason: Reason
) -> None:
    with world(tmp_path) as made:
        jira(made)
        assert from_jira(made, moved(made, "Approved", "557058:bert", **more)) == reason
        assert made.state() == "in_review"


def test_a_yes_holds_for_what_the_ticket_was_about_only(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        changed = {**made.get(RISK).spec, "transport": {"http": {"url": "https://evil.example.com/mcp"}}}
        made.do(Actor("carl"), Put("Server", "risk", made.get(RISK).tenant, changed))
        assert from_jira(made, moved(made, "Approved")) == "version"
        assert made.state() == "in_review"


def test_a_yes_holds_for_the_definition_that_the_ticket_named_only(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        other = {"digest": "sha256:" + "b" * 64, "at": "", "spec": made.get(Key("Pin", "risk")).status["observed"]}
        made.do(ADMIN, Mark(Key("Pin", "risk"), {"observed": other}))
        assert from_jira(made, moved(made, "Approved")) == "definition"


def test_a_ticket_is_good_for_one_review(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        made.do(BERT, Step(RISK, "draft", "not yet"))
        assert from_jira(made, moved(made, "Approved")) == Reason.HOOK_TICKET_UNKNOWN
        made.do(ANNA, Step(RISK, "in_review"))
        assert from_jira(made, moved(made, "Approved")) == "version"


def test_a_yes_to_the_ticket_of_a_quarantine_approves_the_new_definition(tmp_path: Path) -> None:
    new = "sha256:" + "c" * 64
    with world(tmp_path) as made:
        jira(made)
        made.approve()
        pin = made.get(Key("Pin", "risk"))
        held = {"get": {"since": "2026-11-21T12:00:00Z", "digest": new, "why": "changed"}}
        made.do(
            ADMIN, Mark(pin.key, {"quarantined": held, "observed": {"digest": new, "at": "", "spec": dict(pin.spec)}})
        )
        with receiver(lambda _: told(201, {"key": "RISK-24"})) as url:
            made.do(
                ADMIN,
                hook(
                    url,
                    format="jira",
                    ticketing={"people": PEOPLE, "project": "RISK", "approve": ["Approved"], "reject": ["Declined"]},
                ),
            )
            made.tell("out")
        assert from_jira(made, moved(made, "Declined")) == Reason.HOOK_TICKET_UNKNOWN
        assert from_jira(made, moved(made, "Approved")) == "done"
        assert "quarantined" not in made.get(pin.key).status


def test_a_message_is_taken_once(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        body = moved(made, "Declined")
        assert from_jira(made, body) == "done"
        made.do(ANNA, Step(RISK, "in_review"))
        assert from_jira(made, body) == Reason.HOOK_REPLAYED
        # Whoever changes an unsigned header does not make another message of it.
        digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        again = {"x-hub-signature": f"sha256={digest}", "x-atlassian-webhook-identifier": "2"}
        assert answered(made.receiver.receive("out", again, body)) == Reason.HOOK_REPLAYED
        assert made.state() == "in_review"


def test_ids_are_remembered_longer_than_a_message_is_good(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        generic(made)
        body = said(made, "reject")
        headers = sign(SECRET.encode(), "msg_1", made.clock.now + 299, body)
        assert answered(made.receiver.receive("out", headers, body)) == "done"
        made.do(ANNA, Step(RISK, "in_review"))
        # The last moment at which the signature is still good.
        made.clock.now += 599
        assert answered(made.receiver.receive("out", headers, body)) == Reason.HOOK_REPLAYED
        made.clock.now += 1
        assert answered(made.receiver.receive("out", headers, body)) == Reason.HOOK_STALE
        assert signed(made, said(made, "reject", account="557058:bert"), "msg_2") == "done"
        note = made.control.note("webhook-in/out")
        assert note is not None
        assert list(note.value) == ["msg_2"]


@pytest.mark.parametrize("age", [-301, 301])
def test_an_old_message_and_one_of_the_future_are_refused(tmp_path: Path, age: int) -> None:
    with world(tmp_path) as made:
        jira(made)
        body = moved(made, "Approved", timestamp=int((made.clock.now + age) * 1000))
        assert from_jira(made, body) == Reason.HOOK_STALE


@pytest.mark.parametrize("timestamp", [None, "now", True, 1.5])
def test_a_message_of_jira_without_a_time_is_refused(tmp_path: Path, timestamp: object) -> None:
    with world(tmp_path) as made:
        jira(made)
        assert from_jira(made, moved(made, "Approved", timestamp=timestamp)) == Reason.HOOK_STALE


def test_a_message_that_is_not_signed_changes_nothing(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        body = moved(made, "Approved")
        assert from_jira(made, body, "another secret") == Reason.HOOK_UNSIGNED
        assert signed(made, body) == Reason.HOOK_UNSIGNED
        assert answered(made.receiver.receive("out", {}, body)) == Reason.HOOK_UNSIGNED
        assert made.state() == "in_review"


def test_a_webhook_that_is_not_there_answers_like_a_wrong_signature(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        generic(made)
        body = said(made)
        wrong = made.receiver.receive("out", {}, body)
        headers = sign(SECRET.encode(), "msg_1", made.clock.now, body)
        assert made.receiver.receive("nowhere", headers, body) == wrong
        made.do(ADMIN, hook("http://127.0.0.1:1", enabled=False))
        assert made.receiver.receive("out", headers, body) == wrong
        made.do(ADMIN, hook("http://127.0.0.1:1", secret="nowhere"))
        assert made.receiver.receive("out", headers, body) == wrong


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type":1,"type":2}', b"[" * 10_000, b"\xff"])
def test_a_strange_message_is_refused_whoever_signed_it(tmp_path: Path, body: bytes) -> None:
    with world(tmp_path) as made:
        generic(made)
        assert signed(made, body) == Reason.HOOK_STRANGE


def test_our_own_form_approves_and_rejects(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        generic(made)
        assert signed(made, said(made, "reject", comment="no"), "msg_1") == "done"
        made.do(ANNA, Step(RISK, "in_review"))
        assert signed(made, said(made), "msg_2") == "done"
        assert made.state() == "approved"
        assert signed(made, said(made, "sleep"), "msg_3") == "nothing"


@pytest.mark.parametrize(
    ("more", "answer"),
    [
        ({"version": 1}, "version"),
        ({"version": 0}, Reason.HOOK_STRANGE),
        ({"version": True}, Reason.HOOK_STRANGE),
        ({"version": None}, Reason.HOOK_STRANGE),
        ({"account": ""}, Reason.HOOK_STRANGE),
        ({"account": "557058:carl"}, Reason.HOOK_ACCOUNT_UNKNOWN),
        ({"account": "557058:anna"}, "four_eyes"),
        ({"definition": "sha256:" + "b" * 64}, "definition"),
        ({"definition": None}, "definition"),
        ({"resource": "server/other"}, Reason.HOOK_TICKET_UNKNOWN),
        ({"resource": "tenant/acme"}, Reason.HOOK_TICKET_UNKNOWN),
        ({"resource": "grant/month-end"}, Reason.HOOK_TICKET_UNKNOWN),
    ],
)
def test_our_own_form_has_no_way_around_a_gate(tmp_path: Path, more: dict[str, object], answer: Reason | str) -> None:
    with world(tmp_path) as made:
        generic(made)
        assert signed(made, said(made, "approve", **more)) == answer
        assert (made.state(), made.state(MONTH_END)) == ("in_review", "draft")


def test_a_webhook_decides_for_its_own_tenant_only(tmp_path: Path) -> None:
    globex = TenantId("globex")
    with world(tmp_path) as made:
        made.do(ADMIN, Put("Tenant", "globex", globex, {"title": "Globex", "jurisdiction": "UK"}))
        made.do(ADMIN, Put("Secret", "globex", globex, {"value": SECRET}))
        generic(made, tenant=globex, secret="globex")
        assert signed(made, said(made)) == Reason.HOOK_TICKET_UNKNOWN


@pytest.mark.parametrize("kept", ["webhook", "secret"])
def test_who_holds_a_webhook_does_not_approve_what_is_theirs_through_it(tmp_path: Path, kept: str) -> None:
    owner = Actor("olga", "", {"client": "tally", "issuer": "https://id", "kind": "person", "subject": "olga"})
    with world(tmp_path) as made:
        spec = {**made.get(RISK).spec, "title": "hers"}
        made.do(owner, Put("Server", "risk", ACME, spec))
        made.do(ADMIN, hook("http://127.0.0.1:1", ticketing={"people": PEOPLE}))
        changes = {
            "webhook": hook("http://127.0.0.1:1", ticketing={"people": PEOPLE}, user="x"),
            "secret": Put("Secret", "signing", ACME, {"value": SECRET}),
        }
        made.do(owner, changes[kept])
        made.submit()
        assert signed(made, said(made)) == "four_eyes"
        assert made.state() == "in_review"


def test_a_grant_is_approved_by_a_message(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        generic(made)
        made.do(ANNA, Step(MONTH_END, "in_review"))
        body = said(made, resource="grant/month-end", version=made.get(MONTH_END).version)
        assert signed(made, body) == "done"
        assert made.state(MONTH_END) == "approved"


def test_the_message_of_a_business_rule_of_servicenow_decides(tmp_path: Path) -> None:
    ticket = {"result": {"sys_id": "9d385017", "number": "CHG0030001"}}
    with world(tmp_path) as made:
        opened(made, "servicenow", ticket, approve=["approved"], reject=["rejected"])
        rule = {"table": "change_request", "sys_id": "9d385017", "number": "CHG0030001", "by": "557058:bert"}
        for more, answer in (
            ({"approval": "requested"}, "nothing"),
            ({"approval": "approved", "table": "incident"}, "nothing"),
            ({"approval": "approved", "by": ""}, Reason.HOOK_STRANGE),
            ({"approval": "approved", "sys_id": "other"}, Reason.HOOK_TICKET_UNKNOWN),
            ({"approval": "approved", "by": "557058:anna"}, "four_eyes"),
            ({"approval": "approved", "comment": "seen in the board"}, "done"),
        ):
            assert signed(made, json.dumps({**rule, **more}).encode(), f"msg_{more}") == answer
        last = made.control.reviews(RISK)[-1]
    assert (last.comment, last.actor.operator) == ("seen in the board", "servicenow:557058:bert")


def test_what_is_approved_already_is_not_approved_again_by_a_message(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        jira(made)
        made.approve()
        assert from_jira(made, moved(made, "Approved")) == Reason.HOOK_TICKET_UNKNOWN
        made.do(ADMIN, hook("http://127.0.0.1:1", ticketing={"people": PEOPLE}))
        assert signed(made, said(made, definition=made.digest())) == Reason.HOOK_TICKET_UNKNOWN
