"""The console at work: blocking calls in threads, and changes that wait until they are on record."""

from collections.abc import Callable, Sequence
from typing import Final, ParamSpec, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread

from tallystick.api.finding import Catalogue
from tallystick.api.http import Trouble, place_of, trouble
from tallystick.api.rooms import ConsoleRooms
from tallystick.control import model
from tallystick.terms import Reason, Refusal

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 24
"""Blocking calls at once; more wait for their turn."""
_LOOK_S: Final = 1.0
"""Seconds of one wait for a revision, after which it is looked whether anybody still waits."""

_NOT_YET: Final = (
    "The change is stored and is not in force: the record cannot be written. It will be as soon as it can."
)
_UNWRITABLE: Final = trouble(
    "unavailable", Reason.RECORD_UNWRITABLE, "The record cannot be written, so nothing changes."
)
_WHY: Final[dict[str, tuple[Reason, str]]] = {
    "version": (Reason.VERSION_CONFLICT, "conflict"),
    "owned": (Reason.OWNED_ELSEWHERE, "conflict"),
    "missing": (Reason.RESOURCE_UNKNOWN, "not_found"),
    "gate": (Reason.GATE_UNMET, "conflict"),
    "used": (Reason.IN_USE, "conflict"),
}


class Published:
    """Tells when a revision is in force. However many wait, one thread asks."""

    def __init__(self, rooms: ConsoleRooms, limiter: CapacityLimiter) -> None:
        self.newest = 0
        self._wait = rooms.control.wait
        self._limiter = limiter
        self._is_asking = False
        self._stirred = anyio.Event()

    async def reach(self, revision: int, seconds: float) -> int:
        """Return the newest revision in force, once it is at least `revision` or the time is over."""
        with anyio.move_on_after(seconds):
            while self.newest < revision:
                await (self._stirred.wait() if self._is_asking else self._ask())
        return self.newest

    def doubt(self, revision: int) -> None:
        """Ask again before a revision counts as in force: one that is new now cannot have been so before.

        A database that was restored, or fell back to a copy that was behind, gives numbers a second time.
        """
        self.newest = min(self.newest, revision - 1)

    async def _ask(self) -> None:
        self._is_asking = True
        try:
            newest = await to_thread.run_sync(
                self._wait, self.newest, _LOOK_S, limiter=self._limiter, abandon_on_cancel=True
            )
            self.newest = max(self.newest, newest)
        finally:
            # Whoever waits goes on: one of them asks next, also where this one was cancelled.
            self._is_asking = False
            stirred, self._stirred = self._stirred, anyio.Event()
            stirred.set()


class Live:
    """One console at work, in one event loop."""

    def __init__(self, rooms: ConsoleRooms, description: Callable[[], bytes] = bytes) -> None:
        """Start nothing yet. `description` returns the OpenAPI document of the routes."""
        self.rooms = rooms
        self.description = description
        self._threads = CapacityLimiter(_THREADS)
        self.catalogue = Catalogue.empty()
        self.published = Published(rooms, CapacityLimiter(4))

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what a blocking call returns."""
        return await to_thread.run_sync(lambda: call(*args, **kwargs), limiter=self._threads)

    async def commit(
        self, changes: Sequence[model.Change], actor: model.Actor, why: str = "", *, dry: bool = False
    ) -> model.Committed | Trouble:
        """Make changes and return once they are on record and so in force; or say what they would do."""
        control = self.rooms.control
        if dry:
            planned = await self.run(control.plan, tuple(changes), actor)
            return planned if isinstance(planned, model.Committed) else refusal_of(planned)
        # INVARIANT: where the record cannot be written nothing changes, so it is asked before anything is.
        if not self.rooms.recording():
            return _UNWRITABLE
        done = await self.run(control.commit, tuple(changes), actor, why)
        if not isinstance(done, model.Committed):
            return refusal_of(done)
        return await self.settle(done) or done

    async def settle(self, done: model.Committed) -> Trouble | None:
        """Return once a change is on record and so in force; or that it is not yet."""
        if done.changes:
            self.published.doubt(done.revision)
        if done.changes and await self.published.reach(done.revision, self.rooms.publish_s) < done.revision:
            return trouble("unavailable", Reason.RECORD_UNWRITABLE, f"{_NOT_YET} Its revision is {done.revision}.")
        return None


def refusal_of(refused: model.Refused) -> Trouble:
    """Return why control state did not change, as it is told."""
    if not isinstance(refused, model.Conflict):
        text = "With this change the control state would not compile; nothing was changed."
        errors = tuple(place_of(problem) for problem in refused)
        return Trouble(Refusal("invalid", (Reason.STATE_INVALID,), text), errors)
    reason, code = _WHY[refused.why]
    kind = "not_found" if code == "not_found" else "conflict"
    return Trouble(
        Refusal(kind, (reason,), refused.text),
        unmet=refused.unmet,
        version=refused.version if refused.why == "version" else None,
    )
