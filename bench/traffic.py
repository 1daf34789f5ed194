"""The calls that are made: a request in each era, a load of it by wrk, a sample read closely, and open sessions."""

import asyncio
import http.client
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from bench.shapes import SEARCH, Shape

MODERN: Final = "2026-07-28"
LEGACY: Final = "2025-11-25"
_SCRIPT: Final = Path(__file__).with_name("call.lua")
_CLIENT: Final = {"name": "bench", "version": "1"}
_OK: Final = 200
_ID: Final = 100_000_000
"""Stands where the load generator writes an id of its own for each call; of the same width."""
_GRACE_S: Final = 40


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where MCP is spoken, in which era. `session` is one that was opened, `token` a bearer token; or empty.

    `key` is the header that carries the token.
    """

    port: int
    path: str
    era: str
    token: str = ""
    session: str = ""
    key: str = "Authorization"

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
            headers[self.key] = f"Bearer {self.token}"
        if self.session:
            headers["Mcp-Session-Id"] = self.session
        if self.era == MODERN:
            headers["Mcp-Method"] = method
            if name is not None:
                headers["Mcp-Name"] = name
        return headers

    def body(self, method: str, params: Mapping[str, object], request_id: int | None) -> bytes:
        """Return a request, or a notification where `request_id` is None."""
        if self.era == MODERN:
            key = "io.modelcontextprotocol/"
            era = {f"{key}protocolVersion": MODERN, f"{key}clientCapabilities": {}, f"{key}clientInfo": _CLIENT}
            params = {**params, "_meta": {**msgspec.convert(params.get("_meta", {}), dict[str, object]), **era}}
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            message = {"jsonrpc": "2.0", "id": request_id, **message}
        return json.dumps(message, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as every connection of a load repeats it. `published` is the tool's name where it has another."""

    method: str = "tools/call"
    shape: Shape | None = SEARCH
    published: str = ""

    @property
    def tool(self) -> str | None:
        """The tool's name, where a tool is called."""
        return None if self.shape is None else self.published or self.shape.tool

    def params(self, request_id: int) -> dict[str, object]:
        """Return the parameters; whoever wants progress uses the request's id as its token."""
        if self.shape is None:
            return {}
        params: dict[str, object] = {"name": self.tool, "arguments": self.shape.arguments}
        return {**params, "_meta": {"progressToken": request_id}} if self.shape.events else params

    def write(self, endpoint: Endpoint, path: Path) -> None:
        """Write the request for the load generator."""
        head = "".join(f"{name}: {value}\n" for name, value in endpoint.headers(self.method, self.tool).items())
        path.write_bytes(head.encode() + b"\n" + endpoint.body(self.method, self.params(_ID), _ID))


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What the load generator does: the request in a file, over so many connections, until time or calls are over.

    `sessions` names a file with the ids of the sessions that are used in turn; `check` has every answer looked at.
    """

    url: str
    request: Path
    connections: int
    seconds: int
    limit: int
    check: bool = False
    sessions: Path | None = None


def load(plan: Plan) -> Load:
    """Load a URL as planned."""
    command = ["wrk", "-t1", f"-c{plan.connections}", f"-d{plan.seconds}s", "--timeout", "20s", "-s", str(_SCRIPT)]
    words = [str(plan.request), str(plan.limit), "check" if plan.check else "-"]
    done = subprocess.run(
        [*command, plan.url, "--", *words, *([str(plan.sessions)] if plan.sessions else [])],
        capture_output=True,
        text=True,
        check=True,
        timeout=plan.seconds + _GRACE_S,
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
        body = endpoint.body(call.method, call.params(number), number)
        connection.request("POST", endpoint.path, body, endpoint.headers(call.method, call.tool))
        response = connection.getresponse()
        text = response.read()
        streamed = response.headers.get_content_type() == "text/event-stream"
        messages = events(text) if streamed else [text]
        if response.status != _OK or not _is_right(messages, call, number):
            wrong += 1
            if wrong == 1:
                print(f"wrong answer of {endpoint.url}: {response.status} {text[:400]!r}")
    connection.close()
    return wrong


def events(text: bytes) -> list[bytes]:
    """Return the messages of an event stream, each of which has its data on one line."""
    return [line[5:].strip() for line in text.splitlines() if line.startswith(b"data:") and line[5:].strip()]


def _is_right(messages: Sequence[bytes], call: Call, number: int) -> bool:
    if not messages:
        return False
    document = msgspec.json.decode(messages[-1], type=dict[str, object])
    result = document.get("result")
    if document.get("id") != number or not isinstance(result, dict):
        return False
    if call.shape is None:
        return "tools" in result
    # A gateway may answer as one document and leave out what was told before it only where nobody asked to be told.
    return len(messages) == call.shape.events + 1 and "settlement" in str(result.get("content"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - JSON


async def open_sessions(endpoint: Endpoint, call: Call | None, count: int, seconds: float) -> list["Session"]:
    """Open sessions of 2025-11-25, each on its own connection and with a call made in it, until the time is over.

    Raises RuntimeError when an answer is wrong.
    """
    opened: list[Session] = []
    at_once = asyncio.Semaphore(16)

    async def one() -> None:
        async with at_once:
            opened.append(await Session.open(endpoint, call))

    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(one())
    except ExceptionGroup as failed:
        message = str(failed.exceptions[0])
        raise RuntimeError(message) from failed
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
        opening = replace(endpoint, era=LEGACY, session="")
        headers = await _exchange(reader, writer, opening, "initialize", params, 0)
        inside = replace(opening, session=headers.get("mcp-session-id", ""))
        await _exchange(reader, writer, inside, "notifications/initialized", {}, None)
        if call is not None:
            await _exchange(reader, writer, inside, call.method, call.params(1), 1)
        return cls(inside.session, writer)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    endpoint: Endpoint,
    method: str,
    params: Mapping[str, object],
    request_id: int | None,
) -> dict[str, str]:
    body = endpoint.body(method, params, request_id)
    lines = [f"POST {endpoint.path} HTTP/1.1", f"Host: 127.0.0.1:{endpoint.port}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in endpoint.headers(method, None).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    answer = await _body(reader, headers)
    if head[0].split()[1] not in {"200", "202"} or b'"error"' in answer:
        message = f"{endpoint.url} answers {method} with {head[0]}: {answer[:300]!r}"
        raise RuntimeError(message)
    return headers


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readline()).split(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body
