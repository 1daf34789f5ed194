"""Property: a slice decides what all policies together decide, and a listing never hides what may be called."""

import itertools
import json
import random
from collections.abc import Iterator
from functools import cache

import pytest

from tallystick.policy import Slice, decide
from tallystick.policy.cedar import Entities, PolicySet, evaluate, parse_policies
from tallystick.policy.decide import principal_entity
from tallystick.policy.model import Uid
from tallystick.terms import Caller, ToolId
from tests.policy.bank import BANK, ERA, RISK, caller, compiled

PRINCIPALS = ["principal", 'principal in Group::"clerks"', "principal is Agent", 'principal == User::"ann"']
ACTIONS = [
    "action",
    'action in Action::"call"',
    'action in Action::"write"',
    'action in Action::"read"',
    'action in [Action::"use", Action::"execute"]',
    'action == Action::"bank/pay"',
    'action == Action::"connect"',
]
RESOURCES = [
    "resource",
    'resource in Server::"bank"',
    'resource in Tenant::"group"',
    "resource is Tool",
    "resource is Server",
]
CONDITIONS = [
    "",
    'when { context.arguments has to && context.arguments.to == "x" }',
    'when { principal.client == "desk" && context.arguments has urgent && context.arguments.urgent }',
    'unless { context.arguments has to || principal.actors.contains("bot") }',
    'when { if context.arguments has id then principal.client == "desk" else principal has agent }',
    'when { principal has agent && principal.agent == "bot" } unless { context.era == "old" }',
]
CALLERS = [
    caller(),
    caller(groups=()),
    caller(kind="agent", client="other"),
    caller(subject="bob", actors=("bot", "robot")),
]
ARGUMENTS: list[dict[str, object]] = [
    {"amount_minor": 1, "to": "x", "urgent": True, "id": "1"},
    {"amount_minor": 1, "to": "y", "urgent": False},
    {"amount_minor": 1, "id": "1"},
]


def _policies(chance: random.Random) -> Iterator[tuple[str, str]]:
    for number in range(chance.randint(1, 12)):
        scope = ", ".join(chance.choice(part) for part in (PRINCIPALS, ACTIONS, RESOURCES))
        effect = chance.choice(["permit", "permit", "forbid"])
        text = f"{effect}({scope}) {chance.choice(CONDITIONS)};"
        if _is_sound(text):
            yield f"p{number}", f'@id("p{number}") {text}'


def _whole(texts: list[tuple[str, str]]) -> PolicySet:
    bodies = parse_policies("".join(text for _, text in texts))
    assert not isinstance(bodies, str)
    return PolicySet({name: body for (name, _), body in zip(texts, bodies, strict=True)})


def _directly(
    policies: PolicySet, part: Slice, who: Caller, arguments: dict[str, object]
) -> tuple[str, tuple[str, ...]]:
    principal = Uid("User" if who.kind == "person" else "Agent", who.subject)
    entities = part.entities.plus(principal_entity(who, principal))
    assert isinstance(entities, Entities)
    seen = {name: value for name, value in arguments.items() if name in part.arguments.members}
    context = json.dumps({"era": ERA, "arguments": seen})
    verdict = evaluate((principal, part.action, part.resource), context, policies, entities)
    assert verdict.errors == ()
    return verdict.effect, verdict.policy_ids


@pytest.mark.parametrize("seed", range(20))
def test_a_slice_decides_what_all_policies_together_decide(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - generated test cases, no secret
    texts = list(_policies(chance))
    bundle = compiled("".join(text for _, text in texts))
    whole = _whole(texts)
    parts = [
        bundle.tool(BANK, ToolId("pay")),
        bundle.tool(BANK, ToolId("get_account")),
        bundle.tool(RISK, ToolId("score")),
        bundle.method(BANK, "prompts/get"),
        bundle.connect_toolset("desk"),
    ]
    for part, who, arguments in itertools.product(parts, CALLERS, ARGUMENTS):
        decision = decide(part, who, arguments, ERA)
        assert (decision.effect, decision.policy_ids) == _directly(whole, part, who, arguments)
        if decision.effect == "allow":
            assert decide(part, who, None, ERA).effect == "allow"


@cache
def _is_sound(text: str) -> bool:
    """Some generated combinations of scopes can never match, which is refused elsewhere."""
    try:
        compiled(f'@id("p") {text}')
    except AssertionError:
        return False
    return True
