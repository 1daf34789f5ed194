"""Calls in flight, bounded per server and per caller, so that one stuck server or agent cannot hold everything.

Counters only: no queue, no waiting. A call beyond the limit is refused at once, because a queue in front of a slow
server only turns overload into timeouts.
"""

from typing import Self

from tallystick.terms import Reason, Refusal, ServerId


class Admission:
    """The right to one call in flight; give it back with `release` or by leaving a `with` block. Twice does no harm."""

    __slots__ = ("_bulkhead", "_places")

    def __init__(self, bulkhead: "Bulkhead", places: tuple[ServerId, str]) -> None:
        self._bulkhead = bulkhead
        self._places: tuple[ServerId, str] | None = places

    def release(self) -> None:
        """Give the places back."""
        places, self._places = self._places, None
        if places is not None:
            self._bulkhead.leave(*places)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the places back, whatever happened."""
        self.release()


class Bulkhead:
    """Counts calls in flight. For one event loop: not locked, never awaits."""

    __slots__ = ("_at_servers", "_of_callers", "_per_caller")

    def __init__(self, per_caller: int) -> None:
        """Bound each caller (in `per_caller` calls over all servers); servers bring their own limit."""
        self._per_caller = per_caller
        self._at_servers: dict[str, int] = {}
        self._of_callers: dict[str, int] = {}

    def admit(self, server: ServerId, server_limit: int, caller: str) -> Admission | Refusal:
        """Take a place at `server` and one of `caller` (any stable key of it, such as its authority), or refuse."""
        at_server, of_caller = self._at_servers.get(server, 0), self._of_callers.get(caller, 0)
        if at_server >= server_limit:
            return _full("server", server_limit, f"server {server}")
        if of_caller >= self._per_caller:
            return _full("caller", self._per_caller, "caller")
        self._at_servers[server], self._of_callers[caller] = at_server + 1, of_caller + 1
        return Admission(self, (server, caller))

    def leave(self, server: ServerId, caller: str) -> None:
        """Give places back; called by `Admission`."""
        _leave(self._at_servers, server)
        _leave(self._of_callers, caller)

    def at(self, server: ServerId) -> int:
        """Return how many calls are in flight at one server."""
        return self._at_servers.get(server, 0)

    def in_flight(self) -> int:
        """Return how many calls are in flight."""
        return sum(self._at_servers.values())


def _leave(counts: dict[str, int], key: str) -> None:
    left = counts[key] - 1
    if left:
        counts[key] = left
    else:
        # An idle caller leaves nothing behind, so the table is never larger than the number of calls in flight.
        del counts[key]


def _full(whose: str, limit: int, detail: str) -> Refusal:
    text = f"Too many calls of this {whose} are in flight ({limit}). Wait for one to end."
    return Refusal("limited", (Reason.CALLS_IN_FLIGHT,), text, detail=f"{detail} has {limit} calls in flight")
