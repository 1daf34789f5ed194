"""The clients: how each is started with an endpoint, an era, a tool and its arguments, and how it says what it saw."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from tests.peers.gateways import free_port
from tests.peers.places import NPM, PEERS, PROGRAMS, node, npm_file, program
from tests.peers.seen import Peer

LEGACY, MODERN, AUTO = "2025-11-25", "2026-07-28", "auto"
_BOTH: Final = (LEGACY, MODERN, AUTO)
_HTTP: Final = "Streamable HTTP"
_INSPECTOR: Final = "@modelcontextprotocol/inspector"
_ERAS_OF_INSPECTOR: Final = {LEGACY: "legacy", MODERN: "modern", AUTO: "auto"}
_WITHIN_S: Final = 60


class Saw(msgspec.Struct, frozen=True):
    """What a client says: the version it negotiated (empty: it does not tell), the tools, the text of the result."""

    era: str
    tools: list[str]
    text: str
    registered: bool


@dataclass(frozen=True, slots=True)
class Client:
    """A client, the eras it is asked to speak, and the program that drives it (none: the Inspector is one itself)."""

    peer: Peer
    eras: tuple[str, ...]
    driver: str = ""

    def run(self, endpoint: str, era: str, home: Path, tool: str, arguments: Mapping[str, object]) -> Saw:
        """Let the client sign in by itself, list, and call one tool."""
        if not self.driver:
            return _inspect(endpoint, era, home, tool, arguments)
        first = node() if self.driver.endswith(".mjs") else program(self.peer.environment)
        command = [first, str(PROGRAMS / self.driver), endpoint, era, tool, json.dumps(arguments)]
        return msgspec.json.decode(_run(command, home).splitlines()[-1], type=Saw)


CLIENTS: Final = (
    Client(Peer("Python SDK 1.x", "client", "sdk-1", "mcp", _HTTP), (LEGACY,), "sdk_1_client.py"),
    Client(Peer("Python SDK 2.x", "client", "sdk-2", "mcp", _HTTP), _BOTH, "sdk_2_client.py"),
    Client(Peer("FastMCP", "client", "fastmcp", "fastmcp", _HTTP), _BOTH, "fastmcp_client.py"),
    Client(
        Peer("TypeScript SDK 1.x", "client", NPM, "@modelcontextprotocol/sdk", _HTTP), (LEGACY,), "sdk_1_client.mjs"
    ),
    Client(Peer("TypeScript SDK 2.x", "client", NPM, "@modelcontextprotocol/client", _HTTP), _BOTH, "sdk_2_client.mjs"),
    Client(Peer("MCP Inspector (command line)", "client", NPM, _INSPECTOR, _HTTP), _BOTH),
)


class _Named(msgspec.Struct):
    name: str


class _Block(msgspec.Struct):
    text: str = ""


class _Answer(msgspec.Struct):
    tools: list[_Named] = msgspec.field(default_factory=list[_Named])
    content: list[_Block] = msgspec.field(default_factory=list[_Block])


class _Printed(msgspec.Struct):
    result: _Answer


def _inspect(endpoint: str, era: str, home: Path, tool: str, arguments: Mapping[str, object]) -> Saw:
    """Run the Inspector twice: one run is one request; the second finds the registration of the first in its home."""
    callback = f"http://127.0.0.1:{free_port()}/oauth/callback"
    launcher = npm_file(_INSPECTOR, "clients/launcher/build/index.js")
    command = [node(), launcher, "--cli", "--server-url", endpoint, "--transport", "http", "--format", "json"]
    command += ["--protocol-era", _ERAS_OF_INSPECTOR[era], "--callback-url", callback]
    call = ["--method", "tools/call", "--tool-name", tool, "--tool-args-json", json.dumps(arguments)]
    listed = msgspec.json.decode(_run([*command, "--method", "tools/list"], home), type=_Printed).result
    called = msgspec.json.decode(_run([*command, *call], home), type=_Printed).result
    return Saw("", [entry.name for entry in listed.tools], called.content[0].text, registered=True)


def _run(command: list[str], home: Path) -> str:
    environment = {
        "PATH": os.defpath,
        "HOME": str(home),
        # Clients that open a browser get one without a window.
        "BROWSER": f"{sys.executable} {PROGRAMS / 'browser.py'} %s &",
        "MCP_AUTO_OPEN_ENABLED": "true",
        "MCP_INSPECTOR_SECRET_STORE": "memory",
    }
    done = subprocess.run(
        command,
        cwd=PEERS / NPM,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{command[:3]}: {done.stdout}{done.stderr}"
    return done.stdout
