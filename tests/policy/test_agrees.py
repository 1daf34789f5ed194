"""Property: compiling fast, and only what changed, finds the problems and the policies that the plain way finds."""

import random
from collections.abc import Mapping

import pytest

from tallystick.policy import (
    Facts,
    PolicyBundle,
    PolicyCompiler,
    ServerFacts,
    TenantFacts,
    ToolFacts,
    ToolsetFacts,
    compile_policies,
)
from tallystick.policy.model import Uid
from tallystick.settings import Problem
from tallystick.terms import ServerId, TenantId, ToolId
from tests.policy.reference import Names, compile_plainly

TENANTS = (
    TenantFacts(TenantId("group")),
    TenantFacts(TenantId("retail"), TenantId("group")),
    TenantFacts(TenantId("cards"), TenantId("retail")),
    TenantFacts(TenantId("empty")),
)
KINDS: list[dict[str, object]] = [
    {"amount": {"type": "integer"}, "to": {"type": "string"}},
    {"amount": {"type": "number"}},
    {"to": {"type": "string"}, "deep": {"type": "object", "properties": {"x": {"type": "string"}}}},
    {"other": {"type": "boolean"}},
    {},
]
PRINCIPALS = ["principal", 'principal in Group::"g"', "principal is Agent"]
ACTIONS = [
    "action",
    'action in Action::"call"',
    'action in Action::"read"',
    'action in [Action::"write", Action::"connect"]',
    'action in [Action::"delete", Action::"s1/a"]',
    'action == Action::"s0/a"',
    'action == Action::"s1/b"',
    'action in Action::"s2/a"',
    'action == Action::"connect"',
    'action == Action::"mcp/prompts/get"',
    'action in Action::"use"',
]
RESOURCES = [
    "resource",
    'resource in Server::"s0"',
    'resource == Server::"s1"',
    'resource in Tenant::"group"',
    'resource in Tenant::"cards"',
    'resource in Tenant::"empty"',
    "resource is Tool",
    'resource is Tool in Server::"s1"',
    'resource is Toolset in Tenant::"retail"',
    'resource == Tool::"s0/a"',
    'resource in Tool::"s1/b"',
    'resource == Toolset::"t0"',
]
CONDITIONS = [
    "",
    "",
    "when { context.arguments.amount < 5 }",
    "when { context.arguments has amount && context.arguments.amount < 5 }",
    'when { context.arguments has to && context.arguments.to == "x" } unless { principal.client == "y" }',
    "when { context.arguments has deep && context.arguments.deep has x }",
    "when { context.arguments has nothing }",
    'when { context has arguments && context.era == "e" }',
    'when { resource is Tool && resource.risk == "high" }',
    'when { resource is Tool && resource.labels.contains("money") }',
    'when { resource is Tool && resource.labels.contains("money") && !resource.labels.contains("slow") }',
    'unless { resource is Tool && resource.risk == "low" }',
    'unless { resource == Tool::"s0/a" }',
    'when { resource in Server::"s1" && resource is Tool && resource.operation == "write" }',
    'when { resource in Tenant::"empty" }',
    'when { action == Action::"s0/a" || action in Action::"use" }',
    'unless { action == Action::"s1/b" }',
    'when { resource is Tool && resource.rank > 3 && action in Action::"execute" }',
    'when { action in Action::"call" && resource.rank > 3 }',
]
STEPS = 4


def _tools(chance: random.Random, server: ServerFacts) -> list[ToolFacts]:
    return [
        ToolFacts(
            server.tenant,
            server.server,
            ToolId(name),
            chance.choice(["read", "write", "write", "execute"]),
            chance.choice(["low", "high"]),
            tuple(sorted(chance.sample(["money", "slow"], chance.randint(0, 2)))),
            {"properties": (kind := chance.choice(KINDS)), "required": list(kind)[: chance.randint(0, 2)]},
        )
        for name in ["a", "b", "c"][: chance.randint(1, 3)]
    ]


class _Changing:
    """A configuration that changes a little at each step."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - generated test cases, no secret
        owners = [self._chance.choice(TENANTS[:3]).tenant for _ in range(4)]
        self.servers = {ServerId(f"s{number}"): owner for number, owner in enumerate(owners)}
        self.tools = {name: _tools(self._chance, ServerFacts(owner, name)) for name, owner in self.servers.items()}
        self.texts = {f"policies/p{number}.cedar": self._policy(number) for number in range(self._chance.randint(1, 6))}

    def step(self) -> None:
        name = self._chance.choice(list(self.servers))
        number = self._chance.randint(0, 8)
        match self._chance.randint(0, 4):
            case 0:
                self.tools[name] = _tools(self._chance, ServerFacts(self.servers[name], name))
            case 1:
                self.tools[name] = []
            case 2:
                self.texts.pop(f"policies/p{number}.cedar", None)
            case _:
                self.texts[f"policies/p{number}.cedar"] = self._policy(number)

    @property
    def facts(self) -> Facts:
        return Facts(
            TENANTS,
            tuple(ServerFacts(owner, name) for name, owner in self.servers.items()),
            (ToolsetFacts(TenantId("retail"), "t0"),),
            tuple(tool for tools in self.tools.values() for tool in tools),
        )

    def _policy(self, number: int) -> str:
        """Return a policy; of three, two are sound now if a few tries give one."""
        text = self._random(number)
        for _ in range(self._chance.choice([0, 8, 8])):
            if isinstance(compile_policies({"p": text}, self.facts), PolicyBundle):
                break
            text = self._random(number)
        return text

    def _random(self, number: int) -> str:
        scope = ", ".join(self._chance.choice(part) for part in (PRINCIPALS, ACTIONS, RESOURCES))
        effect = self._chance.choice(["permit", "forbid"])
        return f'@id("p{number}") {effect}({scope}) {self._chance.choice(CONDITIONS)};'


def _found(bundle: PolicyBundle, targets: Mapping[tuple[str, Uid], Names]) -> Mapping[tuple[str, Uid], Names]:
    found: dict[tuple[str, Uid], Names] = {}
    for action, resource in targets:
        if resource.type == "Tool":
            server, _, tool = resource.id.partition("/")
            part = bundle.tool(ServerId(server), ToolId(tool))
        elif resource.type == "Toolset":
            part = bundle.connect_toolset(resource.id)
        elif action == "connect":
            part = bundle.connect_server(ServerId(resource.id))
        else:
            part = bundle.method(ServerId(resource.id), action.removeprefix("mcp/"))
        assert (part.action.id, part.resource) == (action, resource)
        found[action, resource] = frozenset(part.policy_ids)
    return found


def _as_set(problems: tuple[Problem, ...]) -> set[str]:
    return {str(problem) for problem in problems}


@pytest.mark.parametrize("seed", range(20))
def test_compiling_only_what_changed_finds_what_the_plain_way_finds(seed: int) -> None:
    changing, compiler = _Changing(seed), PolicyCompiler()
    for _ in range(STEPS):
        expected = compile_plainly(changing.texts, changing.facts)
        answer = compiler.compile(changing.texts, changing.facts)
        if isinstance(expected, tuple):
            assert isinstance(answer, tuple), sorted(_as_set(expected))
            assert _as_set(answer) == _as_set(expected)
            # What is wrong is taken out, so that the next step has something that compiles.
            broken = {problem.file for problem in expected}
            changing.texts = {file: text for file, text in changing.texts.items() if file not in broken}
            expected = compile_plainly(changing.texts, changing.facts)
            answer = compiler.compile(changing.texts, changing.facts)
        assert not isinstance(expected, tuple)
        assert isinstance(answer, PolicyBundle), [str(problem) for problem in answer]
        assert _found(answer, expected) == expected
        changing.step()
