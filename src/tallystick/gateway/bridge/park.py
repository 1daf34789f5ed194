"""Calls that wait at a server with sessions for an answer which their client can only bring with a new request.

MCP 2026-07-28 has no requests from servers, so the question goes out as the end of a request (`input_required`), and
the call stays here until the client comes back (basic/patterns/mrtr). What is never fetched is cancelled at the server.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import anyio

from tallystick.gateway.upstream.model import Call, Question

PARKED: Final = 1_000
"""Calls that one process keeps; beyond that a question is answered with an error, and the call goes on without."""

PARKED_EACH: Final = 16
"""Calls that one client keeps, whatever it declared with each of them."""

PARKED_CLOSE: Final = 2
"""Calls of one client that wait at a server whose clients are not kept apart: each takes room from the others."""

PARKED_S: Final = 600.0
"""Seconds until the client has to be back: as long as a person gets for an answer."""


@dataclass(slots=True)
class Stay:
    """One parked call. `until` is the hard end of the whole call, `rounds` how often it has been parked.

    `context` is whose call it is, `conversation` with what capabilities.
    """

    call: Call
    question: Question
    method: str
    conversation: str
    context: str
    until: float
    rounds: int = 0
    fetched: anyio.Event = field(default_factory=anyio.Event)


class Park:
    """The parked calls of one process, by the state that their clients hold. Counters and a table: never awaits."""

    def __init__(self, draw: Callable[[], str], room: int = PARKED, room_each: int = PARKED_EACH) -> None:
        """Take a source of ids that nobody can guess (128 random bits or more)."""
        self._draw = draw
        self._room = room
        self._room_each = room_each
        self._stays: dict[str, tuple[str, Stay]] = {}
        self._each: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._stays)

    def put(self, server: str, stay: Stay) -> str | None:
        """Park a call of a server and return its id; None where there is no room."""
        if len(self._stays) >= self._room or self._each[stay.context] >= self._room_each:
            return None
        stay_id = self._draw()
        self._stays[stay_id] = server, stay
        self._each[stay.context] += 1
        return stay_id

    def displaced(self, server: str, context: str) -> Stay | None:
        """Fetch the oldest call of a client at a server where more than `PARKED_CLOSE` of them wait, None elsewhere.

        Who left a question unanswered has mostly forgotten it, and would else keep itself from being asked anything.
        """
        own = [stay_id for stay_id, (name, stay) in self._stays.items() if (name, stay.context) == (server, context)]
        return self.take(server, own[0]) if len(own) > PARKED_CLOSE else None

    def take(self, server: str, stay_id: str) -> Stay | None:
        """Fetch a call, once. None where there is none: it was fetched, it expired, or another server's it is."""
        found = self._stays.get(stay_id)
        # INVARIANT: what was parked for one server is never gone on with at another.
        if found is None or found[0] != server:
            return None
        stay = self._stays.pop(stay_id)[1]
        stay.fetched.set()
        self._each[stay.context] -= 1
        if not self._each[stay.context]:
            del self._each[stay.context]
        return stay
