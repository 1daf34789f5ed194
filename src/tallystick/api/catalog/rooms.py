"""What the catalog is given. Narrow on purpose: it reads what is published, and changes drafts through one way only."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from tallystick.control import model
from tallystick.snapshot import Snapshot
from tallystick.terms import ServerId, TenantId, ToolId

Action = Literal["server:put", "server:suspend"]
"""What the publish side asks permission for, as the console names it."""


class Declined(NamedTuple):
    """A request that ends here, with its status of HTTP and a sentence. Never holds inner detail."""

    status: int
    text: str
    headers: Mapping[str, str] = {}


def _nothing_held(_server: ServerId, _tool: ToolId | None) -> bool:
    return False


async def _everybody(_authorization: bytes | None, _tenant: TenantId) -> None:
    """Let everybody read, as VS Code and Copilot do: they send no token."""


@dataclass(frozen=True, slots=True)
class CatalogRooms:
    """What the catalog works with.

    `resources` are those of the newest published revision, `snapshot` what the gateway serves: an entry needs both to
    say that it is approved. `held` tells whether a tool, or with None a whole server, is quarantined right now.
    `gateway_url` is where clients reach the gateway, without a trailing slash; `namespace` begins every entry's name.
    `reader` refuses who may not read a tenant's catalog; `publisher` says who changes something, or why nobody may;
    `commit` makes a change and returns once it is in force.
    """

    resources: Callable[[], Awaitable[Mapping[model.Key, model.Resource]]]
    snapshot: Callable[[], Snapshot | None]
    gateway_url: str
    namespace: str
    publisher: Callable[[bytes | None, TenantId, Action, model.Key], Awaitable[model.Actor | Declined]]
    commit: Callable[[Sequence[model.Change], model.Actor, str], Awaitable[model.Committed | Declined]]
    held: Callable[[ServerId, ToolId | None], bool] = field(default=_nothing_held)
    reader: Callable[[bytes | None, TenantId], Awaitable[Declined | None]] = field(default=_everybody)


JSON: Final = "application/json"
NOT_FOUND: Final = Declined(404, "Server not found")
