"""Lifecycle states, marks and pins as a commit treats them; the gates themselves are tested in `lifecycle`."""

from dataclasses import replace

import pytest

from tallystick.control import Control, Postgres, Sqlite, open_control
from tallystick.control.model import Conflict, Key, Mark, Put, Remove, Resource, Step
from tallystick.settings import Problem
from tests.control.stage import ADA, BOB, KEY, RETAIL, Ticks, done, numbered, pin, server, tenant

RISK, PIN = Key("Server", "risk"), Key("Pin", "risk")
WHY = {"since": "2026-11-21T10:00:00Z", "digest": "sha256:" + "1" * 64, "why": "changed"}


def there(control: Control, key: Key = RISK) -> Resource:
    found = control.get(key)
    assert found is not None
    return found


def test_a_new_server_is_a_draft_unless_the_directory_brings_it(control: Control) -> None:
    done(control, tenant(), replace(server(), owner="", state=None), server("core"))
    assert (there(control).state, there(control, Key("Server", "core")).state) == ("draft", "approved")


@pytest.mark.parametrize("owner", ["", "git:all", "directory:x"])
def test_nobody_but_the_directory_gets_around_the_gates(control: Control, owner: str) -> None:
    done(control, tenant())
    outcome = control.commit([replace(server(), owner=owner)], ADA)
    assert isinstance(outcome, Conflict)
    assert outcome.why == "gate"


def test_a_suspension_outlives_the_next_reading_of_the_same_files(control: Control) -> None:
    done(control, tenant(), server())
    done(control, Step(RISK, "suspended", "an incident"))
    done(control, server(title="Risk desk"))
    assert (there(control).state, there(control).spec["title"]) == ("suspended", "Risk desk")
    done(control, replace(server(), state="retired"))
    done(control, server())
    assert there(control).state == "approved"


def test_a_step_is_kept_with_its_words_and_said_on_the_resource(control: Control) -> None:
    done(control, tenant(), server())
    done(control, Step(RISK, "suspended", "an incident"), actor=BOB)
    review = control.reviews(RISK)[-1]
    assert (review.revision, review.actor.name, review.origin, review.to) == (2, "bob", "approved", "suspended")
    assert (review.comment, review.unmet) == ("an incident", ())
    said = there(control).status["review"]
    assert isinstance(said, dict)
    assert (said["by"], said["comment"], there(control).version) == ("bob", "an incident", 2)


def test_a_refused_step_is_kept_and_on_record_and_nothing_else_of_its_commit(control: Control) -> None:
    done(control, tenant(), replace(server(), owner="", state=None))
    before = len(control.outbox(100))
    outcome = control.commit([replace(tenant(), labels={"a": "b"}), Step(RISK, "approved", "please")], BOB)
    assert isinstance(outcome, Conflict)
    assert (outcome.why, bool(outcome.unmet)) == ("gate", True)
    assert (control.head(), there(control, Key("Tenant", "retail")).labels) == (1, {})
    assert [(review.to, review.revision, review.unmet) for review in control.reviews(RISK)] == [
        ("approved", 0, outcome.unmet)
    ]
    told = control.outbox(100)[before:]
    assert [(row.revision, row.topic, b'"result":"failure"' in row.leaf) for row in told] == [(0, "admin", True)]
    # No revision waits for it.
    assert control.recorded([row.number for row in control.outbox(100)[:before]]) == 1


def test_a_plan_of_a_refused_step_leaves_no_trace(control: Control) -> None:
    done(control, tenant(), replace(server(), owner="", state=None))
    assert isinstance(control.plan([Step(RISK, "approved")], BOB), Conflict)
    assert (control.reviews(RISK), len(control.outbox(100))) == ((), 2)


def test_what_has_no_lifecycle_takes_no_step(control: Control) -> None:
    done(control, tenant())
    outcome = control.commit([Step(Key("Tenant", "retail"), "suspended", "x")], ADA)
    assert isinstance(outcome, Conflict)
    assert outcome.why == "gate"


def test_a_mark_is_a_revision_but_nobodys_version(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    changed = there(control, PIN).changed
    done(control, Mark(PIN, {"seen": 1, "gone": 2}))
    done(control, Mark(PIN, {"gone": None}))
    found = there(control, PIN)
    assert (found.version, found.revision, found.changed, found.status) == (1, 3, changed, {"seen": 1})
    done(control, replace(pin("risk", "pay"), labels={"a": "b"}, expected=1))


def test_reports_of_quarantines_add_up_and_are_taken_back_by_name(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay", "read"))
    done(control, Mark(PIN, {"quarantined": {"pay": WHY}}))
    done(control, Mark(PIN, {"quarantined": {"read": WHY}}))
    document = control.documents()["pins/risk.json"]
    assert isinstance(document.content, dict)
    assert document.content["quarantined"] == {"pay": WHY, "read": WHY}
    done(control, Mark(PIN, {"quarantined": {"pay": None}}))
    assert there(control, PIN).status == {"quarantined": {"read": WHY}}
    done(control, Mark(PIN, {"quarantined": None}))
    assert there(control, PIN).status == {}
    assert "quarantined" not in str(control.documents()["pins/risk.json"].content)


def test_what_is_pinned_anew_is_no_longer_quarantined(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    done(control, Mark(PIN, {"quarantined": {"pay": WHY}, "findings": [1], "observed": {"digest": "d"}}))
    done(control, replace(pin("risk", "pay"), labels={"a": "b"}))
    assert there(control, PIN).status.keys() == {"quarantined", "findings", "observed"}
    done(control, pin("risk", "pay", description="Pays twice."))
    assert there(control, PIN).status == {}


def test_what_was_seen_of_a_server_without_a_pin_is_kept_and_not_in_force(control: Control) -> None:
    done(control, tenant(), server())
    done(control, Mark(PIN, {"observed": {"digest": "d", "spec": {}}}))
    assert (there(control, PIN).spec, there(control, PIN).tenant) == ({}, RETAIL)
    assert "pins/risk.json" not in control.documents()


def test_out_of_force_is_always_possible_even_where_nothing_compiles(place: Sqlite | Postgres) -> None:
    wrong = Problem("servers/old.yaml", "", "was right once", "mend it")
    judged: list[Problem] = []
    with open_control(place, KEY, Ticks(), numbered(), lambda documents: tuple(judged) if documents else ()) as control:
        done(control, tenant(), server(), pin("risk", "pay"))
        # As after an upgrade whose rules are stricter: what is there does not compile any more.
        judged.append(wrong)
        assert control.commit([server("new")], ADA) == (wrong,)
        done(control, Step(RISK, "suspended", "an incident"))
        done(control, Mark(PIN, {"quarantined": {"*": WHY}}))
        assert isinstance(control.commit([Remove(PIN, owner="directory")], ADA), tuple)


def test_a_suspended_server_stays_a_document_with_its_state(control: Control) -> None:
    done(control, tenant(), server())
    done(control, Step(RISK, "suspended", "an incident"))
    content = control.documents()["servers/risk.yaml"].content
    assert isinstance(content, dict)
    assert (content["name"], content["tenant"], content["state"]) == ("risk", "retail", "suspended")


def test_a_secret_is_written_and_never_read_back(control: Control) -> None:
    value = "hunter2-is-long-enough"
    done(control, tenant(), Put("Secret", "s", RETAIL, {"value": value}))
    first = there(control, Key("Secret", "s"))
    assert (first.spec, control.secret("s"), control.secret("none")) == ({"set": True}, value.encode(), None)
    done(control, Put("Secret", "s", RETAIL, {"value": "other"}))
    second = there(control, Key("Secret", "s"))
    assert (second.version, control.secret("s"), second.changed > first.changed) == (2, b"other", True)
    done(control, Put("Secret", "s", RETAIL, {"set": True}, labels={"a": "b"}))
    assert control.secret("s") == b"other"
    for told in (control.all(), control.history(), control.documents(), control.outbox(100)):
        assert value not in str(told)
    done(control, Remove(Key("Secret", "s")))
    assert control.secret("s") is None


@pytest.mark.parametrize(
    "spec", [{}, {"set": True}, {"value": ""}, {"value": 1}, {"value": "v", "x": 1}, {"value": "x" * 65_537}]
)
def test_a_secret_without_a_value_is_a_problem(control: Control, spec: dict[str, object]) -> None:
    done(control, tenant())
    outcome = control.commit([Put("Secret", "s", RETAIL, spec)], ADA)
    assert isinstance(outcome, tuple)
    assert (outcome[0].file, outcome[0].field) == ("secret/s", "spec.value")


def test_a_pin_that_somebody_writes_sends_its_server_back_to_review(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    assert there(control).state == "approved"
    mine = replace(pin("risk", "pay"), owner="git:risk", take_over=True)
    done(control, mine)
    assert there(control).state == "approved"
    done(control, replace(mine, spec=pin("risk", "pay", "steal").spec))
    assert there(control).state == "in_review"


def test_nothing_is_edited_and_moved_at_once(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    step = Step(RISK, "suspended", "an incident")
    for change in (server(title="Other"), Remove(PIN, owner="directory")):
        for changes in ([change, step], [step, change]):
            outcome = control.commit(changes, ADA)
            assert isinstance(outcome, Conflict)
            assert outcome.unmet == ("edited_at_once",)
