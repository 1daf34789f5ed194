"""A small bank for the policy tests: its facts, its callers, and short ways to compile and ask."""

from collections.abc import Mapping, Sequence

from tallystick.policy import (
    Facts,
    PolicyBundle,
    ServerFacts,
    TenantFacts,
    ToolFacts,
    ToolsetFacts,
    compile_policies,
    decide,
)
from tallystick.settings import Problem
from tallystick.terms import Caller, Decision, ServerId, TenantId, ToolId

GROUP, RETAIL = TenantId("group"), TenantId("retail")
BANK, RISK = ServerId("bank"), ServerId("risk")
ERA = "2026-07-28"

PAY_SCHEMA: Mapping[str, object] = {
    "type": "object",
    "properties": {
        "amount_minor": {"type": "integer"},
        "to": {"type": "string"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "rate": {"type": "number"},
        "urgent": {"type": "boolean"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "payee": {"type": "object", "properties": {"country": {"type": "string"}}, "required": ["country"]},
        "extra": {"type": "object"},
    },
    "required": ["amount_minor", "to"],
}


def tool(
    server: ServerId, name: str, shape: tuple[str, str, tuple[str, ...]], schema: Mapping[str, object]
) -> ToolFacts:
    operation, risk, labels = shape
    return ToolFacts(RETAIL, server, ToolId(name), operation, risk, labels, schema)


FACTS = Facts(
    tenants=(TenantFacts(GROUP), TenantFacts(RETAIL, GROUP)),
    servers=(ServerFacts(RETAIL, BANK), ServerFacts(RETAIL, RISK)),
    toolsets=(ToolsetFacts(RETAIL, "desk"),),
    tools=(
        tool(BANK, "get_account", ("read", "low", ("customer",)), {"properties": {"id": {"type": "string"}}}),
        tool(BANK, "pay", ("write", "high", ("money", "customer")), PAY_SCHEMA),
        tool(RISK, "score", ("execute", "medium", ()), {"properties": {"id": {"type": "string"}}}),
    ),
)


def compiled(text: str, facts: Facts = FACTS) -> PolicyBundle:
    answer = compile_policies({"policies/a.cedar": text}, facts)
    assert isinstance(answer, PolicyBundle), [str(problem) for problem in answer]
    return answer


def problems(text: str, facts: Facts = FACTS) -> Sequence[Problem]:
    answer = compile_policies({"policies/a.cedar": text}, facts)
    assert isinstance(answer, tuple)
    return answer


def caller(**changes: object) -> Caller:
    """Return Ann, a clerk of retail, with some members changed; the authority follows from what is changed."""
    groups, actors, claims = changes.get("groups", ("clerks",)), changes.get("actors", ()), changes.get("claims", {})
    assert isinstance(groups, tuple)
    assert isinstance(actors, tuple)
    assert isinstance(claims, Mapping)
    return Caller(
        subject=str(changes.get("subject", "ann")),
        kind="agent" if changes.get("kind") == "agent" else "person",
        tenant=TenantId(str(changes.get("tenant", RETAIL))),
        issuer=str(changes.get("issuer", "https://idp.example")),
        client=str(changes.get("client", "desk")),
        authority=repr(sorted(changes.items())),
        expires_at=2e9,
        actors=tuple(str(actor) for actor in actors),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - object narrowed to tuple
        groups=tuple(str(group) for group in groups),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - object narrowed to tuple
        claims={str(key): value for key, value in claims.items()},  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - object narrowed to Mapping
    )


ANN = caller()


def pay(bundle: PolicyBundle, arguments: Mapping[str, object] | None, who: Caller = ANN) -> Decision:
    return decide(bundle.tool(BANK, ToolId("pay")), who, arguments, ERA)
