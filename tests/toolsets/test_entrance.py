"""Who finds a toolset: its audience, and whom a grant lets in until it ends."""

import math
from dataclasses import replace

import pytest

from tallystick.terms import Caller, TenantId
from tallystick.toolsets import Admitted, Entrance
from tests.toolsets.bank import BOTH, Json, said, sound

ANN = Caller("ann", "person", TenantId("retail"), "https://idp.example", "desk", "a", 2e9, groups=("tellers",))
BOT = replace(ANN, subject="bot", kind="agent", groups=())
ENDS = 1_800_000_000.0
GRANT: Json = {
    "tenant": "retail",
    "toolset": "desk",
    "to": {"people": ["ann"]},
    "purpose": "month end",
    "expires": "2027-01-15T08:00:00Z",
}


def _entrance(audience: Json, *grants: Json) -> Entrance:
    documents = {f"grants/g{index}.yaml": {**GRANT, **grant} for index, grant in enumerate(grants)}
    entrance = sound({"members": BOTH, "audience": audience}, documents).entrance
    assert entrance is not None
    return entrance


def test_a_toolset_without_an_audience_is_open() -> None:
    assert sound({"members": BOTH}).entrance is None


@pytest.mark.parametrize(
    ("audience", "caller"),
    [
        ({"people": ["ann"]}, ANN),
        ({"groups": ["none", "tellers"]}, ANN),
        ({"clients": ["desk"]}, ANN),
        ({"agents": ["bot"]}, BOT),
        ({"agents": ["bot"]}, replace(ANN, actors=("other", "bot"))),
        ({"people": ["eve"], "clients": ["desk"]}, ANN),
    ],
)
def test_whoever_any_list_names_is_let_in(audience: Json, caller: Caller) -> None:
    assert _entrance(audience).admit(caller, 0.0) == Admitted(math.inf, None)


@pytest.mark.parametrize(
    ("audience", "caller"),
    [
        ({}, ANN),
        ({"people": ["eve"], "groups": ["Tellers"], "agents": ["x"], "clients": ["other"]}, ANN),
        ({"people": ["bot"]}, BOT),
        ({"agents": ["ann"]}, ANN),
        ({"groups": [], "people": []}, replace(ANN, groups=())),
    ],
)
def test_nobody_else_is(audience: Json, caller: Caller) -> None:
    assert _entrance(audience).admit(caller, 0.0) is None


def test_a_grant_lets_in_until_it_ends_and_not_a_moment_longer() -> None:
    entrance = _entrance({}, {})
    assert entrance.admit(ANN, ENDS - 1) == Admitted(ENDS, None)
    assert entrance.admit(ANN, ENDS) is None
    assert entrance.admit(BOT, ENDS - 1) is None


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_a_grant_that_is_not_approved_lets_nobody_in(state: str) -> None:
    assert _entrance({}, {"state": state}).admit(ANN, 0.0) is None


def test_a_grant_for_something_else_lets_nobody_in() -> None:
    documents: dict[str, Json] = {
        "toolsets/back.yaml": {"tenant": "retail", "members": BOTH},
        "grants/a.yaml": {**GRANT, "toolset": "back"},
        "grants/b.yaml": {**GRANT, "tenant": "other"},
        "grants/c.yaml": {**{key: GRANT[key] for key in ("tenant", "to", "purpose")}, "server": "bank"},
    }
    entrance = sound({"members": BOTH, "audience": {}}, documents).entrance
    assert entrance is not None
    assert entrance.admit(ANN, 0.0) is None


def test_a_grant_may_be_for_some_tools_and_an_audience_is_not_narrowed_by_it() -> None:
    some: Json = {"tools": ["bank__get"], "expires": "2027-01-15T08:00:00Z"}
    assert _entrance({}, some).admit(ANN, 0.0) == Admitted(ENDS, frozenset({"bank__get"}))
    more: Json = {"tools": ["risk__get"], "expires": "2027-01-15T07:00:00Z"}
    both = _entrance({}, some, more)
    assert both.admit(ANN, 0.0) == Admitted(ENDS - 3600, frozenset({"bank__get", "risk__get"}))
    assert both.admit(ANN, ENDS - 1) == Admitted(ENDS, frozenset({"bank__get"}))
    assert _entrance({}, some, {}).admit(ANN, 0.0) == Admitted(ENDS, None)
    assert _entrance({"people": ["ann"]}, some).admit(ANN, 0.0) == Admitted(math.inf, None)


def test_a_grant_for_a_toolset_without_an_audience_is_said_to_change_nothing() -> None:
    notices = said(sound({"members": BOTH}, {"grants/g.yaml": GRANT}).notices)
    assert 'grants/g.yaml: toolset: toolset "desk" has no audience' in notices
