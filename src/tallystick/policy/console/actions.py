"""Everything that can be done at the console, as `<noun>:<verb>`; in Cedar, Action::"console/<noun>:<verb>".

Pure data. Each action is in one of three groups: `console/read`, `console/oversight` (what only an auditor sees) and
`console/change`; all are in `console`.
"""

from typing import Final

NOUNS: Final[dict[str, str]] = {
    "Tenant": "tenant",
    "Issuer": "issuer",
    "Server": "server",
    "Pin": "pin",
    "Toolset": "toolset",
    "Policy": "policy",
    "Grant": "grant",
    "Agent": "agent",
    "Role": "role",
    "Webhook": "webhook",
    "Secret": "secret",
}
"""Kind of a resource -> the noun of its actions."""

STEPS: Final = ("submit", "approve", "reject", "renew", "suspend", "reinstate", "retire")
"""Verbs of the lifecycle."""

_READ: Final = (
    *(f"{noun}:{verb}" for noun in NOUNS.values() for verb in ("list", "get", "history")),
    *(f"{noun}:reviews" for noun in ("server", "grant")),
    "server:definition",
    "state:changes",
    "state:export",
    "state:plan",
    "state:revision",
    "state:search",
    "state:snapshot",
)
_OVERSIGHT: Final = ("record:search", "denial:search", "review:list")
_CHANGE: Final = (
    *(f"{noun}:{verb}" for noun in NOUNS.values() for verb in ("put", "delete")),
    *(f"{noun}:{verb}" for noun in ("server", "grant") for verb in STEPS),
    "server:scan",
)

READING: Final[frozenset[str]] = frozenset((*_READ, *_OVERSIGHT))
"""Actions that change nothing."""
CHANGING: Final[frozenset[str]] = frozenset(_CHANGE)
"""Actions that change something."""
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "console/read": _READ,
    "console/oversight": _OVERSIGHT,
    "console/change": _CHANGE,
}
ACTIONS: Final[tuple[str, ...]] = (*_READ, *_OVERSIGHT, *_CHANGE)


def action_of(kind: str, verb: str) -> str:
    """Return the action of a verb on a kind of resource."""
    return f"{NOUNS[kind]}:{verb}"
