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
    conversation. `closed_methods`: methods that this revision does not have, although another one does.
    """

    version: str
    sessions: bool
    mirrored: bool
    disconnect_cancels: bool
    opening: str
    closed_methods: frozenset[str]


_ONLY_LEGACY: Final = frozenset(
    {
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/list",
        "tasks/result",
        "notifications/initialized",
        "notifications/roots/list_changed",
    }
)
_ONLY_MODERN: Final = frozenset({"server/discover", "subscriptions/listen"})

MODERN: Final = "2026-07-28"
"""The stateless revision: one POST is one request."""

ERAS: Final[dict[str, Era]] = {
    MODERN: Era(
        MODERN,
        sessions=False,
        mirrored=True,
        disconnect_cancels=True,
        opening="server/discover",
        closed_methods=_ONLY_LEGACY,
    ),
    "2025-11-25": Era(
        "2025-11-25",
        sessions=True,
        mirrored=False,
        disconnect_cancels=False,
        opening="initialize",
        closed_methods=_ONLY_MODERN,
    ),
    "2025-06-18": Era(
        "2025-06-18",
        sessions=True,
        mirrored=False,
        disconnect_cancels=False,
        opening="initialize",
        closed_methods=_ONLY_MODERN,
    ),
}

NEWEST_SESSION_VERSION: Final = "2025-11-25"
"""What `initialize` answers to a version we do not speak (2025-11-25, lifecycle: the server names one it supports)."""


def negotiate(wanted: object) -> Era:
    """Return the era that `initialize` agrees on: the wanted one where it has sessions, else the newest with them."""
    era = ERAS.get(wanted) if isinstance(wanted, str) else None
    return era if era is not None and era.sessions else ERAS[NEWEST_SESSION_VERSION]
