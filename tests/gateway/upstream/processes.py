"""The scripted server over stdio under supervision, and what it has seen."""

import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.lowlevel

from tallystick.gateway.upstream import StdioTransport
from tallystick.gateway.upstream.stdio import supervision
from tallystick.runtime import Capped
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply
from tests.gateway.upstream.remote import BOUND_S, Ask, answer_of

PROGRAM = str(Path(__file__).with_name("stdio_server.py"))


@dataclass(frozen=True, slots=True)
class Served:
    """A server under supervision and what it has seen."""

    upstream: StdioTransport
    log: Path

    @property
    def seen(self) -> list[dict[str, object]]:
        """The messages that it read, in order, of all its processes."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    @property
    def starts(self) -> int:
        """How many processes were started."""
        return self.log.read_text().splitlines().count("started")

    @property
    def ends(self) -> int:
        """How many processes came to the end of their input."""
        return self.log.read_text().splitlines().count("ended")

    def methods(self) -> list[object]:
        """The methods that it read, in order."""
        return [message.get("method") for message in self.seen]

    async def ask(self, tool: str, ask: Ask | None = None, **params: object) -> Reply | Refusal:
        """Call a tool."""
        ask = ask or Ask()
        ask.params = {**params, "name": tool}
        return await answer_of(self.upstream, ask.outbound())


@asynccontextmanager
async def served(folder: Path, behaviour: str = "", line_bytes: int = 8 << 20) -> AsyncGenerator[Served]:
    """Serve the scripted program, under a bound for the whole test."""
    log = folder / "log"
    log.touch()
    command = (sys.executable, "-I", PROGRAM, str(log), behaviour)
    with anyio.fail_after(BOUND_S):
        async with supervision() as supervising:
            yield Served(StdioTransport(Capped(command, {}, line_bytes=line_bytes), supervising), log)


async def seen(server: Served, messages: int) -> None:
    """Return when the server has read so many messages."""
    while len(server.seen) < messages:
        await anyio.lowlevel.checkpoint()


def result_of(reply: Reply | Refusal) -> dict[str, object]:
    """The result of a request that has one."""
    assert isinstance(reply, Reply), reply
    return json.loads(reply.payload)


def reason_of(reply: Reply | Refusal) -> Reason:
    """The reason of a request that has no answer."""
    assert isinstance(reply, Refusal), reply
    return reply.reasons[0]
