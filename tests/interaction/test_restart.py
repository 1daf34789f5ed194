"""What ends and comes back: the gateway under clients with sessions, and servers under the gateway."""

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
import pytest
from anyio.abc import TaskGroup
from mcp_types import TextContent
from starlette.types import Receive, Scope, Send

from tests.interaction.configuration import copy_configuration, copy_pin, http, write_server
from tests.interaction.crossings import SESSIONS, both_eras
from tests.interaction.hearing import Heard, asking, listening_to, session_stream
from tests.interaction.journal import Journal
from tests.interaction.legacy import Legacy
from tests.interaction.office import TOOLS, USUAL, serving_clerk
from tests.interaction.one_era import NEW, OLD, Era, OneEra
from tests.interaction.person import Person
from tests.interaction.stage import MODERN, Json, Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import BOUND_S, until
from tests.interaction.world import World, listening
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]

_UPDATED = "notifications/resources/updated"


async def _logged(client: Legacy) -> list[str]:
    """Return the levels of the log messages that come with a call."""
    async with asking(client, "log", {"text": "x"}) as heard:
        await heard.over()
    params = [msgspec.convert(message["params"], Json) for message in heard.of("notifications/message")]
    return [str(one["level"]) for one in params]


async def _heard_again(stage: Stage, server: str, uri: str, heard: Heard) -> None:
    before = len(heard.of(_UPDATED))
    with anyio.fail_after(BOUND_S):
        while len(heard.of(_UPDATED)) == before:
            await stage.call(f"servers/{server}", "touch", {"uri": uri})


@requirement("restart:gateway", "session:restart", "session:delete:durable")
@pytest.mark.parametrize(
    "server",
    ["old", "new-line", pytest.param("new", marks=pytest.mark.live), pytest.param("old-line", marks=pytest.mark.live)],
)
async def test_a_session_goes_on_after_a_restart_of_the_gateway_with_all_that_it_had(
    office_world: World, tmp_path: Path, server: str
) -> None:
    route, uri = f"servers/{server}", f"clerk://desk/restart-{server}"
    async with open_stage(office_world, office_world.config, tmp_path) as before:
        quiet, eager, ended = [Legacy(before, route, SESSIONS) for _ in range(3)]
        for client in (quiet, eager, ended):
            await client.open()
        await quiet.ask("logging/setLevel", {"level": "error"})
        await eager.ask("logging/setLevel", {"level": "debug"})
        assert (await quiet.ask("resources/subscribe", {"uri": uri})).status_code == 200
        assert await _logged(quiet) == ["error"]
        assert (await ended.end()).status_code == 204
    async with open_stage(office_world, office_world.config, tmp_path) as after:
        for client in (quiet, eager, ended):
            client.stage, client.token = after, after.token()
        assert text_of(await quiet.call("echo", {"text": "after"})) == "after"
        assert await _logged(quiet) == ["error"]
        if server != "old-line":
            # A process that many share is told the level of none of them.
            assert await _logged(eager) == ["debug", "info", "warning", "error"]
        async with session_stream(quiet) as heard:
            await _heard_again(after, server, uri, heard)
        refused = await ended.call("echo", {"text": "after"})
        assert (refused.status_code, reasons_of(refused)) == (404, ["session_unknown"])
        assert after.record().sound().ok


@dataclass(slots=True)
class Turning:
    """A server that is ended, and started anew in the same place, in whichever era."""

    stage: Stage
    place: OneEra
    journal: Journal
    group: TaskGroup
    running: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: anyio.Event = field(default_factory=anyio.Event)

    async def restart(self, era: Era) -> None:
        """End the server with everything that it holds and start it in an era."""
        self.running.cancel()
        await self.ended.wait()
        await self.start(era)

    async def start(self, era: Era) -> None:
        """Start the server."""
        self.ended, self.running = anyio.Event(), anyio.CancelScope()
        started = anyio.Event()
        self.group.start_soon(self._serve, era, started)
        await started.wait()

    async def _serve(self, era: Era, started: anyio.Event) -> None:
        try:
            with self.running:
                async with serving_clerk(self.journal, era, "/mcp") as served:
                    self.place.app, self.place.era = served.app, era
                    started.set()
                    await anyio.sleep_forever()
        finally:
            self.place.app = _nobody
            self.ended.set()


@asynccontextmanager
async def _turning(world: World, folder: Path, era: Era) -> AsyncGenerator[Turning]:
    """Serve one clerk at a door of its own, pinned in the era in which it starts."""
    journal = Journal(folder / "turning.jsonl")
    config = copy_configuration(world.config, folder / "config")
    place = OneEra(_nobody, era)
    with socket.create_server(("127.0.0.1", 0)) as door:
        write_server(config, "turning", http(f"http://127.0.0.1:{door.getsockname()[1]}/mcp"), USUAL + TOOLS)
        copy_pin(config, era, "turning")
        async with (
            listening(place, door),
            open_stage(world, config, folder / "state") as stage,
            anyio.create_task_group() as group,
        ):
            turning = Turning(stage, place, journal, group)
            await turning.start(era)
            yield turning
            group.cancel_scope.cancel()


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what a proxy answers whose server is being started."""
    del scope, receive
    await send({"type": "http.response.start", "status": 503, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


async def _works(stage: Stage, text: str, client: Legacy) -> None:
    """Call in both eras, and be asked."""
    assert text_of(await client.call("echo", {"text": text})) == text
    assert text_of(await stage.call("servers/turning", "echo", {"text": text})) == text
    for era in (MODERN, SESSIONS):
        async with stage.client("servers/turning", era, person=Person()) as asked:
            result = await asked.call_tool("ask", {"kinds": ["form"], "mark": text})
        assert isinstance(result.content[0], TextContent)
        assert result.content[0].text == "accept {'name': 'Ada'}"


@requirement("restart:server")
async def test_a_server_that_lost_its_sessions_is_opened_anew_for_its_clients(
    office_world: World, tmp_path: Path
) -> None:
    uri = "clerk://desk/lost"
    async with _turning(office_world, tmp_path, OLD) as turning:
        stage = turning.stage
        client = Legacy(stage, "servers/turning", SESSIONS)
        await client.open()
        await client.ask("resources/subscribe", {"uri": uri})
        await client.ask("logging/setLevel", {"level": "error"})
        wanted: Json = {"resourceSubscriptions": [uri]}
        async with (
            session_stream(client) as old,
            listening_to(stage, "servers/turning", wanted, token=stage.token("bob")) as new,
        ):
            for heard in (old, new):
                await _heard_again(stage, "turning", uri, heard)
            await turning.restart(OLD)
            await _works(stage, "restarted", client)
            assert await _logged(client) == ["error"]
            for heard in (old, new):
                await _heard_again(stage, "turning", uri, heard)
        assert turning.journal.calls("echo", text="restarted") == 2
        await until(lambda: not stage.gateway.rooms.bulkhead.in_flight())


@requirement("restart:server")
async def test_a_server_that_lost_its_sessions_is_told_again_what_its_clients_want_to_hear(
    office_world: World, tmp_path: Path
) -> None:
    async with _turning(office_world, tmp_path, OLD) as turning:
        client = Legacy(turning.stage, "servers/turning", SESSIONS)
        await client.open()
        await client.ask("logging/setLevel", {"level": "debug"})
        assert await _logged(client) == ["debug", "info", "warning", "error"]
        await turning.restart(OLD)
        assert await _logged(client) == ["debug", "info", "warning", "error"]


@requirement("restart:era")
@pytest.mark.parametrize("first", [OLD, NEW])
async def test_a_server_that_comes_back_in_another_era_is_spoken_to_in_that(
    office_world: World, tmp_path: Path, first: Era
) -> None:
    second: Era = NEW if first == OLD else OLD
    async with _turning(office_world, tmp_path, first) as turning:
        client = Legacy(turning.stage, "servers/turning", SESSIONS)
        await client.open()
        await _works(turning.stage, "first", client)
        await turning.restart(second)
        await _works(turning.stage, "second", client)
        await turning.restart(first)
        await _works(turning.stage, "third", client)
        # Nothing was sent twice to find out.
        for text in ("first", "second", "third"):
            assert turning.journal.calls("echo", text=text) == 2


@requirement("restart:era")
@pytest.mark.parametrize("first", [OLD, NEW])
async def test_streams_go_on_when_a_server_comes_back_in_another_era(
    office_world: World, tmp_path: Path, first: Era
) -> None:
    second: Era = NEW if first == OLD else OLD
    uri = "clerk://desk/turned"
    async with _turning(office_world, tmp_path, first) as turning:
        stage = turning.stage
        client = Legacy(stage, "servers/turning", SESSIONS)
        await client.open()
        await client.ask("resources/subscribe", {"uri": uri})
        wanted: Json = {"resourceSubscriptions": [uri]}
        async with session_stream(client) as old, listening_to(stage, "servers/turning", wanted) as new:
            for heard in (old, new):
                await _heard_again(stage, "turning", uri, heard)
            await turning.restart(second)
            for heard in (old, new):
                await _heard_again(stage, "turning", uri, heard)
            assert not any(heard.ended for heard in (old, new))
