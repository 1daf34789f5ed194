"""What a toolset chooses, leaves out, and does without."""

import pytest

from tests.toolsets.bank import BOTH, Json, desk, names, said, sound

EVERYTHING = ["bank__get", "bank__pay", "risk__get", "risk__score"]
CHOICES: list[tuple[Json, list[str]]] = [
    ({"members": BOTH}, EVERYTHING),
    ({"members": [{"server": "bank", "tools": ["pay"]}]}, ["bank__pay"]),
    ({"members": [{"server": "bank", "tools": []}]}, []),
    ({"include": [{"servers": ["ri*"]}]}, ["risk__get", "risk__score"]),
    ({"include": [{"labels": ["accounts", "none"]}]}, ["bank__get", "risk__score"]),
    ({"include": [{"operations": ["write", "delete"]}]}, ["bank__pay"]),
    ({"include": [{"risks": ["low"]}]}, ["bank__get", "risk__score"]),
    ({"include": [{"tools": ["*et", "sc*"]}]}, ["bank__get", "risk__get", "risk__score"]),
    ({"include": [{"servers": ["risk"], "risks": ["medium"]}, {"labels": ["payments"]}]}, ["risk__get", "bank__pay"]),
    ({"include": [{"tools": []}], "members": [{"server": "bank", "tools": ["get"]}]}, ["bank__get"]),
    ({"members": BOTH, "exclude": [{"tools": ["get"]}]}, ["bank__pay", "risk__score"]),
    ({"members": BOTH, "exclude": [{"servers": ["bank"]}]}, ["risk__get", "risk__score"]),
    ({"members": BOTH, "exclude": [{"labels": ["models"]}, {"operations": ["write"]}]}, ["bank__get", "risk__get"]),
    ({"members": BOTH, "exclude": [{"servers": ["bank"], "prompts": ["*"]}]}, EVERYTHING),
    ({"members": BOTH, "exclude": [{"risks": ["critical"]}]}, EVERYTHING),
]


@pytest.mark.parametrize(("toolset", "expected"), CHOICES)
def test_a_toolset_offers_what_its_rules_choose(toolset: Json, expected: list[str]) -> None:
    assert names(sound(toolset)) == expected


def test_a_server_of_another_tenant_is_never_chosen() -> None:
    elsewhere = {"servers/risk.yaml": {"tenant": "other"}}
    assert names(sound({"include": [{"tools": ["*"]}]}, elsewhere)) == ["bank__get", "bank__pay"]
    problems = desk({"members": BOTH}, elsewhere)
    assert isinstance(problems, tuple)
    assert 'server "risk" belongs to tenant "other"' in said(problems)


@pytest.mark.parametrize(
    ("toolset", "notice"),
    [
        (
            {"members": [*BOTH, {"server": "bnak"}]},
            'members[2].server: there is no server "bnak"; did you mean "bank"?',
        ),
        (
            {"members": [{"server": "bank", "tools": ["get", "payy"]}]},
            'no known tool of bank "payy"; did you mean "pay"?',
        ),
        ({"members": BOTH, "include": [{"labels": ["typo"]}]}, "include[0]: chooses nothing that is known"),
        (
            {"members": BOTH, "overrides": {"tools": {"bank/wipe": {"title": "x"}}}},
            'overrides.tools "bank/wipe": changes',
        ),
    ],
)
def test_a_toolset_stays_up_without_what_is_missing_and_says_so(toolset: Json, notice: str) -> None:
    publication = sound(toolset)
    assert "bank__get" in names(publication)
    assert notice in said(publication.notices)


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_a_toolset_stays_up_without_a_server_that_is_not_approved_and_says_so(state: str) -> None:
    publication = sound({"members": BOTH}, {"servers/risk.yaml": {"state": state}})
    assert names(publication) == ["bank__get", "bank__pay"]
    assert f'server "risk" is {state}, so nothing of it is offered' in said(publication.notices)


@pytest.mark.parametrize(("held", "what"), [("get", 'its tool "get"'), ("*", "all of it")])
def test_what_is_quarantined_keeps_its_name_and_is_said(held: str, what: str) -> None:
    quarantined = {held: {"since": "2026-01-01T00:00:00Z", "digest": "sha256:0", "why": "it says otherwise"}}
    publication = sound({"members": BOTH}, {"pins/risk.json": {"quarantined": quarantined}})
    assert "risk__get" in names(publication)
    assert f"so {what} is held back: it says otherwise" in said(publication.notices)


def test_a_server_that_was_never_pinned_offers_nothing_and_is_said() -> None:
    new = {"tenant": "retail", "transport": {"http": {"url": "https://new.example/mcp"}}}
    publication = sound({"members": [*BOTH, {"server": "new"}]}, {"servers/new.yaml": new})
    assert len(names(publication)) == 4
    assert 'server "new" was never pinned' in said(publication.notices)
