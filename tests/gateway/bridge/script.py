"""A server over HTTP that a test writes to the byte, behind a bridge."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.upstream.stdio import supervision
from tests.gateway.bridge.peer import MODERN, SESSIONS
from tests.gateway.bridge.stage import PINNED, Json
from tests.gateway.upstream.remote import Asked, Remote, Wire, linked, remote, result

Answer = Callable[[Asked, Wire], Awaitable[None]]


def of_one_era(era: str, answer: Answer) -> Answer:
    """Return a server of one era: it opens as it should, and `answer` has the rest."""

    async def handle(asked: Asked, wire: Wire) -> None:
        method = asked.message.get("method") if asked.body else asked.verb
        if method == "initialize" and era == SESSIONS:
            opened = {**PINNED, "protocolVersion": SESSIONS}
            await wire.answer(result(asked, opened), "200 OK", "Mcp-Session-Id: s")
        elif method == "server/discover" and era == MODERN:
            discovered: Json = {"resultType": "complete", "supportedVersions": [MODERN], "capabilities": {}}
            await wire.answer(result(asked, discovered))
        elif method in ("initialize", "server/discover"):
            await wire.answer(error_of(asked, -32601), "404 Not Found")
        elif method == "DELETE" or (asked.body and not {"id", "method"} <= set(asked.message)):
            await wire.answer(b"", "202 Accepted")
        else:
            await answer(asked, wire)

    return handle


def error_of(asked: Asked, code: int) -> bytes:
    """Return an error that answers a request."""
    error = {"code": code, "message": "no"}
    return json.dumps({"jsonrpc": "2.0", "id": asked.message.get("id"), "error": error}).encode()


def question(number: int, message: str = "What is your name?") -> bytes:
    """Return a server's question."""
    params: Json = {"message": message, "requestedSchema": {"type": "object", "properties": {}}}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "elicitation/create", "params": params}).encode()


def notification(method: str, **params: object) -> bytes:
    """Return a server's notification."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


@asynccontextmanager
async def scripted(era: str, answer: Answer, setting: Setting | None = None) -> AsyncGenerator[tuple[Bridge, Remote]]:
    """Run a scripted server of one era and a bridge to it."""
    async with remote(of_one_era(era, answer)) as server, linked(server) as transport, supervision() as supervising:
        bridge = Bridge("odd", transport, {era: PINNED}, supervising, setting or Setting(Park(drawn)))
        yield bridge, server
        bridge.close()
