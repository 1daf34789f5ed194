"""Values of servers that travel by way of clients: request states, cursors and task ids, sealed to whom they were told.

Servers that know the gateway only cannot tell one person's state from another's, so the gateway does (2026-07-28,
basic/patterns/mrtr: bind the state to the principal, to the request, and to a short time).
"""

from typing import Final, Literal, NamedTuple

import msgspec

from tallystick.gateway.sealing.seal import Seal
from tallystick.gateway.sealing.session import binding_of
from tallystick.terms import Caller

HeldKind = Literal["state", "cursor", "task"]

LIFETIMES_S: Final[dict[HeldKind, float]] = {"state": 3600.0, "cursor": 24 * 3600.0, "task": 30 * 24 * 3600.0}
"""Seconds until a value is refused: a person answers in an hour, a list is read in a day, a task ends in a month."""


class Held(NamedTuple):
    """A value of a server, and where it was told. `worker` is the index of the process that can go on from it."""

    value: str
    route: str
    binding: str
    about: str
    until: float
    worker: int


_read: Final = msgspec.json.Decoder(Held).decode


class Keeper:
    """Seals what servers say for one process of the gateway, and opens what clients repeat."""

    def __init__(self, seal: Seal, worker: int = 0) -> None:
        """Take the seal, and the index of this process among its siblings."""
        self._seal = seal
        self._worker = worker

    def seal(self, kind: HeldKind, value: str, where: tuple[str, Caller, str], now: float) -> str:
        """Return `value` sealed to `where`: the route, the caller, and what it is about."""
        route, caller, subject = where
        held = Held(value, route, binding_of(caller), subject, now + LIFETIMES_S[kind], self._worker)
        return self._seal.close(kind, msgspec.json.encode(held))

    def peek(self, kind: HeldKind, text: str) -> Held | None:
        """Return what a text holds, whoever it belongs to; only good for finding the process that can go on."""
        plain = self._seal.open(kind, text)
        try:
            return None if plain is None else _read(plain)
        except msgspec.ValidationError:
            return None  # sealed by another release, which held something else

    def open(self, kind: HeldKind, text: object, where: tuple[str, Caller, str | None], now: float) -> Held | None:
        """Return what was sealed to the same route and caller, and about the same (None: whatever it is about)."""
        held = self.peek(kind, text) if isinstance(text, str) else None
        if held is None or now > held.until:
            return None
        route, caller, subject = where
        # INVARIANT: what was told to one principal on one route about one request opens for nothing else.
        if held.route != route or held.binding != binding_of(caller) or subject not in (None, held.about):
            return None
        return held
