"""No durable intent, no call; no durable outcome, no answer: what happens when the record cannot be written."""

import os
import signal
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.interaction.configuration import copy_configuration
from tests.interaction.legacy import Legacy
from tests.interaction.processes import is_alive, kill, writers_of
from tests.interaction.record import log_of, told, told_of_calls
from tests.interaction.stage import Stage, error_of, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ROUTE = "servers/desk"


@pytest.fixture
async def own(world: World, tmp_path: Path) -> AsyncGenerator[tuple[Stage, int]]:
    """A gateway of the test's own, and the process id of its audit writer."""
    before = set(writers_of(os.getpid()))
    async with open_stage(world, world.config, tmp_path / "state") as stage:
        yield stage, next(pid for pid in writers_of(os.getpid()) if pid not in before)


async def _killed(stage: Stage, writer: int) -> None:
    kill(writer)
    await until(lambda: not is_alive(writer) and not stage.gateway.ready)


@requirement("record:fail-closed:nothing-forwarded")
async def test_without_a_writer_no_request_reaches_a_server_and_the_client_is_told(own: tuple[Stage, int]) -> None:
    stage, writer = own
    client = Legacy(stage, ROUTE, "2025-11-25")
    await client.open()
    assert text_of(await client.call("echo", {"text": "recorded"})) == "recorded"
    await _killed(stage, writer)
    before = stage.world.journal("desk").text()
    answers = [
        await stage.call(ROUTE, "echo", {"text": "unrecorded"}),
        await client.call("echo", {"text": "unrecorded"}),
        await stage.post(ROUTE, "resources/read", {"uri": "desk://rates/public-x"}),
        await stage.post(ROUTE, "tools/list"),
        await Legacy(stage, ROUTE, "2025-11-25").open(),
    ]
    for answer in answers:
        assert (answer.status_code, reasons_of(answer)) == (503, ["record_unwritable"])
        assert "none is made" in str(error_of(answer)["message"])
    assert stage.world.journal("desk").text() == before


@requirement("record:fail-closed:nothing-forwarded")
async def test_a_call_waits_for_its_intent_and_only_then_reaches_the_server(own: tuple[Stage, int]) -> None:
    stage, writer = own
    journal, bulkhead = stage.world.journal("desk"), stage.gateway.rooms.bulkhead
    assert text_of(await stage.call(ROUTE, "echo", {"text": "connected"})) == "connected"
    os.kill(writer, signal.SIGSTOP)
    async with anyio.create_task_group() as group:
        try:
            group.start_soon(stage.call, ROUTE, "echo", {"text": "held"})
            # Past policy nothing but the record is waited for, so an admitted call is at its intent.
            await until(lambda: bulkhead.in_flight() == 1)
            # Time for a call that did not wait: these travel the same loop, there and back.
            for _ in range(50):
                await stage.http.get(f"{stage.url}/healthz")
            assert journal.calls("echo", text="held") == 0
        finally:
            os.kill(writer, signal.SIGCONT)
    assert journal.calls("echo", text="held") == 1


@requirement("record:fail-closed:refusals")
async def test_without_a_writer_a_refusal_is_still_a_refusal(own: tuple[Stage, int]) -> None:
    stage, writer = own
    await _killed(stage, writer)
    denied = await stage.call(ROUTE, "wipe", {"account": "A"})
    assert reasons_of(denied) == ["policy_forbids"]
    assert "tallystick.dev/record" not in denied.text
    nobody = await stage.post(ROUTE, "tools/list", headers={"authorization": None})
    assert nobody.status_code == 401


@requirement("record:fail-closed:health")
async def test_without_a_writer_the_gateway_says_that_it_refuses_calls(own: tuple[Stage, int]) -> None:
    stage, writer = own
    assert (await stage.http.get(f"{stage.url}/healthz")).status_code == 200
    await _killed(stage, writer)
    assert (await stage.http.get(f"{stage.url}/healthz")).status_code == 503


@requirement("record:fail-closed:withheld", "record:in-doubt")
async def test_an_outcome_that_cannot_be_recorded_is_withheld_and_in_doubt_after_the_restart(
    own: tuple[Stage, int], tmp_path: Path
) -> None:
    stage, writer = own
    journal, answers, key = stage.world.journal("desk"), list[httpx2.Response](), "withheld"

    async def hold() -> None:
        answers.append(await stage.call(ROUTE, "hold", {"key": key}))

    async with open_stage(stage.world, stage.places.config, tmp_path / "beside") as beside:
        start = await stage.record().mark()
        async with anyio.create_task_group() as group:
            group.start_soon(hold)
            await until(lambda: journal.entries("holding", key=key))
            await _killed(stage, writer)
            await beside.call(ROUTE, "release", {"key": key})
    assert journal.entries("let go", key=key)
    assert (answers[0].status_code, reasons_of(answers[0])) == (503, ["record_unwritable"])
    assert "The call was made but its outcome could not be recorded" in str(error_of(answers[0])["message"])
    assert f"released {key}" not in answers[0].text
    async with open_stage(stage.world, stage.places.config, stage.places.state) as again:
        record = again.record()
        leaves = await record.since(start)
        assert told_of_calls(leaves[:1]) == ["intent tools/call"]
        assert (leaves[1]["kind"], leaves[1]["intent"], leaves[1]["id"]) == ("in_doubt", start + 1, leaves[0]["id"])
        assert record.sound().damage == ()
        assert log_of(again.places.state, "bank").is_dir()


@requirement("record:call:two-leaves")
async def test_a_call_that_breaks_the_gateway_after_its_intent_has_an_outcome_too(world: World, tmp_path: Path) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    subscribing = '@id("subscribe") permit (principal, action == Action::"mcp/resources/subscribe", resource);'
    (config / "policies" / "more.cedar").write_text(subscribing)
    async with open_stage(world, config, tmp_path / "state") as stage:
        client = Legacy(stage, "servers/line", "2025-11-25")
        await client.open()
        assert (await client.ask("ping", {})).status_code == 200
        with closing(sqlite3.connect(tmp_path / "state" / "sessions.db")) as kept:
            kept.execute("DROP TABLE session")
        record = stage.record()
        start = await record.mark()
        answer = await client.ask("resources/subscribe", {"uri": "desk://rates/public-one"})
        assert reasons_of(answer) == ["internal"]
        assert told(await record.since(start)) == ["intent resources/subscribe", "outcome upstream_failure"]
