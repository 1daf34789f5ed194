"""What time alone makes necessary."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

import pytest

from tallystick.control.lifecycle import CLOCKWORK, due
from tallystick.control.model import Mark, Resource, State, Step
from tests.control.lifecycle.cases import GRANT, SERVER, resource


def at(written: str) -> float:
    """Seconds since the epoch."""
    return datetime.fromisoformat(written).timestamp()


def approved(following: str = "2030-01-01", **review: object) -> Resource:
    """A server that was approved, with what its reviewer said."""
    spec = {**SERVER, "security_review": {"date": "2026-01-01", "next": following}}
    return replace(resource("Server", "risk", spec, "approved"), status={"review": review} if review else {})


def granted(ends: str = "2026-12-21T12:00:00Z", status: Mapping[str, object] | None = None) -> Resource:
    """A grant that was approved."""
    return replace(resource("Grant", "month-end", {**GRANT, "expires": ends}, "approved"), status=status or {})


def test_nothing_is_due_where_nothing_ends() -> None:
    assert due([approved(), resource("Toolset", "desk", {}, "approved")], at("2026-11-21T12:00:00Z")) == ()


@pytest.mark.parametrize("end", ["2026-11-21T12:00:00Z", "2026-11-21T14:00:00+02:00"])
def test_an_approval_is_suspended_when_it_ends_and_not_before(end: str) -> None:
    server = approved(expires=end)
    before = due([server], at("2026-11-21T11:59:59Z"))
    assert not any(isinstance(change, Step) for change in before)
    assert due([server], at("2026-11-21T12:00:00Z")) == (
        Step(server.key, "suspended", comment="Its approval ended at 2026-11-21T12:00:00Z."),
    )


def test_a_grant_ends_by_its_own_end_and_by_its_reviewers() -> None:
    assert [change.key for change in due([granted()], at("2026-12-21T12:00:00Z")) if isinstance(change, Step)]
    earlier = granted(status={"review": {"expires": "2026-12-01T00:00:00Z"}})
    assert [change.key for change in due([earlier], at("2026-12-01T00:00:00Z")) if isinstance(change, Step)]


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_what_is_not_approved_neither_ends_nor_reminds(state: State) -> None:
    assert due([replace(granted(), state=state)], at("2030-01-01T00:00:00Z")) == ()


def told(server: Resource, when: str) -> tuple[Resource, Mapping[str, object] | None]:
    """The resource after what was due at a time, and the reminder that was given."""
    for change in due([server], at(when)):
        assert isinstance(change, Mark)
        reminded = change.status["reminded"]
        assert isinstance(reminded, Mapping)
        return replace(server, status={**server.status, **change.status}), reminded  # pyright: ignore[reportUnknownVariableType] - JSON
    return server, None


def test_a_review_is_reminded_of_thirty_and_seven_days_before_and_on_its_day_each_once() -> None:
    server, given = approved("2026-12-31"), list[object]()
    for day in ("2026-11-30", "2026-12-01", "2026-12-02", "2026-12-24", "2026-12-25", "2026-12-31", "2027-01-09"):
        for hour in ("00:00:00", "12:00:00", "23:59:59"):
            server, reminder = told(server, f"{day}T{hour}Z")
            if reminder is not None:
                given.append((day, hour, reminder["review.due"]))
    assert given == [
        ("2026-12-01", "00:00:00", "2026-12-31, 30 days"),
        ("2026-12-24", "00:00:00", "2026-12-31, 7 days"),
        ("2026-12-31", "00:00:00", "2026-12-31, 0 days"),
    ]


def test_after_a_pause_only_the_last_reminder_is_given() -> None:
    server, reminder = told(approved("2026-12-31"), "2026-12-26T08:00:00Z")
    assert reminder == {"review.due": "2026-12-31, 7 days"}
    assert told(server, "2026-12-26T08:01:00Z")[1] is None


def test_a_new_date_is_reminded_of_anew() -> None:
    server, _ = told(approved("2026-12-31"), "2026-12-31T08:00:00Z")
    later = replace(approved("2027-12-31"), status=server.status)
    assert told(later, "2026-12-31T08:01:00Z")[1] is None
    assert told(later, "2027-12-01T00:00:00Z")[1] == {"review.due": "2027-12-31, 30 days"}


def test_an_end_is_reminded_of_beside_a_review() -> None:
    server = approved("2026-12-31", expires="2026-12-31T18:00:00Z")
    server, reminder = told(server, "2026-12-01T00:00:00Z")
    assert reminder == {"review.due": "2026-12-31, 30 days", "approval.expiring": "2026-12-31T18:00:00Z, 30 days"}
    assert told(granted(), "2026-12-14T00:00:00Z")[1] == {"approval.expiring": "2026-12-21T12:00:00Z, 7 days"}


def test_the_clockwork_has_a_name_of_its_own() -> None:
    assert (CLOCKWORK.name, CLOCKWORK.roles) == ("tallystick/clock", ())
