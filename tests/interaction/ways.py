"""The axes that every call test runs over: protocol version, transport to the server, kind of route."""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import pytest

from tests.interaction.stage import ERAS, MODERN


@dataclass(frozen=True, slots=True)
class Way:
    """One combination. `server` is the desk at its end, `prefix` what the route puts before its tools' names."""

    era: str
    transport: Literal["http", "stdio"]
    kind: Literal["server", "toolset"]

    @property
    def server(self) -> str:
        """The server behind the route."""
        return "desk" if self.transport == "http" else "line"

    @property
    def small(self) -> str:
        """The server over the same transport whose limits are small."""
        return "small" if self.transport == "http" else "small-line"

    @property
    def route(self) -> str:
        """The route to it."""
        return f"servers/{self.server}" if self.kind == "server" else f"toolsets/{self.server}s"

    @property
    def prefix(self) -> str:
        """What stands before a tool's own name."""
        return "" if self.kind == "server" else f"{self.server}__"

    @property
    def is_modern(self) -> bool:
        """Whether the era has no sessions."""
        return self.era == MODERN


_KINDS: tuple[Literal["server", "toolset"], ...] = ("server", "toolset")
_TRANSPORTS: tuple[Literal["http", "stdio"], ...] = ("http", "stdio")
WAYS = [Way(era, transport, kind) for era, transport, kind in product(ERAS, _TRANSPORTS, _KINDS)]

every_way = pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way.era}-{way.transport}-{way.kind}")
over_each_transport = pytest.mark.parametrize(
    "way", [way for way in WAYS if way.kind == "server"], ids=lambda way: f"{way.era}-{way.transport}"
)
every_way_at_once = pytest.mark.parametrize("ways", [[way for way in WAYS if way.era == era] for era in ERAS], ids=ERAS)
"""All ways of an era in one test: for tests whose time is spent waiting until the record is published."""
with_sessions = pytest.mark.parametrize("era", ERAS[1:])
every_era = pytest.mark.parametrize("era", ERAS)
