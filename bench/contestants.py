"""Who is measured, and how each is started on the same upstream server."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import configuration
from bench.processes import free_port, running
from bench.traffic import LEGACY, MODERN, Call, Endpoint, Session
from bench.upstream import READ_TOOL, TOOL

HERE: Final = Path(__file__).parent
PEERS: Final = HERE.parent / "var" / "bench" / "venv" / "bin" / "python"
_PIN_S: Final = 60


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table. `pid` is the root of the process tree that is charged; None where there is none."""

    name: str
    endpoint: Endpoint
    call: Call
    pid: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its files, and the port of the upstream server."""

    folder: Path
    upstream_port: int


@contextmanager
def upstream(folder: Path) -> Generator[Place]:
    """Run the upstream server in a fresh folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    with running([sys.executable, "-m", "bench.upstream", str(port)], port, folder / "upstream.log"):
        yield Place(folder, port)


def direct(place: Place, _: ExitStack) -> list[Contestant]:
    """Nothing between client and server."""
    return [Contestant("direct", Endpoint(place.upstream_port, "/mcp", MODERN), Call("tools/call", TOOL), None)]


def nginx(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Nginx as a plain proxy, one worker."""
    if shutil.which("nginx") is None:
        raise RuntimeError(_absent("nginx", "Debian: apt-get install nginx"))
    port = free_port()
    file = place.folder / "nginx.conf"
    file.write_text(configuration.NGINX.format(folder=place.folder, port=port, upstream_port=place.upstream_port))
    command = ["nginx", "-p", str(place.folder), "-c", str(file), "-g", "daemon off;"]
    pid = stack.enter_context(running(command, port, place.folder / "nginx.log"))
    return [Contestant("nginx, plain proxy", Endpoint(port, "/mcp", MODERN), Call("tools/call", TOOL), pid)]


def fastmcp(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run the FastMCP proxy with one shared, connected client; measured in a session, where it is faster."""
    if not PEERS.exists():
        raise RuntimeError(_absent("fastmcp", "scripts/bench-peers"))
    port = free_port()
    command = [str(PEERS), str(HERE / "fastmcp_proxy.py"), f"http://127.0.0.1:{place.upstream_port}/mcp", str(port)]
    pid = stack.enter_context(running(command, port, place.folder / "fastmcp.log"))
    endpoint = _in_session(Endpoint(port, "/mcp", LEGACY))
    return [Contestant("FastMCP proxy, shared client", endpoint, Call("tools/call", TOOL), pid)]


def tallystick(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Tallystick fully governed: verified token, policies, argument schema, durable intent and outcome."""
    config, state, port = place.folder / "config", place.folder / "state", free_port()
    configuration.write(config, port, place.upstream_port)
    places = ["--config", str(config), "--state", str(state)]
    _tally(["pin", "--config", str(config)])
    pid = stack.enter_context(running([_program(), "up", *places], port, place.folder / "tallystick.log"))
    token = _tally(["token", *places, "--as", configuration.PERSON]).strip()
    modern = Endpoint(port, f"/servers/{configuration.SERVER}/mcp", MODERN, token)
    legacy = _in_session(replace(modern, era=LEGACY))
    return [
        Contestant("Tallystick, governed", modern, Call("tools/call", TOOL), pid),
        Contestant("Tallystick, in a session of 2025-11-25", legacy, Call("tools/call", TOOL), pid),
        Contestant("Tallystick, policy reads the arguments", modern, Call("tools/call", READ_TOOL), pid),
        Contestant("Tallystick, tools/list", modern, Call("tools/list", None), pid),
    ]


def _in_session(endpoint: Endpoint) -> Endpoint:
    async def opened() -> str:
        session = await Session.open(endpoint, None)
        session.writer.close()
        return session.id

    return replace(endpoint, session=asyncio.run(opened()))


def _tally(words: list[str]) -> str:
    done = subprocess.run([_program(), *words], capture_output=True, text=True, timeout=_PIN_S, check=False)
    if done.returncode:
        message = f"tally {words[0]}: {done.stderr}"
        raise RuntimeError(message)
    return done.stdout


def _program() -> str:
    return str(Path(sys.executable).with_name("tally"))


def _absent(what: str, remedy: str) -> str:
    return f"{what} is missing ({remedy})"
