"""Short-lived, single-use things in bounded memory: codes, waiting sign-ins, refresh tokens, registrations."""

import secrets
from typing import Generic, TypeVar

from tallystick.terms import Clock

Kept = TypeVar("Kept")


class Shelf(Generic[Kept]):
    """Keeps at most `entries` values, each for `lifetime_s` seconds, under names nobody can guess; the oldest goes."""

    def __init__(self, clock: Clock, lifetime_s: float, entries: int = 1_000) -> None:
        self._clock = clock
        self._lifetime_s = lifetime_s
        self._entries = entries
        self._kept: dict[str, tuple[float, Kept]] = {}

    def put(self, value: Kept, name: str | None = None) -> str:
        """Keep `value`; return the new secret name it lies under (or `name`)."""
        while len(self._kept) >= self._entries:
            del self._kept[next(iter(self._kept))]
        key = name or secrets.token_urlsafe(32)
        self._kept[key] = (self._clock() + self._lifetime_s, value)
        return key

    def take(self, name: str) -> Kept | None:
        """Return the value and forget it: a name works once."""
        until, value = self._kept.pop(name, (0.0, None))
        return value if self._clock() < until else None

    def see(self, name: str) -> Kept | None:
        """Return the value and keep it."""
        until, value = self._kept.get(name, (0.0, None))
        return value if self._clock() < until else None
