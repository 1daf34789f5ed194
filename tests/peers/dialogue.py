"""JSON-RPC as it is on the wire, with a server directly or through the gateway: nothing is lost in types."""

import itertools
import json
import subprocess
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import msgspec

LEGACY, MODERN = "2025-11-25", "2026-07-28"
WITHIN_S = 60
Message = dict[str, object]
ABLE: Message = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
"""What the gateway says to a process that it starts; some servers have more tools for a client that can do more."""
_CLIENT = {"name": "comparison", "version": "1"}
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_TASKS = ("tasks/get", "tasks/update", "tasks/cancel")


@dataclass(slots=True)
class Dialogue:
    """One conversation in one era. `capabilities` are the client's; `introduction` is what the server said first."""

    era: str
    send: Callable[[Message], Message]
    capabilities: Message = field(default_factory=dict[str, object])
    introduction: Message = field(default_factory=dict[str, object])
    ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def ask(self, method: str, params: Mapping[str, object] | None = None) -> Message:
        """Return the `result` of a request, or its `error` below that one name."""
        asked: Message = dict(params or {})
        if self.era == MODERN:
            asked["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": self.capabilities,
                "io.modelcontextprotocol/clientInfo": _CLIENT,
            }
        answer = self.send({"jsonrpc": "2.0", "id": next(self.ids), "method": method, "params": asked})
        result = answer.get("result")
        return msgspec.convert(result, Message) if result is not None else {"error": answer.get("error")}

    def all(self, method: str, key: str) -> list[Message]:
        """Return every entry of a list, page after page; a page without entries (an error) is one itself."""
        entries: list[Message] = []
        params: Message = {}
        while True:
            page = self.ask(method, params)
            entries += msgspec.convert(page.get(key, [page]), list[Message])
            if not page.get("nextCursor"):
                return entries
            params = {"cursor": page["nextCursor"]}

    def open(self) -> "Dialogue":
        """Introduce the client as its era does."""
        if self.era == MODERN:
            self.introduction = self.ask("server/discover")
        else:
            hello: Message = {"protocolVersion": LEGACY, "capabilities": self.capabilities, "clientInfo": _CLIENT}
            self.introduction = self.ask("initialize", hello)
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self


@contextmanager
def over_http(url: str, era: str, token: str = "", capabilities: Message | None = None) -> Generator[Dialogue]:
    """Talk to an endpoint until the block ends."""
    session: dict[str, str] = {}
    with httpx2.Client(timeout=WITHIN_S) as http:

        def send(message: Message) -> Message:
            with http.stream("POST", url, json=message, headers=_headers(message, era, token) | session) as answer:
                if "mcp-session-id" in answer.headers:
                    session["mcp-session-id"] = answer.headers["mcp-session-id"]
                is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
                texts = answer.iter_lines() if is_stream else [answer.read().decode()]
                return _reply(message, texts)

        yield Dialogue(era, send, capabilities or {}).open()
        if session:
            http.delete(url, headers=_headers({}, era, token) | session)


def _headers(message: Message, era: str, token: str) -> dict[str, str]:
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    if era == MODERN:
        method = str(message.get("method"))
        params = msgspec.convert(message.get("params", {}), Message)
        headers["Mcp-Method"] = method
        if key := "taskId" if method in _TASKS else _NAMED.get(method):
            headers["Mcp-Name"] = str(params[key])
    return headers


@contextmanager
def over_stdio(command: Sequence[str], environment: Mapping[str, str], cwd: Path, era: str) -> Generator[Dialogue]:
    """Talk to a process of its own until the block ends."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(environment),
        cwd=cwd,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def send(message: Message) -> Message:
            requests.write(json.dumps(message).encode() + b"\n")
            requests.flush()
            return _reply(message, (line.decode() for line in iter(answers.readline, b"")))

        # A server that says nothing would hold the test for ever: its end makes readline return.
        watchdog = threading.Timer(WITHIN_S, process.kill)
        watchdog.start()
        try:
            yield Dialogue(era, send, ABLE).open()
        finally:
            watchdog.cancel()
            process.kill()


def _reply(request: Message, lines: Iterable[str]) -> Message:
    """Return the first message with the request's id; what comes before it (notifications) is passed over."""
    if "id" not in request:
        return {}
    for line in lines:
        text = line.removeprefix("data:").strip()
        if not text.startswith("{"):
            continue
        message = msgspec.json.decode(text, type=Message)
        if "method" not in message and message.get("id") in (request["id"], None):
            return message
    return {"error": {"message": f"no answer to {request['method']}"}}
