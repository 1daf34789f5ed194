"""How servers are can be seen from outside, while they fail and once they are back, without anybody calling them."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec
import pytest

from tallystick.guard.breaker import THRESHOLD
from tallystick.wiring.health import health_of
from tests.crash.bank import founded
from tests.interaction.configuration import ROOT, copy_configuration, http
from tests.interaction.journal import Journal
from tests.interaction.processes import children, kill
from tests.interaction.stage import Stage, open_stage, reasons_of
from tests.interaction.waiting import until
from tests.interaction.world import World, running_world
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
Json = dict[str, object]
ROUTE = "servers/desk"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, because its world lives in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[World]:
    """Servers, issuer and configuration."""
    async with running_world(tmp_path_factory.mktemp("world")) as running:
        yield running


@asynccontextmanager
async def _desk(world: World, port: int) -> AsyncGenerator[int]:
    """Run a server over HTTP as a process of its own; it is killed at the end of the block."""
    journal = Journal(world.folder / "journals" / "mortal.jsonl")
    command = [sys.executable, "-m", "tests.interaction.desk", "--journal", str(journal.file), "--port", str(port)]
    async with await anyio.open_process(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=None) as process:
        assert process.stdout is not None
        try:
            yield int(await process.stdout.receive())
        finally:
            with suppress(ProcessLookupError):
                process.kill()


@asynccontextmanager
async def _stage(world: World, folder: Path, port: int) -> AsyncGenerator[Stage]:
    config = copy_configuration(world.config, folder / "config")
    entry = config / "servers" / "desk.yaml"
    entry.write_text(entry.read_text().replace(http(f"{world.origin}/desk/mcp"), http(f"http://127.0.0.1:{port}/mcp")))
    async with open_stage(world, config, folder / "state") as stage:
        yield stage


async def _tally(state: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a person does, beside the gateway."""
    command = [sys.executable, "-m", "tallystick.cli", "health", "--state", str(state), *options]

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    return await anyio.to_thread.run_sync(run)


def _told(stage: Stage) -> Json | None:
    """What the gateway's file says of the desk now."""
    file = stage.places.state / "run" / "health-0.json"
    if not file.exists():
        return None
    said = msgspec.json.decode(file.read_bytes(), type=Json)
    (desk,) = [entry for entry in msgspec.convert(said["servers"], list[Json]) if entry["server"] == "desk"]
    return desk


def _circuit(stage: Stage) -> object:
    told = _told(stage)
    return told and told["circuit"]


@requirement("failure:health")
async def test_a_server_that_dies_is_seen_open_and_once_it_is_back_closed_without_a_call(
    world: World, tmp_path: Path
) -> None:
    async with _desk(world, 0) as port:
        async with _stage(world, tmp_path, port) as stage:
            await until(lambda: _circuit(stage) == "closed")
            done = await _tally(stage.places.state)
            assert done.returncode == 0, done.stderr
            (line,) = [line for line in done.stdout.splitlines() if line.startswith("desk ")]
            assert "worker 0  calls pass (circuit closed for " in line
            assert ", 0 failures in a row; 0 calls under way; speaks 2026-07-28 and 2025-11-25; said " in line
            assert line.endswith(" s ago")
            file = stage.places.state / "run" / "health-0.json"
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            await _dies_and_comes_back(world, stage, port)
            assert [path.name for path in file.parent.glob("health*")] == ["health-0.json"]
        assert not file.exists(), "who has ended tells nothing"


async def _dies_and_comes_back(world: World, stage: Stage, port: int) -> None:
    async with anyio.create_task_group() as holding:
        holding.start_soon(stage.call, ROUTE, "hold", {"key": "health"})
        await until(lambda: (_told(stage) or {}).get("under_way") == 1)
        holding.cancel_scope.cancel()
    for pid in _desks():
        kill(pid)
    answers = [await stage.call(ROUTE, "echo", {"text": "?"}) for _ in range(THRESHOLD + 2)]
    assert reasons_of(answers[-1]) == ["circuit_open"]
    await until(lambda: _circuit(stage) in ("open", "half_open"))
    done = await _tally(stage.places.state)
    assert done.returncode == 1
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("desk ")]
    assert "  no calls pass (circuit " in line
    assert "failures in a row: upstream_unreachable (" in line
    assert "asked again in " in line or "is being asked again" in line
    done = await _tally(stage.places.state, "--json")
    assert done.returncode == 1
    (told,) = [entry for entry in json.loads(done.stdout) if entry["server"] == "desk"]
    assert told["process"] == os.getpid()
    assert told["failures"] >= THRESHOLD
    assert told["reason"] == "upstream_unreachable"
    assert told["for_s"] >= 0
    intents = await stage.record().mark()
    async with _desk(world, port):
        await until(lambda: _circuit(stage) == "closed")
        assert (_told(stage) or {})["failures"] == 0
        assert (await _tally(stage.places.state)).returncode == 0
        assert await stage.record().mark() == intents + 1, "nothing but this mark was asked of the gateway"


def _desks() -> list[int]:
    """Return the processes that this file started as servers, by their command line."""
    found: list[int] = []
    for pid in children(os.getpid()):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"tests.interaction.desk" in words and b"mortal" in words:
            found.append(pid)
    assert found
    return found


async def test_each_worker_tells_for_itself_and_one_that_was_killed_is_told_apart(tmp_path: Path) -> None:
    async with founded(tmp_path) as bank:
        bank.workers = 2
        await bank.start()
        await until(lambda: len(health_of(bank.state)[1]) == 2)
        done = await _tally(bank.state)
        assert done.returncode == 0, done.stderr
        assert [line.partition("  calls pass")[0] for line in done.stdout.splitlines()] == [
            "counting  worker 0",
            "counting  worker 1",
        ]
        _, living, dead = health_of(bank.state)
        assert dead == ()
        assert bank.gateway is not None
        kill(bank.gateway.pid)
        for worker in living:
            kill(worker.process)
        await until(lambda: health_of(bank.state)[1] == ())
        done = await _tally(bank.state)
        assert done.returncode == 2
        assert done.stderr.startswith(f"tally: no gateway runs with the state directory {bank.state}. worker ")
        assert " has gone; it last spoke " in done.stderr
        assert f"Start one with `tally up --state {bank.state}`" in done.stderr
        # Whoever comes next takes the place of the first, and removes what the second has left.
        bank.workers = 0
        await bank.start()
        await until(lambda: len(health_of(bank.state)[1]) == 1)
        _, living, dead = health_of(bank.state)
        assert ([worker.index for worker in living], dead) == ([0], ())
        await bank.bury()
        assert list((bank.state / "run").glob("health-*")) == []


async def test_without_a_gateway_the_command_says_what_to_do(tmp_path: Path) -> None:
    done = await _tally(tmp_path / "nowhere")
    assert done.returncode == 2
    assert done.stderr == (
        f"tally: no gateway runs with the state directory {tmp_path}/nowhere. Start one with "
        f"`tally up --state {tmp_path}/nowhere`, or name another directory with --state.\n"
    )


def _file(state: Path, index: int, **changes: object) -> None:
    server = {"server": "s\x1b[2J", "circuit": "open", "since": 5.0, "failures": 9, "reason": "upstream_broken"}
    server |= {"detail": "\x1b]0;x", "again_at": 6.0, "eras": ["2025-11-25"], "under_way": 0}
    said = {"v": 1, "index": index, "process": os.getpid(), "said_at": 9e9, "servers": [server], **changes}
    (state / "run").mkdir(exist_ok=True)
    (state / "run" / f"health-{index}.json").write_text(json.dumps(said))


@requirement("failure:health")
async def test_what_is_old_broken_or_of_a_dead_process_is_not_believed(tmp_path: Path) -> None:
    gone = await anyio.open_process([sys.executable, "-c", ""])
    await gone.wait()
    await gone.aclose()
    _file(tmp_path, 0)
    _file(tmp_path, 1, said_at=1000.0)
    _file(tmp_path, 2, process=gone.pid)
    _file(tmp_path, 3, servers=[{"server": "x"}])
    (tmp_path / "run" / "health-4.json").write_text("{")
    (tmp_path / "run" / "health-5.json").write_text("[" * 100_000)
    (tmp_path / "run" / "health-6.json").write_text("[]")
    _, living, dead = health_of(tmp_path)
    assert [worker.index for worker in living] == [0]
    assert [worker.index for worker in dead] == [1, 2]
    done = await _tally(tmp_path)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "\x1b" not in done.stdout
    assert [line.partition(" (")[0] for line in done.stderr.splitlines()] == ["note: worker 1", "note: worker 2"]
