"""One server that is dead, slow, lying or flooding, beside others that are not: nobody else notices."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import httpx2
import msgspec
import pytest

from tallystick.gateway.bridge import Bridge, Health
from tests.interaction.configuration import copy_configuration, copy_pin, http, write_server, write_toolset
from tests.interaction.crossings import SESSIONS, both_eras
from tests.interaction.hearing import listening_to, session_stream
from tests.interaction.journal import Journal
from tests.interaction.legacy import Legacy
from tests.interaction.office import HASTY, TOOLS, USUAL, serving_clerk
from tests.interaction.one_era import NEW
from tests.interaction.record import told_of_calls
from tests.interaction.stage import MODERN, Json, Stage, envelope, modern, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World, listening
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]

DEGRADED = "tallystick.dev/degraded"
_NOTHING: Json = {}
_SMALL = "limits: {timeout_s: 0.6, result_bytes: 262144, in_flight: 2}\n"


@pytest.fixture(scope="module")
async def troubled(
    office_world: World, office: Stage, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[tuple[Stage, int]]:
    """A gateway with good and bad servers in one toolset, and the port at which the dead one would listen."""
    del office  # it ends later, so it has to begin earlier
    folder = tmp_path_factory.mktemp("troubled")
    config = copy_configuration(office_world.config, folder / "config")
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = int(door.getsockname()[1])
    write_server(config, "dead", http(f"http://127.0.0.1:{port}/mcp"), USUAL + TOOLS)
    write_server(config, "slow", http(f"{office_world.origin}/new/mcp"), HASTY + TOOLS)
    write_server(config, "flood", http(f"{office_world.origin}/curt/mcp"), _SMALL + TOOLS)
    copy_pin(config, "new", "dead", "slow")
    copy_pin(config, "curt", "flood")
    write_toolset(config, "all", "new", "old", "dead", "slow", "flood")
    async with open_stage(office_world, config, folder / "state") as stage:
        yield stage, port


def _health(stage: Stage, server: str) -> Health:
    upstreams = {str(name): upstream for name, upstream in stage.gateway.upstreams.items()}
    upstream = upstreams[server]
    assert isinstance(upstream, Bridge)
    return upstream.health


async def _list(stage: Stage, era: str, client: Legacy) -> tuple[set[str], object]:
    """Return the servers whose tools are listed, and what the list says of degraded ones."""
    answer = await (stage.post("toolsets/all", "tools/list") if era == MODERN else client.ask("tools/list", {}))
    result = msgspec.convert(msgspec.json.decode(answer.content, type=Json)["result"], Json)
    tools = msgspec.convert(result["tools"], list[Json])
    meta = msgspec.convert(result.get("_meta", {}), Json)
    return {str(tool["name"]).partition("__")[0] for tool in tools}, meta.get(DEGRADED)


@requirement("failure:circuit", "failure:degraded", "failure:others")
async def test_a_dead_server_is_left_alone_until_it_answers_again_and_nobody_else_notices(
    troubled: tuple[Stage, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.guard.breaker.PAUSES_S", (0.3,))
    stage, port = troubled
    client = Legacy(stage, "toolsets/all", SESSIONS)
    await client.open()
    everybody = {"new", "old", "dead", "slow", "flood"}
    assert await _list(stage, MODERN, client) == (everybody, None)
    record = stage.record()
    start = await record.mark()
    reasons = [reasons_of(await stage.call("toolsets/all", "dead__echo", {"text": "x"})) for _ in range(5)]
    assert reasons == [["upstream_unreachable"]] * 5
    refused = await client.call("dead__echo", {"text": "x"})
    assert reasons_of(refused) == ["circuit_open"]
    assert _health(stage, "dead").circuit in ("open", "half_open")
    assert _health(stage, "dead").failures >= 5
    for era in (MODERN, SESSIONS):
        # Its tools stay in the list: an agent is to know what there is, and that it cannot be had now.
        assert await _list(stage, era, client) == (everybody, ["dead"])
        for server in ("new", "old"):
            answer = await stage.call("toolsets/all", f"{server}__echo", {"text": "alive"})
            assert text_of(answer) == "alive"
    lines = told_of_calls(await record.since(start))
    assert lines[:10] == ["intent tools/call", "outcome upstream_failure"] * 5
    assert lines[10] == "denial tools/call circuit_open"
    journal = Journal(stage.places.state.parent / "risen.jsonl")
    with socket.create_server(("127.0.0.1", port)) as door:
        async with serving_clerk(journal, NEW, "/mcp") as risen, listening(risen, door):
            await until(lambda: _health(stage, "dead").circuit == "closed")
            # The circuit was closed by a question of the gateway's own, and by no call of anybody.
            assert not journal.entries("call")
            assert text_of(await client.call("dead__echo", {"text": "risen"})) == "risen"
            assert await _list(stage, SESSIONS, client) == (everybody, None)


@requirement("failure:others")
async def test_calls_pass_while_others_wait_for_a_slow_server(troubled: tuple[Stage, int]) -> None:
    stage, _ = troubled
    journal = stage.world.journal("new")
    waiting: list[httpx2.Response] = []

    async def wait(key: str) -> None:
        waiting.append(await stage.call("toolsets/all", "slow__hold", {"key": key}))

    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(wait, f"slow {number}")
        await until(lambda: len([e for e in journal.entries("holding") if "slow" in str(e["key"])]) == 3)
        for server in ("new", "old"):
            assert text_of(await stage.call("toolsets/all", f"{server}__echo", {"text": "quick"})) == "quick"
        assert not waiting
    assert [reasons_of(answer) for answer in waiting] == [["upstream_timeout"]] * 3
    await until(lambda: len([e for e in journal.entries("cancelled") if "slow" in str(e["key"])]) == 3)
    await until(lambda: not stage.gateway.rooms.bulkhead.in_flight())


@requirement("failure:flood")
@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ("comments", {"upstream_too_large", "upstream_timeout"}),
        ("notifications", {"upstream_too_large", "upstream_timeout"}),
        ("oversized", {"upstream_too_large"}),
        ("lying", {"upstream_broken"}),
        ("silent", {"upstream_timeout"}),
    ],
)
@pytest.mark.parametrize("era", [MODERN, SESSIONS])
async def test_a_server_that_floods_or_lies_ends_with_its_own_call(
    troubled: tuple[Stage, int], tool: str, reason: set[str], era: str
) -> None:
    stage, _ = troubled
    client = Legacy(stage, "toolsets/all", SESSIONS)
    await client.open()
    journal = stage.world.journal("curt")
    left = len(journal.entries("left", key=tool))
    answers: list[httpx2.Response] = []
    async with anyio.create_task_group() as group:

        async def call() -> None:
            asked = (
                stage.call("toolsets/all", f"flood__{tool}", {}) if era == MODERN else client.call(f"flood__{tool}", {})
            )
            answers.append(await asked)

        group.start_soon(call)
        assert text_of(await stage.call("toolsets/all", "new__echo", {"text": "dry"})) == "dry"
    assert set(_reasons_at_the_end(answers[0])) <= reason
    assert len(answers[0].content) < 600_000
    assert text_of(await stage.call("toolsets/all", "flood__plain", {})) == "plain"
    if tool in ("comments", "notifications", "silent"):
        # The server is hung up on, so that it can stop.
        await until(lambda: len(journal.entries("left", key=tool)) > left)
    assert _health(stage, "flood").circuit == "closed"


def _reasons_at_the_end(answer: httpx2.Response) -> list[str]:
    """Return the reasons of a refusal that comes alone, or as the last message of an event stream."""
    if "event-stream" not in answer.headers["content-type"]:
        return reasons_of(answer)
    last = [line.removeprefix("data:") for line in answer.text.splitlines() if line.startswith("data:")][-1]
    error = msgspec.convert(msgspec.json.decode(last, type=Json)["error"], Json)
    told = msgspec.convert(error["data"], Json)
    return msgspec.convert(told["tallystick.dev/reasons"], list[str])


@requirement("failure:others")
async def test_a_server_that_is_full_refuses_at_once_and_fills_nobody_else(troubled: tuple[Stage, int]) -> None:
    stage, _ = troubled
    journal = stage.world.journal("curt")
    before = len(journal.entries("holding", key="silent"))
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(stage.call, "toolsets/all", "flood__silent", _NOTHING)
        await until(lambda: len(journal.entries("holding", key="silent")) == before + 2)
        full = await stage.call("toolsets/all", "flood__plain", {})
        assert reasons_of(full) == ["calls_in_flight"]
        assert text_of(await stage.call("toolsets/all", "old__echo", {"text": "room"})) == "room"


@asynccontextmanager
async def _leaving_nothing(stage: Stage) -> AsyncGenerator[None]:
    """See that whatever happens in the block leaves no call, no stream and no task behind."""
    await until(lambda: not stage.gateway.rooms.bulkhead.in_flight())
    before = _ours()
    yield
    await until(lambda: not stage.gateway.rooms.bulkhead.in_flight())
    await until(lambda: not stage.gateway.rooms.streams.bulkhead.in_flight())
    await until(lambda: not stage.gateway.rooms.under_way)
    await until(lambda: len(_ours()) <= len(before))


def _ours() -> list[str]:
    """Return the requests that are being handled, by the gateway or by a server, and the gateway's work behind them."""
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    return [name for name in names if name.endswith(("run_asgi", "Background._run"))]


@requirement("failure:clients")
@pytest.mark.parametrize("server", ["old", "new", "old-line", "new-line"])
async def test_clients_that_vanish_in_the_middle_leave_nothing(office: Stage, server: str) -> None:
    journal, route = office.world.journal(server), f"servers/{server}"
    client = Legacy(office, route, SESSIONS)
    await client.open()
    await office.call(route, "echo", {"text": "warm"})
    await client.call("echo", {"text": "warm"})
    async with _leaving_nothing(office):
        keys = [f"vanished {server} {number}" for number in range(4)]
        async with anyio.create_task_group() as group:
            for key in keys:
                group.start_soon(office.call, route, "hold", {"key": key})
            group.start_soon(client.call, "hold", {"key": f"kept {server}"})
            await until(lambda: all(journal.entries("holding", key=key) for key in (*keys, f"kept {server}")))
            group.cancel_scope.cancel()
        async with listening_to(office, route, {"promptsListChanged": True}), session_stream(client):
            pass
        # The call of an era in which nobody is gone who only lost a connection ends as it ends.
        await until(lambda: all(journal.entries("cancelled", key=key) for key in keys))
        assert not journal.entries("cancelled", key=f"kept {server}")
        await client.call("release", {"key": f"kept {server}"})
        await until(lambda: journal.entries("let go", key=f"kept {server}"))


@requirement("failure:clients")
@pytest.mark.parametrize("era", [MODERN, SESSIONS])
async def test_a_client_that_does_not_read_costs_its_own_call_only(troubled: tuple[Stage, int], era: str) -> None:
    stage, _ = troubled
    client = Legacy(stage, "toolsets/all", SESSIONS)
    await client.open()
    params: Json = {"name": "flood__notifications", "arguments": {}, "_meta": {"progressToken": 1}}
    if era == MODERN:
        given = {**envelope("tools/call", params), "authorization": f"Bearer {stage.token()}"}
        headers = {name: value for name, value in given.items() if value is not None}
        body = modern("tools/call", params)
    else:
        headers, body = client.headers(), client.message("tools/call", params)
    journal = stage.world.journal("curt")
    left = len(journal.entries("left", key="notifications"))
    async with _leaving_nothing(stage), _unread(stage, headers, body):
        await until(lambda: len(journal.entries("left", key="notifications")) > left)
        assert text_of(await stage.call("toolsets/all", "new__echo", {"text": "read"})) == "read"
        await until(lambda: not stage.gateway.rooms.bulkhead.in_flight())


@asynccontextmanager
async def _unread(stage: Stage, headers: dict[str, str], body: bytes) -> AsyncGenerator[None]:
    """Send a request over a connection from which nothing is read."""
    host, port = stage.url.removeprefix("http://").split(":")
    lines = {**headers, "host": f"{host}:{port}", "content-length": str(len(body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((host, int(port)))
        raw.sendall(f"POST /toolsets/all/mcp HTTP/1.1\r\n{head}\r\n".encode() + body)
        yield
