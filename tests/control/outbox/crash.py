"""A console that changes something and is killed at a chosen point: `python -m tests.control.outbox.crash`."""

import os
import signal
import sys
import time
from collections.abc import Awaitable, Sequence
from pathlib import Path

import anyio

from tallystick.audit.client import WriterClient, start_writer
from tallystick.audit.leaf import call_id
from tallystick.control import Control, Postgres, Relay, Sqlite, found_by, open_control
from tallystick.terms import TenantId
from tests.audit.scale.servers import writer_of
from tests.control.stage import KEY, done, judge, server, tenant

HOST = "localhost"
CHANGES = 5


def new_id() -> str:
    """A ULID of now."""
    return call_id(time.time(), os.urandom(10))  # noqa: TID251 - a program of its own, not a test


def place_of(text: str) -> Sqlite | Postgres:
    """The database that a command line names."""
    return Postgres(text) if "host=" in text else Sqlite(Path(text))


def end(state: Path, how: str) -> None:
    """Die, and the writer of the record too where `how` says so."""
    if how.endswith("and-writer"):
        os.kill(writer_of(state), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """The writer as a relay sees it, and a point at which everything ends."""

    def __init__(self, client: WriterClient, state: Path, how: str) -> None:
        self._client, self._state, self._how = client, state, how

    def append(self, tenant_id: TenantId, leaf: bytes) -> Awaitable[int]:
        """Append; then nobody is left to hear the answer."""
        if self._how.startswith("tried"):
            end(self._state, self._how)
        answer = self._client.append(tenant_id, leaf)
        return self._heard(answer) if self._how.startswith("appended") else answer

    async def _heard(self, answer: Awaitable[int]) -> int:
        await answer
        end(self._state, self._how)
        return 0


class Counting:
    """Control state that dies in its first mark, if that is the point."""

    def __init__(self, control: Control, state: Path, how: str) -> None:
        recorded = control.recorded

        def marked(numbers: Sequence[int]) -> int:
            answer = recorded(numbers)
            end(state, how)
            return answer

        if how.startswith("marked"):
            control.recorded = marked


async def run(state: Path, place: Sqlite | Postgres, how: str) -> None:
    """Change something, then relay it until the point comes."""
    async with start_writer(state, HOST, initialize=True) as client:
        with open_control(place, KEY, time.time, new_id, judge()) as control:  # noqa: TID251 - as above
            done(control, tenant())
            await Relay(control, client.append, found_by(client.order)).drain()
            for number in range(CHANGES):
                done(control, server(f"s{number}"))
            if how.startswith("committed"):
                end(state, how)
            Counting(control, state, how)
            deadly = Deadly(client, state, how)
            await Relay(control, deadly.append, found_by(client.order)).drain()


if __name__ == "__main__":
    anyio.run(run, Path(sys.argv[1]), place_of(sys.argv[2]), sys.argv[3])
