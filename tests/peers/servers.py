"""The servers: how each is started, the harmless call that is made, and what else of it is compared."""

import http.server
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.peers import dialogue, gateways
from tests.peers.places import NPM, PROGRAMS, node, npm_file, program
from tests.peers.seen import Peer

_ENVIRONMENT: Final = {"PATH": os.defpath}
_WITHIN_S: Final = 30
_STDIO, _HTTP = "stdio", "Streamable HTTP"
Arguments = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Running:
    """A server that can be reached: the transport for the gateway, and a way to talk to it directly in an era."""

    transport: Mapping[str, object]
    talk: Callable[[str], AbstractContextManager[dialogue.Dialogue]]


Start = Callable[[Path], AbstractContextManager[Running]]


@dataclass(frozen=True, slots=True)
class Server:
    """A server under test. `others` are further requests whose results are compared: (method, params).

    `varies` is a pattern of what a result holds of the moment (time, a count of calls): two answers may differ in it.
    """

    name: str
    peer: Peer
    start: Start
    tool: str
    arguments: Callable[[Path], Arguments]
    others: tuple[tuple[str, Arguments], ...] = field(default=())
    varies: str = ""


def process(command: Callable[[Path], Sequence[str]], **variables: str) -> Start:
    """Return how a server over stdio starts: by the gateway; and once more, alone, to be compared with."""

    @contextmanager
    def start(folder: Path) -> Generator[Running]:
        line = command(folder)
        environment = _ENVIRONMENT | {name: value.format(folder=folder) for name, value in variables.items()}

        def talk(era: str) -> AbstractContextManager[dialogue.Dialogue]:
            return dialogue.over_stdio(line, environment, folder, era)

        yield Running(gateways.stdio(line, environment, folder), talk)

    return start


def listening(command: Callable[[int], Sequence[str]]) -> Start:
    """Return how a server over HTTP starts: before the gateway, on a port of its own."""

    @contextmanager
    def start(folder: Path) -> Generator[Running]:
        port = gateways.free_port()
        url = f"http://127.0.0.1:{port}/mcp"
        log = (folder / "server.log").open("wb")
        environment = _ENVIRONMENT | {"PORT": str(port), "HOME": str(folder)}
        with log, subprocess.Popen(command(port), cwd=folder, env=environment, stdout=log, stderr=log) as running:
            try:
                _await_port(port)
                yield Running(gateways.http(url), lambda era: dialogue.over_http(url, era))
            finally:
                running.kill()

    return start


def _await_port(port: int) -> None:
    until = time.monotonic() + _WITHIN_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < until, "the server does not listen"
            time.sleep(0.05)
        else:
            return


def _python(environment: str, name: str, *options: str) -> Start:
    return process(lambda folder: [program(environment, name), *(option.format(folder=folder) for option in options)])


def _script(environment: str, name: str, *options: str) -> Start:
    return listening(lambda port: [program(environment), str(PROGRAMS / name), str(port), *options])


def _npm(package: str, *options: str, **variables: str) -> Start:
    def command(folder: Path) -> list[str]:
        return [node(), npm_file(package), *(option.format(folder=folder) for option in options)]

    return process(command, **variables)


def _npm_http(package: str, *options: str) -> Start:
    return listening(lambda _: [node(), npm_file(package), *options])


def _fixed(**arguments: object) -> Callable[[Path], Arguments]:
    return lambda _: arguments


def _repository(folder: Path) -> Arguments:
    """Make a repository with one commit."""
    git = ["git", "-c", "user.name=Ana", "-c", "user.email=ana@acme.example", "-C", str(folder)]
    if not (folder / ".git").exists():
        subprocess.run([*git, "init", "--quiet", "-b", "main"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "Open the books"], check=True)
    return {"repo_path": str(folder), "max_count": 1}


def _greeting(folder: Path) -> Arguments:
    (folder / "greeting.txt").write_text("Grüß Gott\n")
    return {"path": str(folder / "greeting.txt")}


def _page(folder: Path) -> Arguments:
    """Serve a page on the loopback address for as long as the tests run."""
    (folder / "page.html").write_text("<html><body><h1>Rates</h1><p>Unchanged.</p></body></html>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        """Serves the folder, and says nothing."""

        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # pyright: ignore[reportArgumentType] - given by the server

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - named by the library
            """Say nothing."""

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    return {"url": f"http://127.0.0.1:{host.server_port}/page.html"}


def _peer(title: str, environment: str, package: str, transport: str) -> Peer:
    return Peer(title, "server", environment, package, transport)


_M: Final = "@modelcontextprotocol/"
_EVERYTHING: Final = _M + "server-everything"
_OF_EVERYTHING: Final = (
    ("prompts/get", {"name": "simple-prompt"}),
    ("prompts/get", {"name": "args-prompt", "arguments": {"city": "Luxembourg"}}),
    ("resources/read", {"uri": "demo://resource/static/document/architecture.md"}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "completable-prompt"}, "argument": {"name": "department", "value": "E"}},
    ),
)
_OF_SDK_1: Final = (
    ("prompts/get", {"name": "greet", "arguments": {"name": "Ana"}}),
    ("resources/read", {"uri": "notes://today"}),
    ("resources/read", {"uri": "notes://monday"}),
)
_UI: Final = ("resources/read", {"uri": "ui://get-time/mcp-app.html"})

SERVERS: Final = (
    Server(
        "time",
        _peer("mcp-server-time", "sdk-2", "mcp-server-time", _STDIO),
        _python("sdk-2", "mcp-server-time", "--local-timezone", "UTC"),
        "convert_time",
        _fixed(source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo"),
    ),
    Server(
        "git",
        _peer("mcp-server-git", "sdk-2", "mcp-server-git", _STDIO),
        _python("sdk-2", "mcp-server-git", "--repository", "{folder}"),
        "git_log",
        _repository,
    ),
    Server(
        "fetch",
        _peer("mcp-server-fetch", "sdk-2", "mcp-server-fetch", _STDIO),
        _python("sdk-2", "mcp-server-fetch", "--ignore-robots-txt", "--allow-private-ips"),
        "fetch",
        _page,
    ),
    Server(
        "sqlite",
        _peer("mcp-server-sqlite", "sdk-1", "mcp-server-sqlite", _STDIO),
        _python("sdk-1", "mcp-server-sqlite", "--db-path", "{folder}/books.sqlite"),
        "list_tables",
        _fixed(),
        (("resources/read", {"uri": "memo://insights"}),),
    ),
    Server(
        "filesystem",
        _peer("server-filesystem", NPM, _M + "server-filesystem", _STDIO),
        _npm(_M + "server-filesystem", "{folder}"),
        "read_text_file",
        _greeting,
    ),
    Server(
        "memory",
        _peer("server-memory", NPM, _M + "server-memory", _STDIO),
        _npm(_M + "server-memory", MEMORY_FILE_PATH="{folder}/memory.jsonl"),
        "read_graph",
        _fixed(),
    ),
    Server(
        "thinking",
        _peer("server-sequential-thinking", NPM, _M + "server-sequential-thinking", _STDIO),
        _npm(_M + "server-sequential-thinking"),
        "sequentialthinking",
        _fixed(thought="Begin at the end.", nextThoughtNeeded=False, thoughtNumber=1, totalThoughts=1),
        varies=r"thoughtHistoryLength\W+\d+",
    ),
    Server(
        "everything",
        _peer("server-everything", NPM, _EVERYTHING, _STDIO),
        _npm(_EVERYTHING, "stdio"),
        "echo",
        _fixed(message="Grüß Gott"),
        _OF_EVERYTHING,
    ),
    Server(
        "everything-http",
        _peer("server-everything", NPM, _EVERYTHING, _HTTP),
        _npm_http(_EVERYTHING, "streamableHttp"),
        "echo",
        _fixed(message="Grüß Gott"),
        _OF_EVERYTHING,
    ),
    Server(
        "app",
        _peer("server-basic-vanillajs (MCP Apps)", NPM, _M + "server-basic-vanillajs", _HTTP),
        _npm_http(_M + "server-basic-vanillajs"),
        "get-time",
        _fixed(),
        (_UI,),
        varies=r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    ),
    Server(
        "tasks",
        _peer("FastMCP with fastmcp-tasks", "fastmcp-tasks", "fastmcp-tasks", _HTTP),
        _script("fastmcp-tasks", "tasks_server.py"),
        "reconcile",
        _fixed(accounts=2),
    ),
    Server(
        "sdk-1-sessions",
        _peer("Python SDK 1.x, with sessions", "sdk-1", "mcp", _HTTP),
        _script("sdk-1", "sdk_1_server.py", "stateful"),
        "add",
        _fixed(a=2, b=3),
        _OF_SDK_1,
    ),
    Server(
        "sdk-1-stateless",
        _peer("Python SDK 1.x, without sessions", "sdk-1", "mcp", _HTTP),
        _script("sdk-1", "sdk_1_server.py", "stateless"),
        "add",
        _fixed(a=2, b=3),
        _OF_SDK_1,
    ),
)
