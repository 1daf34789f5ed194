"""What clients are asked in the middle of their calls (2025-11-25, basic/transports: a client posts its responses)."""

import asyncio
import os
from collections import Counter
from itertools import count
from typing import Final, NamedTuple

from tallystick.wire import Reply

QUESTIONS: Final = 64
"""Questions that one session may have open: more than that is a server that floods its client."""


class _Asked(NamedTuple):
    method: str
    answer: "asyncio.Future[Reply]"


class Questions:
    """What clients of this process are asked at the moment."""

    def __init__(self) -> None:
        """Start with nothing asked."""
        self._open: dict[tuple[str, int | str], _Asked] = {}
        self._each: Counter[str] = Counter()
        # Ids of an earlier process are never used again, so that a late answer cannot meet another question.
        self._ids = count(int.from_bytes(os.urandom(5)))

    def ask(self, session: str, method: str) -> tuple[int, "asyncio.Future[Reply]"] | None:
        """Return the id of a new question to a session's client and what its answer will be; None if too many are."""
        if self._each[session] >= QUESTIONS:
            return None
        question_id, answer = next(self._ids), asyncio.get_running_loop().create_future()
        self._open[session, question_id] = _Asked(method, answer)
        self._each[session] += 1
        return question_id, answer

    def asked(self, session: str, question_id: int | str | None) -> str | None:
        """Return the method of an open question; None when this session's client was not asked that."""
        # INVARIANT: an answer counts only in the session that was asked (advisory GHSA-345p-7cg4-v4c7).
        found = self._open.get((session, question_id)) if question_id is not None else None
        return None if found is None else found.method

    def answer(self, session: str, question_id: int | str, reply: Reply) -> None:
        """Give a question its answer; the first one counts."""
        found = self._take(session, question_id)
        if found is not None and not found.answer.done():
            found.answer.set_result(reply)

    def close(self, session: str, question_id: int) -> None:
        """Stop waiting for an answer."""
        self._take(session, question_id)

    def _take(self, session: str, question_id: int | str) -> _Asked | None:
        found = self._open.pop((session, question_id), None)
        if found is not None:
            self._each[session] -= 1
            if not self._each[session]:
                del self._each[session]
        return found
