"""What one listener allows, and what its connections share: deadlines, sizes, and how many there may be of whom."""

import resource
from asyncio import AbstractEventLoop, TimerHandle
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final, Literal, Protocol

Cause = Literal[
    "malformed", "framing", "host", "target", "version", "verb", "trailer", "upgrade", "pipelined",
    "head size", "body overhead", "late head", "late body", "connections",
]  # fmt: skip
"""Why the listener refused by itself, as it is counted."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one listener allows; times in seconds, sizes in bytes."""

    head_s: float = 10.0
    """For a request's head, from its first byte; for the first head, from the connection on."""
    body_s: float = 60.0
    """For the body after the head: 4 MiB over a slow line."""
    idle_s: float = 75.0
    """For the next request: longer than the idle limits of usual load balancers, so that they close first."""
    write_s: float = 60.0
    """For a client to take anything of what waits for it; whoever takes some gets as long again."""
    linger_s: float = 2.0
    """For a refused client to read its answer."""
    look_s: float = 1.0
    """Between two looks at the deadlines: how late one may be noticed."""
    target_bytes: int = 8 << 10
    head_bytes: int = 64 << 10
    """A token with hundreds of groups fits."""
    headers: int = 128
    overhead_bytes: int = 64 << 10
    """Of a body: chunk sizes and extensions, which are no content; and what is read on past an early answer."""
    drain_bytes: int = 2 << 20
    """Of a body that was answered before it was whole, so that the answer arrives; more closes."""
    pipelined: int = 8
    """Requests that wait for the answer before theirs."""
    connections: int = 16_384
    per_address: int = 12_288
    """Connections of one remote address (of one /64 in IPv6). High: a proxy in front is one address."""
    slashes_below: bytes = b""
    """Paths that begin so may hold `%2F`: a name with a slash in it, as a client has to write it. Empty: none may."""

    def lets_pass(self, path: bytes) -> bool:
        """Tell whether what is encoded in a path may be."""
        if not self.slashes_below or not path.startswith(self.slashes_below):
            return False
        return b"%" not in path.replace(b"%2F", b"").replace(b"%2f", b"")


class Guest(Protocol):
    """One connection, as the door sees it."""

    @property
    def deadline(self) -> float:
        """The loop's time at which something must have happened."""
        ...

    def expire(self) -> None:
        """Do what the passed deadline asks for."""
        ...


_RESERVED: Final = 256
"""Open files that are left to everything but clients."""


class Door:
    """What the connections of one listener share. `refused` counts by cause; `connected` by remote address."""

    def __init__(self, bounds: Bounds) -> None:
        """Admit within `bounds`."""
        self.bounds = bounds
        # INVARIANT: connections never take the last descriptors: servers and the record need some to answer at all.
        self._room = min(bounds.connections, max(_RESERVED, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _RESERVED))
        self.refused: Counter[Cause] = Counter()
        self.connected: Counter[str] = Counter()
        self._open: set[Guest] = set()
        self._timer: TimerHandle | None = None

    def enter(self, guest: Guest, address: str, loop: AbstractEventLoop) -> bool:
        """Take a new connection in, if there is room for it; every one that came in leaves."""
        room = len(self._open) < self._room and self.connected[address] < self.bounds.per_address
        self._open.add(guest)
        self.connected[address] += 1
        if self._timer is None:
            self._timer = loop.call_later(self.bounds.look_s, self._look, loop)
        return room

    def leave(self, guest: Guest, address: str) -> None:
        """Forget a connection; an address without one leaves nothing behind."""
        self._open.discard(guest)
        self.connected[address] -= 1
        if self.connected[address] <= 0:
            del self.connected[address]

    def _look(self, loop: AbstractEventLoop) -> None:
        now = loop.time()
        for guest in [guest for guest in self._open if guest.deadline < now]:
            guest.expire()
        self._timer = loop.call_later(self.bounds.look_s, self._look, loop) if self._open else None


def bucket_of(address: str) -> str:
    """Return the address that connections are counted under."""
    # One customer of an IPv6 network has a whole /64 of addresses; ::ffff:192.0.2.1 is one IPv4 address.
    whole = ":" not in address or "." in address
    return address if whole else str(ip_network((address, 64), strict=False))
