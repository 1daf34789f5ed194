"""The calls that are made: one request in each era, a load of it by wrk, a sample read closely, and open sessions."""

import asyncio
import http.client
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
_SCRIPT: Final = Path(__file__).with_name("call.lua")
_CLIENT: Final = {"name": "bench", "version": "1"}
_OK: Final = 200
_ID: Final = 100_000_000
"""Stands where the load generator writes an id of its own for each call; of the same width."""
_GRACE_S: Final = 30
ARGUMENTS: Final = {
    "query": "is:open label:bug repo:acme/payments timeout in settlement worker",
    "per_page": 30,
    "page": 1,
    "sort": "updated",
    "note": "abcdefghijklmnopqrstuvwxyz",
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where MCP is spoken, in which era. `session` is one that was opened, `token` a bearer token; or empty."""

    port: int
    path: str
    era: str
    token: str = ""
    session: str = ""

    @property
    def url(self) -> str:
        """The endpoint's URL."""
        return f"http://127.0.0.1:{self.port}{self.path}"

    def headers(self, method: str, name: str | None) -> dict[str, str]:
        """Return the request headers for a method, and for a tool's name where there is one."""
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": self.era,
        }
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        if self.era == MODERN:
            headers["Mcp-Method"] = method
            if name is not None:
                headers["Mcp-Name"] = name
        return headers

    def body(self, method: str, params: dict[str, object], request_id: int | None) -> bytes:
        """Return a request, or a notification where `request_id` is None."""
        if self.era == MODERN:
            key = "io.modelcontextprotocol/"
            meta = {f"{key}protocolVersion": MODERN, f"{key}clientCapabilities": {}, f"{key}clientInfo": _CLIENT}
            params = {**params, "_meta": meta}
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            message = {"jsonrpc": "2.0", "id": request_id, **message}
        return json.dumps(message, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as every connection of a load repeats it."""

    method: str
    tool: str | None

    @property
    def params(self) -> dict[str, object]:
        """The parameters."""
        return {} if self.tool is None else {"name": self.tool, "arguments": ARGUMENTS}

    def write(self, endpoint: Endpoint, path: Path) -> None:
        """Write the request for the load generator."""
        head = "".join(f"{name}: {value}\n" for name, value in endpoint.headers(self.method, self.tool).items())
        path.write_bytes(head.encode() + b"\n" + endpoint.body(self.method, self.params, _ID))


class Load(msgspec.Struct, frozen=True):
    """What the load generator saw: times in seconds, percentiles in milliseconds."""

    seconds: float
    calls: int
    p50: float
    p99: float
    socket_errors: int
    status_errors: int
    wrong: int

    @property
    def errors(self) -> int:
        """Everything that was not a good answer."""
        return self.socket_errors + self.status_errors + self.wrong


def load(url: str, request: Path, connections: int, seconds: int, *, limit: int, check: bool = False) -> Load:
    """Load a URL with the request in a file until the time (seconds) or `limit` calls are over."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s", str(_SCRIPT), url, "--"]
    done = subprocess.run(
        [*command, str(request), str(limit), *(["check"] if check else [])],
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + _GRACE_S,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    if done.stderr:
        print(done.stderr.strip())
    return msgspec.json.decode(line.removeprefix("RESULT ").encode(), type=Load)


def sample(endpoint: Endpoint, call: Call, count: int) -> int:
    """Make `count` calls one after the other and read each answer closely; return how many were not right."""
    wrong = 0
    connection = http.client.HTTPConnection("127.0.0.1", endpoint.port, timeout=20)
    for number in range(count):
        body = endpoint.body(call.method, call.params, number)
        connection.request("POST", endpoint.path, body, endpoint.headers(call.method, call.tool))
        response = connection.getresponse()
        text = response.read()
        if response.status != _OK or not _is_right(text, call, number):
            wrong += 1
            if wrong == 1:
                print(f"wrong answer of {endpoint.url}: {response.status} {text[:400]!r}")
    connection.close()
    return wrong


def _is_right(text: bytes, call: Call, number: int) -> bool:
    document = msgspec.json.decode(text, type=dict[str, object])
    result = document.get("result")
    if document.get("id") != number or not isinstance(result, dict):
        return False
    return "settlement" in str(result.get("content")) if call.tool else "tools" in result  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


async def open_sessions(endpoint: Endpoint, call: Call, count: int, seconds: float) -> list["Session"]:
    """Open sessions of 2025-11-25, each on its own connection and with one call made in it, until the time is over."""
    opened: list[Session] = []
    at_once = asyncio.Semaphore(16)

    async def one() -> None:
        async with at_once:
            opened.append(await Session.open(endpoint, call))

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one())
    except TimeoutError:
        print(f"only {len(opened)} of {count} sessions were open after {seconds} s at {endpoint.url}")
    return opened


@dataclass(frozen=True, slots=True)
class Session:
    """One open session and the connection that it was opened on."""

    id: str
    writer: asyncio.StreamWriter

    @classmethod
    async def open(cls, endpoint: Endpoint, call: Call | None) -> "Session":
        """Open one. Raises RuntimeError when an answer is wrong."""
        reader, writer = await asyncio.open_connection("127.0.0.1", endpoint.port)
        params: dict[str, object] = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
        opening = Endpoint(endpoint.port, endpoint.path, LEGACY, endpoint.token)
        headers = await _exchange(reader, writer, opening, "initialize", params, 0)
        inside = Endpoint(endpoint.port, endpoint.path, LEGACY, endpoint.token, headers.get("mcp-session-id", ""))
        await _exchange(reader, writer, inside, "notifications/initialized", {}, None)
        if call is not None:
            await _exchange(reader, writer, inside, call.method, call.params, 1)
        return cls(inside.session, writer)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    endpoint: Endpoint,
    method: str,
    params: dict[str, object],
    request_id: int | None,
) -> dict[str, str]:
    body = endpoint.body(method, params, request_id)
    lines = [f"POST {endpoint.path} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in endpoint.headers(method, None).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    answer = await reader.readexactly(int(headers.get("content-length", "0")))
    if head[0].split()[1] not in {"200", "202"} or b'"error"' in answer:
        message = f"{endpoint.url} answers {method} with {head[0]}: {answer[:300]!r}"
        raise RuntimeError(message)
    return headers
