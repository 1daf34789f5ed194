"""The table inside control state: every step goes through it, and time takes its own."""

from datetime import datetime
from pathlib import Path

import pytest

from tallystick.control.lifecycle import tick
from tallystick.control.model import Actor, Conflict, Key, Put, Resource, Step
from tests.control.webhooks.world import ACME, ADMIN, ANNA, BERT, MONTH_END, PINNED, RISK, World, world


def unmet(made: World, actor: Actor, *changes: Put | Step) -> tuple[str, ...]:
    """The gates that stand against a change."""
    refused = made.control.commit(changes, actor)
    assert isinstance(refused, Conflict), refused
    return refused.unmet


def edited(made: World, **members: object) -> Put:
    """The server with another spec."""
    return Put("Server", "risk", ACME, {**made.get(RISK).spec, **members})


def approval(made: World, **more: str) -> Step:
    """Bert's yes to what is there now."""
    return Step(RISK, "approved", definition=made.digest(), expires=more.get("expires"))


def test_a_server_goes_from_its_draft_to_its_end(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        assert made.state() == "draft"
        made.submit()
        made.approve()
        made.do(ADMIN, Step(RISK, "suspended", "an incident"))
        made.approve()
        made.do(ADMIN, Step(RISK, "retired", "replaced"))
        assert unmet(made, BERT, approval(made)) == ("no_such_step",)


def test_a_refused_step_is_kept_with_its_gates(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        assert unmet(made, ANNA, approval(made)) == ("four_eyes",)
        last = made.control.reviews(RISK)[-1]
    assert (last.actor.name, last.revision, len(last.unmet)) == ("anna", 0, 1)


def test_everyone_who_changed_it_since_the_last_approval_counts(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do(BERT, edited(made, title="Risk of the desk"))
        made.do(Actor("carl"), edited(made, title="Risk of all desks"))
        made.submit()
        assert unmet(made, BERT, approval(made)) == ("four_eyes",)
        made.do(Actor("dora"), approval(made))
        # What was approved is nobody's unseen change any more.
        made.do(BERT, approval(made))


def test_nobody_changes_and_approves_in_one_commit(tmp_path: Path) -> None:
    evil = {"http": {"url": "https://evil.example.com/mcp"}}
    with world(tmp_path) as made:
        made.submit()
        before = made.control.head()
        for changes in ([edited(made, transport=evil), approval(made)], [approval(made), edited(made, transport=evil)]):
            assert isinstance(made.control.commit(changes, BERT), Conflict)
        assert (made.state(), made.control.head()) == ("in_review", before)


def test_nobody_writes_a_pin_and_approves_its_server_in_one_commit(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        pinned = Put("Pin", "risk", ACME, PINNED)
        assert unmet(made, BERT, pinned, approval(made)) == ("edited_at_once",)
        assert unmet(made, BERT, approval(made), pinned) == ("edited_at_once",)


def test_nothing_that_does_not_compile_is_approved(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.judge.breaks = True
        refused = made.control.commit([approval(made)], BERT)
        assert isinstance(refused, tuple)
        assert made.state() == "in_review"


def test_nobody_submits_and_approves_in_one_commit(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        assert unmet(made, BERT, Step(RISK, "in_review"), approval(made)) == ("moved_at_once",)
        assert made.state() == "draft"


def test_who_submitted_last_counts_though_the_clock_went_back(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.do(BERT, Step(RISK, "draft", "not yet"))
        made.clock.now -= 3600
        made.do(BERT, Step(RISK, "in_review"))
        assert unmet(made, BERT, approval(made)) == ("four_eyes",)


@pytest.mark.parametrize("end", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_an_end_that_no_calendar_has_is_told(tmp_path: Path, end: str) -> None:
    with world(tmp_path) as made:
        made.submit()
        assert unmet(made, BERT, approval(made, expires=end)) == ("expiry",)


def test_a_changed_server_goes_back_to_its_reviewers(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.approve()
        made.do(ANNA, edited(made, title="Risk of the desk"))
        assert made.state() == "approved"
        made.do(ANNA, edited(made, transport={"http": {"url": "https://other.example.com/mcp"}}))
        assert made.state() == "in_review"
        assert unmet(made, ANNA, approval(made)) == ("four_eyes",)


def test_nobody_writes_a_state_into_a_spec_of_their_own(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        put = Put("Server", "mine", ACME, {**made.get(RISK).spec}, state="approved")
        assert not hasattr(made.control.commit([put], ANNA), "revision")
        sneaky = Put("Server", "mine", ACME, {**made.get(RISK).spec, "state": "approved"})
        made.control.commit([sneaky], ANNA)
        document = made.control.documents().get("servers/mine.yaml")
        assert document is None or b'"state":"draft"' in document.canonical()


def test_a_grant_is_asked_for_approved_and_revoked(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do(ANNA, Step(MONTH_END, "in_review"))
        assert unmet(made, Actor("nora", roles=("developer",)), Step(MONTH_END, "approved")) == ("grant_approver",)
        assert unmet(made, ANNA, Step(MONTH_END, "approved")) == ("four_eyes", "grant_approver")
        made.do(Actor("olga", roles=("developer",)), Step(MONTH_END, "approved"))
        wider = Put("Grant", "month-end", ACME, {**made.get(MONTH_END).spec, "to": {"people": ["anna", "carl"]}})
        made.do(ANNA, wider)
        assert made.state(MONTH_END) == "draft"


def seconds(written: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(written).timestamp()


def later(made: World, written: str) -> list[object]:
    """Let it be later, and take what is due; what was refused."""
    made.clock.now = seconds(written)
    refused: list[object] = list(tick(made.control, made.clock.now))
    made.publish()
    return refused


def test_an_approval_ends_by_itself(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.do(BERT, approval(made, expires="2026-11-22T00:00:00Z"))
        assert later(made, "2026-11-21T23:59:59Z") == []
        assert made.state() == "approved"
        assert later(made, "2026-11-22T00:00:00Z") == []
        assert made.state() == "suspended"
        last = made.control.reviews(RISK)[-1]
        head = made.control.head()
        assert later(made, "2026-11-23T00:00:00Z") == []
        assert made.control.head() == head
    assert (last.actor.name, last.comment) == ("tallystick/clock", "Its approval ended at 2026-11-22T00:00:00Z.")


def test_a_grant_ends_by_itself(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.do(ANNA, Step(MONTH_END, "in_review"))
        made.do(BERT, Step(MONTH_END, "approved"))
        later(made, "2026-12-21T12:00:00Z")
        assert made.state(MONTH_END) == "suspended"


def test_a_reminder_is_kept_and_given_once(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.approve()
        before: Resource = made.get(RISK)
        later(made, "2027-11-14T00:00:00Z")
        assert made.get(RISK).status["reminded"] == {"review.due": "2027-11-21, 7 days"}
        assert made.get(RISK).version == before.version
        head = made.control.head()
        later(made, "2027-11-14T00:01:00Z")
        assert made.control.head() == head


def test_a_danger_is_suspended_even_where_nothing_compiles_any_more(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.submit()
        made.approve()
        made.judge.breaks = True
        renamed = edited(made, title="Other")
        assert isinstance(made.control.commit([renamed], ANNA), tuple)
        made.do(ADMIN, Step(RISK, "suspended", "an incident"))
        assert made.state() == "suspended"
        assert made.get(Key("Pin", "risk")).spec
