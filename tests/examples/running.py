"""Starts the demo bank's servers as the demo does: processes of their own, spoken to by the SDK's client."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult


def command(name: str, *options: str) -> list[str]:
    """Return the command line of a server."""
    return [sys.executable, "-m", f"tallystick_demo_bank.{name}", *options]


@dataclass(slots=True)
class Bank:
    """The running servers: name -> URL of the MCP endpoint, process and SQLite file."""

    folder: Path
    urls: dict[str, str] = field(default_factory=dict[str, str])
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict[str, "subprocess.Popen[bytes]"])

    def database(self, name: str) -> Path:
        """Return the SQLite file of a server."""
        return self.folder / f"{name}.sqlite"

    def rows(self, name: str, sql: str) -> list[tuple[object, ...]]:
        """Read from a server's file, beside the server."""
        with closing(sqlite3.connect(self.database(name))) as connection:
            return list(connection.execute(sql))

    def start(self, *names: str) -> None:
        """Start servers side by side and wait until each says where it listens."""
        for name in names:
            self._reap(name)
            line = command(name, "--port", "0", "--db", str(self.database(name)))
            self.processes[name] = subprocess.Popen(line, stdout=subprocess.PIPE)
        for name in names:
            output = self.processes[name].stdout
            assert output is not None
            self.urls[name] = str(json.loads(output.readline())["url"])

    def stop(self, name: str) -> int:
        """Ask a server to end, and return its exit status."""
        self.processes[name].terminate()
        return self._reap(name)

    def kill(self) -> None:
        """End what still runs, without asking."""
        for name, process in list(self.processes.items()):
            process.kill()
            self._reap(name)

    def _reap(self, name: str) -> int:
        process = self.processes.pop(name, None)
        if process is None:
            return 0
        with process:
            return process.wait(10)


@contextmanager
def running(folder: Path, *names: str) -> Generator[Bank]:
    """Run servers until the block ends."""
    bank = Bank(folder)
    try:
        bank.start(*names)
        yield bank
    finally:
        bank.kill()


@asynccontextmanager
async def client(url: str, era: str, token: str | None = None) -> AsyncGenerator[Client]:
    """Connect a client of one era ("legacy" or "2026-07-28"), with a bearer token if given."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    # The transport leaves a client that it did not make open: whoever makes one closes it.
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as session,
    ):
        yield session


def stdio(name: str, database: Path, era: str) -> Client:
    """Return a client that starts a server of its own over stdio."""
    program, *options = command(name, "--stdio", "--db", str(database))
    return Client(StdioServerParameters(command=program, args=options), mode=era)


def answer(result: CallToolResult) -> dict[str, object]:
    """Return the structured content of a call that went well."""
    assert not result.is_error, text(result)
    return msgspec.convert(result.structured_content, dict[str, object])


def text(result: CallToolResult) -> str:
    """Return the first text of a result."""
    return str(getattr(result.content[0], "text", ""))
