"""Questions to the index, as SQL with parameters. Pure."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Final

COLUMNS: Final = (
    "log", "index", "ts", "kind", "tenant", "person", "agent", "client", "server", "tool", "method", "decision",
    "outcome", "reasons", "policies", "amount", "currency", "call", "trace",
)  # fmt: skip
"""What a found record tells. `outcome` is that of the whole call, for an intent too; `amount` is decimal text."""

_OUTCOME: Final = "COALESCE(r.outcome, o.outcome, CASE o.kind WHEN 'in_doubt' THEN 'in_doubt' END)"
_EQUAL: Final = {
    "person": "r.person", "agent": "r.agent", "client": "r.client", "server": "r.server", "tool": "r.tool",
    "tenant": "r.tenant", "kind": "r.kind", "decision": "r.decision", "outcome": _OUTCOME, "call": "r.call",
    "trace": "r.trace", "subject": "r.subject", "currency": "r.currency",
}  # fmt: skip
"""What must be equal, and the column that it is compared with."""

_SELECT: Final = (
    "SELECT r.log, r.number, r.ts, r.kind, r.tenant, r.person, r.agent, r.client, "  # noqa: S608 - made of constants
    "r.server, r.tool, r.method, "
    f"r.decision, {_OUTCOME}, TRIM(COALESCE(r.reasons, '')), TRIM(COALESCE(r.policies, '')), r.amount, "
    "r.currency, r.call, r.trace FROM record r "
    # Said, because a planner without statistics takes the primary key and reads the whole log for each record.
    "LEFT JOIN record o INDEXED BY by_intent ON o.log = r.log AND o.intent = r.number AND r.kind = 'intent'"
)


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; a part that is None does not matter.

    `since` and `until` are RFC 3339 texts in UTC (or their beginnings), `until` exclusive; amounts are millionths.
    Outcomes are told with their calls, not as records of their own, unless `kind` asks for them.
    """

    person: str | None = None
    agent: str | None = None
    client: str | None = None
    server: str | None = None
    tool: str | None = None
    tenant: str | None = None
    kind: str | None = None
    decision: str | None = None
    outcome: str | None = None
    call: str | None = None
    trace: str | None = None
    subject: str | None = None
    currency: str | None = None
    policy: str | None = None
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    _: KW_ONLY
    amount_from: int | None = None
    amount_to: int | None = None
    newest_first: bool = True
    limit: int = 100


def sql(query: Query) -> tuple[str, list[str | int]]:
    """Statement and parameters of a query."""
    found = [*_conditions(query)]
    if query.kind is None:
        found.append(("r.kind NOT IN ('outcome', 'in_doubt') OR r.intent IS NULL", ()))
    where = " AND ".join(f"({text})" for text, _ in found) or "1"
    direction = "DESC" if query.newest_first else "ASC"
    # Only constants are put together here; every value is a parameter.
    order = f"ORDER BY r.ts {direction}, r.number {direction} LIMIT ?"
    statement = f"{_SELECT} WHERE {where} {order}"
    return statement, [value for _, values in found for value in values] + [query.limit]


def counting(query: Query) -> tuple[str, list[str | int]]:
    """Statement and parameters that count what fits a query, whatever its limit is."""
    statement, values = sql(replace(query, limit=-1))
    return f"SELECT COUNT(*) FROM ({statement})", values  # noqa: S608 - put together by `sql`


def _conditions(query: Query) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    for name, column in _EQUAL.items():
        value: object = getattr(query, name)
        if isinstance(value, str):
            yield f"{column} = ?", (value,)
    for column, word in (("r.policies", query.policy), ("r.reasons", query.reason)):
        if word is not None:
            yield f"instr({column}, ?) > 0", (f" {word} ",)
    bounds = (
        ("r.ts >= ?", query.since),
        ("r.ts < ?", query.until),
        ("r.amount >= ?", query.amount_from),
        ("r.amount <= ?", query.amount_to),
    )
    for text, bound in bounds:
        if bound is not None:
            yield text, (bound,)
