"""The eras of MCP as a table: what differs between protocol revisions is a field here, never an `if` elsewhere.

Sources: MCP 2026-07-28 (basic/index, basic/transports/streamable-http), 2025-11-25 and 2025-06-18 (basic/transports,
lifecycle).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Era:
    """One protocol revision.

    `sessions`: requests belong to a session opened by `initialize`. `mirrored`: routing headers must repeat the body.
    `disconnect_cancels`: closing the response stream cancels the request. `opening`: the method that opens a
    conversation. `closed_methods`: methods, either way, that are not spoken in this revision, although another one has
    them. `elicits_at_url`: a user can be sent to a URL, and questions come in modes and kinds. `corrects`: arguments
    that do not fit are told as a failure of the tool, so that a model sees them and tries again (SEP-1303).
    """

    version: str
    sessions: bool
    mirrored: bool
    disconnect_cancels: bool
    opening: str
    closed_methods: frozenset[str]
    elicits_at_url: bool = True
    corrects: bool = True


_ONLY_SESSIONS: Final = frozenset(
    {
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "notifications/initialized",
        "notifications/roots/list_changed",
        "notifications/elicitation/complete",
        "notifications/tasks/status",
    }
)
_ONLY_MODERN: Final = frozenset(
    {
        "server/discover",
        "subscriptions/listen",
        "notifications/subscriptions/acknowledged",
        "notifications/tasks",
    }
)
_TASKS: Final = frozenset({"tasks/get", "tasks/update", "tasks/cancel"})
"""Methods of the tasks extension of 2026-07-28."""
_CORE_TASKS: Final = frozenset({"tasks/list", "tasks/result"})
"""What was left out when tasks became an extension. 2025-11-25's experiment shares names with it and nothing else, so a
session era has no tasks here: its `tasks` capability is never shown."""

MODERN: Final = "2026-07-28"
"""The stateless revision: one POST is one request."""

ERAS: Final[dict[str, Era]] = {
    MODERN: Era(
        MODERN,
        sessions=False,
        mirrored=True,
        disconnect_cancels=True,
        opening="server/discover",
        closed_methods=_ONLY_SESSIONS | _CORE_TASKS,
    ),
    "2025-11-25": Era(
        "2025-11-25",
        sessions=True,
        mirrored=False,
        disconnect_cancels=False,
        opening="initialize",
        closed_methods=_ONLY_MODERN | _TASKS | _CORE_TASKS,
    ),
    "2025-06-18": Era(
        "2025-06-18",
        sessions=True,
        mirrored=False,
        disconnect_cancels=False,
        opening="initialize",
        closed_methods=_ONLY_MODERN | _TASKS | _CORE_TASKS | {"notifications/elicitation/complete"},
        elicits_at_url=False,
        corrects=False,
    ),
}

NEWEST_SESSION_VERSION: Final = "2025-11-25"
"""What `initialize` answers to a version we do not speak (2025-11-25, lifecycle: the server names one it supports)."""


def negotiate(wanted: object) -> Era:
    """Return the era that `initialize` agrees on: the wanted one where it has sessions, else the newest with them."""
    era = ERAS.get(wanted) if isinstance(wanted, str) else None
    return era if era is not None and era.sessions else ERAS[NEWEST_SESSION_VERSION]
