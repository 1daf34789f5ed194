"""A server that dies with calls in flight.

Client and record learn that nobody knows how the calls ended, and the next call works.
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import anyio
import pytest

from tests.interaction.configuration import ROOT, copy_configuration, http
from tests.interaction.journal import Journal
from tests.interaction.legacy import Legacy
from tests.interaction.record import told_of_calls
from tests.interaction.stage import MODERN, Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.requirements import requirement

if TYPE_CHECKING:
    import httpx2

pytestmark = pytest.mark.anyio


class _Asking:
    """Calls of both kinds of era at once."""

    def __init__(self, stage: Stage, route: str) -> None:
        self.legacy = Legacy(stage, route, "2025-11-25")
        self.stage = stage
        self.route = route
        self.answers: list[httpx2.Response] = []

    async def call(self, tool: str, **arguments: object) -> None:
        """Call a tool in both eras and keep the answers."""
        if self.legacy.session is None:
            await self.legacy.open()
        self.answers.clear()
        async with anyio.create_task_group() as group:
            for era in (MODERN, self.legacy.era):
                own: dict[str, object] = {name: f"{value} {era}" for name, value in arguments.items()}
                group.start_soon(self._one, era, tool, own)

    async def _one(self, era: str, tool: str, arguments: dict[str, object]) -> None:
        asked = self.stage.call(self.route, tool, arguments) if era == MODERN else self.legacy.call(tool, arguments)
        self.answers.append(await asked)


async def _killed_in_mid_call(asking: _Asking, journal: Journal, key: str) -> None:
    record = asking.stage.record()
    await asking.call("echo", text="before")
    start = await record.mark()
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: asking.call("hold", key=key))
        await until(lambda: len([entry for entry in journal.entries("holding") if key in str(entry["key"])]) == 2)
        for pid in {int(str(entry["pid"])) for entry in journal.entries("holding") if key in str(entry["key"])}:
            os.kill(pid, signal.SIGKILL)
    assert [reasons_of(answer) for answer in asking.answers] == [["upstream_broken"]] * 2
    lines = told_of_calls(await record.since(start))
    assert sorted(lines) == ["intent tools/call"] * 2 + ["outcome upstream_failure"] * 2


@requirement("tools:call:upstream-killed")
async def test_a_process_killed_in_mid_call_ends_the_call_and_is_started_again(stage: Stage) -> None:
    asking = _Asking(stage, "servers/line")
    await _killed_in_mid_call(asking, stage.world.journal("line"), "kill the process")
    await asking.call("echo", text="after")
    assert sorted(text_of(answer) for answer in asking.answers) == ["after 2025-11-25", f"after {MODERN}"]


@requirement("tools:call:upstream-killed")
async def test_a_server_killed_in_mid_call_ends_the_call_and_one_in_its_place_is_used(world: World) -> None:
    journal = Journal(world.folder / "journals" / "frail.jsonl")
    async with _desk(journal, 0) as port:
        config = copy_configuration(world.config, world.folder / "frail" / "config")
        entry = config / "servers" / "desk.yaml"
        entry.write_text(
            entry.read_text().replace(http(f"{world.origin}/desk/mcp"), http(f"http://127.0.0.1:{port}/mcp"))
        )
        async with open_stage(world, config, world.folder / "frail" / "state") as stage:
            asking = _Asking(stage, "servers/desk")
            await _killed_in_mid_call(asking, journal, "kill the server")
            await asking.call("echo", text="nobody there")
            assert [reasons_of(answer) for answer in asking.answers] == [["upstream_unreachable"]] * 2
            async with _desk(journal, port):
                await asking.call("echo", text="after")
                assert sorted(text_of(answer) for answer in asking.answers) == ["after 2025-11-25", f"after {MODERN}"]


@asynccontextmanager
async def _desk(journal: Journal, port: int) -> AsyncGenerator[int]:
    command = [sys.executable, "-m", "tests.interaction.desk", "--journal", str(journal.file), "--port", str(port)]
    async with await anyio.open_process(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=None) as process:
        assert process.stdout is not None
        try:
            yield int(await process.stdout.receive())
        finally:
            with suppress(ProcessLookupError):
                process.kill()
