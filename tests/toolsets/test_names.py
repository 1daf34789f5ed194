"""Published names: a collision is settled as the toolset says, or it is a problem, and never anything else."""

import random

import pytest

from tallystick.registry.toolset import CONFLICTS
from tallystick.settings import Problem
from tallystick.toolsets import Publication
from tests.toolsets.bank import BOTH, Json, desk, names, said, sound


def test_priority_lets_the_first_server_win_and_says_who_lost() -> None:
    publication = sound({"members": BOTH, "conflicts": "priority", "priority": ["risk", "bank"]})
    assert {entry.name: entry.server for entry in publication.tools} == {"pay": "bank", "get": "risk", "score": "risk"}
    assert 'the tool "get" of bank is not offered: risk has the name by priority' in said(publication.notices)


def test_priority_that_names_one_of_two_is_enough_and_one_that_names_neither_is_not() -> None:
    publication = sound({"members": BOTH, "conflicts": "priority", "priority": ["bank"]})
    assert {entry.server for entry in publication.tools if entry.name == "get"} == {"bank"}
    problems = desk({"members": BOTH, "conflicts": "priority", "priority": ["elsewhere"]})
    assert isinstance(problems, tuple)
    assert 'the tool name "get" is wanted by "get" of bank and "get" of risk' in said(problems)


def test_a_winner_that_is_suspended_leaves_its_name_to_nobody() -> None:
    rules: Json = {"members": BOTH, "conflicts": "priority", "priority": ["risk", "bank"]}
    assert names(sound(rules, {"servers/risk.yaml": {"state": "suspended"}})) == ["pay"]


def test_manual_wants_every_collision_settled_by_an_override() -> None:
    assert "give one of them another name in `overrides`" in said(_problems({"members": BOTH, "conflicts": "manual"}))
    overrides = {"tools": {"risk/get": {"name": "get_risk"}}}
    publication = sound({"members": BOTH, "conflicts": "manual", "overrides": overrides})
    assert names(publication) == ["get", "pay", "get_risk", "score"]


def test_reject_allows_no_two_of_one_name_even_where_one_is_renamed() -> None:
    overrides = {"tools": {"risk/get": {"name": "get_risk"}}}
    assert "leave one of them out" in said(_problems({"members": BOTH, "conflicts": "reject", "overrides": overrides}))
    apart: list[Json] = [{"server": "bank", "tools": ["pay"]}, {"server": "risk"}]
    assert names(sound({"members": apart, "conflicts": "reject"})) == ["pay", "get", "score"]


@pytest.mark.parametrize("conflicts", ["prefix", "manual", "reject"])
def test_an_override_can_make_a_collision_too(conflicts: str) -> None:
    overrides = {"tools": {"bank/pay": {"name": "move"}, "risk/score": {"name": "move"}}}
    problems = _problems({"members": BOTH, "conflicts": conflicts, "overrides": overrides})
    assert 'the tool name "move" is wanted by "pay" of bank and "score" of risk' in said(problems)


def test_a_renamed_tool_may_not_take_a_prefixed_name_unseen() -> None:
    overrides = {"tools": {"bank/pay": {"name": "risk__get"}}}
    assert '"risk__get" is wanted by' in said(_problems({"members": BOTH, "overrides": overrides}))


def test_prompts_have_names_of_their_own_under_the_same_rule() -> None:
    both: list[Json] = [{"server": name, "prompts": ["*"], "tools": []} for name in ("bank", "risk")]
    assert [prompt.name for prompt in sound({"members": both}).prompts] == ["bank__greet", "bank__close", "risk__greet"]
    by_priority = sound({"members": both, "conflicts": "priority", "priority": ["risk"]})
    assert {prompt.name: prompt.server for prompt in by_priority.prompts} == {"greet": "risk", "close": "bank"}
    assert 'the prompt "greet" of bank is not offered' in said(by_priority.notices)
    assert 'the prompt name "greet" is wanted' in said(_problems({"members": both, "conflicts": "reject"}))


def test_a_uri_that_two_servers_offer_is_a_collision_that_no_prefix_parts() -> None:
    both: list[Json] = [{"server": name, "resources": ["bank://*"]} for name in ("bank", "risk")]
    assert "say in `overrides.resources` whose `server` it is" in said(_problems({"members": both}))
    owned = {"resources": {"bank://rates/{name}": {"server": "risk", "title": "Rates"}}}
    (template,) = sound({"members": both, "overrides": owned}).resources.templates
    assert (template.server, template.definition["title"]) == ("risk", "Rates")


@pytest.mark.parametrize("name", ["bank__PAY", "bank--pay", "bank_pay"])
def test_names_that_are_easily_taken_for_one_another_are_said(name: str) -> None:
    overrides = {"tools": {"risk/score": {"name": name}}}
    publication = sound({"members": BOTH, "overrides": overrides})
    assert f"the tool names bank__pay and {name} are easily taken for one another" in said(publication.notices)


def _problems(toolset: Json) -> tuple[Problem, ...]:
    problems = desk(toolset)
    assert isinstance(problems, tuple)
    return problems


def _random_toolset(dice: random.Random) -> Json:
    own = ["get", "pay", "score", "bank__get", "risk__get", "move"]
    members: list[Json] = []
    for server in dice.sample(["bank", "risk"], dice.randint(1, 2)):
        member: Json = {"server": server}
        if dice.random() < 0.5:
            member["prompts"] = ["*"]
        if dice.random() < 0.3:
            member["tools"] = dice.sample(["get", "pay", "score"], 2)
        members.append(member)
    conflicts = dice.choice(CONFLICTS)
    overrides: Json = {
        f"{server}/{name}": {"name": dice.choice(own)}
        for server in ("bank", "risk")
        for name in ("get", "pay", "score")
        if dice.random() < 0.3
    }
    prompts: Json = {"bank/greet": {"name": dice.choice(["greet", "close", "hello"])}} if dice.random() < 0.4 else {}
    toolset: Json = {
        "members": members,
        "conflicts": conflicts,
        "include": [{"tools": [dice.choice(["g*", "*e*", "pay"])]}] if dice.random() < 0.4 else [],
        "exclude": [{"servers": ["risk"], "tools": ["get"]}] if dice.random() < 0.2 else [],
        "overrides": {"tools": overrides, "prompts": prompts},
    }
    if conflicts == "priority":
        toolset["priority"] = dice.sample(["bank", "risk"], dice.randint(1, 2))
    return toolset


def test_no_two_published_names_collide_whatever_is_selected() -> None:
    dice = random.Random(20261121)  # noqa: S311 - the same selections each time
    published = refused = 0
    for _ in range(300):
        toolset = _random_toolset(dice)
        answer = desk(toolset)
        if not isinstance(answer, Publication):
            assert "is wanted by" in said(answer)
            refused += 1
            continue
        published += 1
        for found in (names(answer), [prompt.name for prompt in answer.prompts]):
            assert len(found) == len(set(found)), toolset
        # Nothing has gone silently: what was chosen and is not published is named as a loser.
        lost = said(answer.notices).count("is not offered: ")
        whole = desk({**toolset, "conflicts": "prefix", "priority": [], "overrides": {}})
        assert isinstance(whole, Publication)
        assert len(whole.tools) + len(whole.prompts) == len(answer.tools) + len(answer.prompts) + lost, toolset
    assert published > 50
    assert refused > 50
