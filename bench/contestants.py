"""Who is measured, and how each is started on the same upstream server. Other programs: `bench.peers`."""

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bench import configuration
from bench.configuration import Site
from bench.processes import free_port, running
from bench.shapes import ARGUMENTS_32K, EVENTS_1, EVENTS_10, RESULT_1M, RESULT_32K, SEARCH_READ, SHAPES, TRACKER
from bench.traffic import LEGACY, MODERN, Call, Endpoint, Session

CONNECTIONS: Final = (1, 16, 64)
_FEW: Final = (1, 64)
_LARGE: Final = (1, 16)
_COMMAND_S: Final = 120


@dataclass(frozen=True, slots=True)
class Contestant:
    """One row of the table. `pid` is the root of the process tree that is charged; None where there is none.

    `connections` are those that the row is measured with. `slow`: calls take tens of milliseconds, so a load needs
    longer. `payload`: bytes that a call carries, where the row is about them. `sessions`: ids that a load uses in turn.
    """

    row: str
    name: str
    endpoint: Endpoint
    call: Call
    pid: int | None
    connections: tuple[int, ...] = CONNECTIONS
    slow: bool = False
    payload: int = 0
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its files, the port of the upstream server, and which rows are wanted."""

    folder: Path
    upstream_port: int
    rows: frozenset[str]

    def site(self, name: str) -> tuple[Site, Path]:
        """Return a fresh site below the folder, and its state directory."""
        return Site(self.folder / name / "config", free_port(), self.upstream_port), self.folder / name / "state"


@contextmanager
def upstream(folder: Path, rows: Iterable[str] = ()) -> Generator[Place]:
    """Run the upstream server in a fresh folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    with running([sys.executable, "-m", "bench.upstream", str(port)], port, folder / "upstream.log"):
        yield Place(folder, port, frozenset(rows))


def direct(place: Place, _: ExitStack) -> list[Contestant]:
    """Nothing between client and server."""
    return [Contestant("direct", "direct", Endpoint(place.upstream_port, "/mcp", MODERN), Call(), None)]


GOVERNED: Final = "Tallystick, governed"
TALLYSTICK_ROWS: Final = (
    *("governed", "session", "policy-arguments", "tools-list"),
    *("events-1", "events-10", "arguments-32k", "result-32k"),
)
SITES: Final = frozenset({"workers", "result-1m", "toolset"})
"""Rows with a gateway of their own, whose site has the row's name."""


def tallystick(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Tallystick fully governed: verified token, policies, argument schema, durable intent and outcome."""
    modern, pid = _own(place, stack, "tallystick", ["up"])
    other = replace(modern, path=f"/servers/{SHAPES}/mcp")
    found = [Contestant("governed", GOVERNED, modern, Call(), pid)]
    if "session" in place.rows:
        found.append(Contestant("session", "Tallystick, in a session of 2025-11-25", in_session(modern), Call(), pid))
    found += [
        Contestant(
            "policy-arguments", "Tallystick, policy reads the arguments", modern, Call(shape=SEARCH_READ), pid, _FEW
        ),
        Contestant("tools-list", "Tallystick, tools/list of 8 tools", modern, Call("tools/list", None), pid, _FEW),
        Contestant("events-1", "Tallystick, stream: 1 event, result", other, Call(shape=EVENTS_1), pid, _FEW),
        Contestant("events-10", "Tallystick, stream: 10 events, result", other, Call(shape=EVENTS_10), pid, _FEW),
        Contestant("arguments-32k", "Tallystick, arguments of 32 KB", other, Call(shape=ARGUMENTS_32K), pid, _FEW),
        Contestant("result-32k", "Tallystick, result of 32 KB", other, Call(shape=RESULT_32K), pid, _FEW),
    ]
    return [contestant for contestant in found if contestant.row in place.rows]


def large(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Tallystick for results of 1 MiB, apart, so that their memory is in no other row."""
    modern, pid = _own(place, stack, "result-1m", ["up"])
    endpoint, size = replace(modern, path=f"/servers/{SHAPES}/mcp"), len(RESULT_1M.text.encode())
    name = "Tallystick, result of 1 MiB"
    return [Contestant("result-1m", name, endpoint, Call(shape=RESULT_1M), pid, _LARGE, payload=size)]


def toolset(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run Tallystick over 50 servers with 20 tools each, all in one toolset; only their list is asked for."""
    modern, pid = _own(place, stack, "toolset", ["up"])
    endpoint = replace(modern, path=f"/toolsets/{configuration.TOOLSET}/mcp")
    name = "Tallystick, tools/list of 50 servers x 20 tools"
    return [Contestant("toolset", name, endpoint, Call("tools/list", None), pid, _LARGE, slow=True)]


def workers(place: Place, stack: ExitStack) -> list[Contestant]:
    """Run two gateway processes that share one listener and one record."""
    if not has_command("gateway"):
        raise RuntimeError(absent("`tally gateway`", "this version has one process only"))
    modern, pid = _own(place, stack, "workers", ["gateway", "--workers", "2"])
    return [Contestant("workers", "Tallystick, governed, 2 worker processes", modern, Call(), pid)]


def _own(place: Place, stack: ExitStack, row: str, words: list[str]) -> tuple[Endpoint, int]:
    """Run a gateway for one row; return its endpoint of the tracker, with a token, and its process."""
    site, state = place.site(row)
    (configuration.write_fleet if row == "toolset" else configuration.write)(site)
    pin(site)
    pid = stack.enter_context(serving(place, site, state, words))
    return Endpoint(site.port, f"/servers/{TRACKER}/mcp", MODERN, token(site, state)), pid


@contextmanager
def serving(place: Place, site: Site, state: Path, words: list[str]) -> Generator[int]:
    """Run a gateway; yields the id of its first process."""
    command = [_program(), *words, "--config", str(site.config), "--state", str(state)]
    with running(command, site.port, place.folder / f"{site.config.parent.name}.log") as pid:
        yield pid


def pin(site: Site) -> None:
    """Pin what the servers of a site are."""
    _tally(["pin", "--config", str(site.config)])


def token(site: Site, state: Path, person: str = configuration.PERSON) -> str:
    """Return a token of a person."""
    return _tally(["token", "--config", str(site.config), "--state", str(state), "--as", person]).strip()


def has_command(name: str) -> bool:
    """Tell whether `tally` has a command."""
    done = subprocess.run([_program(), name, "--help"], capture_output=True, timeout=_COMMAND_S, check=False)
    return done.returncode == 0


def in_session(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint with a session of 2025-11-25 that was opened at it."""

    async def opened() -> str:
        session = await Session.open(replace(endpoint, era=LEGACY), None)
        session.writer.close()
        return session.id

    return replace(endpoint, era=LEGACY, session=asyncio.run(opened()))


def absent(what: str, remedy: str) -> str:
    """Return the sentence that says what is missing and what helps."""
    return f"{what} is missing ({remedy})"


def _tally(words: list[str]) -> str:
    done = subprocess.run([_program(), *words], capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if done.returncode:
        message = f"tally {words[0]}: {done.stderr}"
        raise RuntimeError(message)
    return done.stdout


def _program() -> str:
    return str(Path(sys.executable).with_name("tally"))
