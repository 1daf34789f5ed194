"""The axes of bridging: the client's era, the server's, and the transport between the gateway and the server."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import pytest

from tests.interaction.one_era import NEW, OLD, VERSIONS, Era
from tests.interaction.stage import MODERN

SESSIONS = "2025-11-25"


@dataclass(frozen=True, slots=True)
class Crossing:
    """One combination. `speaks` is the only era of the server."""

    era: str
    speaks: Era
    transport: Literal["http", "stdio"]

    @property
    def server(self) -> str:
        """The server at its end."""
        return self.speaks if self.transport == "http" else f"{self.speaks}-line"

    @property
    def route(self) -> str:
        """The route to it."""
        return f"servers/{self.server}"

    @property
    def version(self) -> str:
        """What the server speaks."""
        return VERSIONS[self.speaks]

    @property
    def is_modern(self) -> bool:
        """Whether the client has no sessions."""
        return self.era == MODERN

    def __str__(self) -> str:
        return f"{'new' if self.is_modern else 'old'}-client-{self.speaks}-{self.transport}"


_SERVED: tuple[Era, ...] = (OLD, NEW)
_TRANSPORTS: tuple[Literal["http", "stdio"], ...] = ("http", "stdio")
CROSSINGS = [Crossing(*each) for each in product((MODERN, SESSIONS), _SERVED, _TRANSPORTS)]

every_crossing = pytest.mark.parametrize("crossing", CROSSINGS, ids=str)
over_http = pytest.mark.parametrize("crossing", [each for each in CROSSINGS if each.transport == "http"], ids=str)
for_new_clients = pytest.mark.parametrize("crossing", [each for each in CROSSINGS if each.is_modern], ids=str)
for_old_clients = pytest.mark.parametrize("crossing", [each for each in CROSSINGS if not each.is_modern], ids=str)

both_eras = pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
"""The SDK warns of what only the older era has: logging levels, subscriptions to one resource, sampling, roots."""
