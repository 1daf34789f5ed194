"""Calls in flight, bounded per server and per caller, so that one stuck server or agent cannot hold everything.

Counters only: no queue, no waiting. A call beyond the limit is refused at once, because a queue in front of a slow
server only turns overload into timeouts.
"""

from typing import Self

from tallystick.terms import Reason, Refusal, ServerId


class Admission:
    """The right to one call in flight; give it back with `release` or by leaving a `with` block. Twice does no harm."""

    __slots__ = ("_bulkhead", "_keys")

    def __init__(self, bulkhead: "Bulkhead", keys: tuple[str, ...]) -> None:
        self._bulkhead = bulkhead
        self._keys = keys

    def release(self) -> None:
        """Give the places back."""
        keys, self._keys = self._keys, ()
        self._bulkhead.leave(keys)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the places back, whatever happened."""
        self.release()


class Bulkhead:
    """Counts calls in flight. For one event loop: not locked, never awaits."""

    __slots__ = ("_counts", "_per_caller")

    def __init__(self, per_caller: int) -> None:
        """Bound each caller (in `per_caller` calls over all servers); servers bring their own limit."""
        self._per_caller = per_caller
        self._counts: dict[str, int] = {}

    def admit(self, server: ServerId, server_limit: int, caller: str) -> Admission | Refusal:
        """Take a place at `server` and one of `caller` (any stable key of it, such as its authority), or refuse."""
        at_server, of_caller = f"server {server}", f"caller {caller}"
        for key, limit, whose in (
            (at_server, server_limit, f"server {server}"),
            (of_caller, self._per_caller, "caller"),
        ):
            if self._counts.get(key, 0) >= limit:
                text = f"Too many calls of this {whose.partition(' ')[0]} are in flight ({limit}). Wait for one to end."
                return Refusal(
                    "limited", (Reason.CALLS_IN_FLIGHT,), text, detail=f"{whose} has {limit} calls in flight"
                )
        for key in (at_server, of_caller):
            self._counts[key] = self._counts.get(key, 0) + 1
        return Admission(self, (at_server, of_caller))

    def leave(self, keys: tuple[str, ...]) -> None:
        """Give places back; called by `Admission`."""
        for key in keys:
            left = self._counts[key] - 1
            if left:
                self._counts[key] = left
            else:
                # An idle caller leaves nothing behind, so the table is never larger than the number of calls in flight.
                del self._counts[key]

    def at(self, server: ServerId) -> int:
        """Return how many calls are in flight at one server."""
        return self._counts.get(f"server {server}", 0)

    def in_flight(self) -> int:
        """Return how many calls are in flight."""
        return sum(count for key, count in self._counts.items() if key.startswith("server "))
