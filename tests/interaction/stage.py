"""One gateway in this process, on a port of its own, with a real audit writer beside it; and the ways to talk to it."""

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from tallystick.wiring import Gateway, Places, serve
from tallystick.wiring.compose import clock
from tests.interaction.person import Person
from tests.interaction.record import Record
from tests.interaction.world import World

MODERN = "2026-07-28"
ERAS = (MODERN, "2025-11-25", "2025-06-18")
Json = dict[str, object]

_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def new_http(headers: Mapping[str, str] | None = None) -> httpx2.AsyncClient:
    """Return an HTTP client. Its TLS context, which costs most of it and serves no loopback URL, is shared."""
    return httpx2.AsyncClient(headers=headers, timeout=60, verify=_TLS)


@dataclass(frozen=True, slots=True)
class Stage:
    """A running gateway and the world around it."""

    world: World
    url: str
    places: Places
    gateway: Gateway
    http: httpx2.AsyncClient
    console: str = ""

    def endpoint(self, route: str) -> str:
        """Return the URL of `servers/<name>` or `toolsets/<name>`."""
        return f"{self.url}/{route}/mcp"

    def token(self, subject: str = "ada", **changes: object) -> str:
        """Return a signed access token for the whole gateway: of a clerk of the bank, but for the claims changed."""
        now = int(clock())
        claims = {"aud": self.url, "tenant": "bank", "groups": ["clerks"], "iat": now - 5, "exp": now + 3600}
        return self.world.issuer.token_of({"sub": subject, **claims, **changes})

    def record(self, tenant: str = "bank") -> Record:
        """Return a tenant's record; `platform` is where a request ends that belongs to nobody."""

        async def mark() -> int:
            token = None if tenant == "platform" else f"Bearer {self.token('marker', tenant=tenant)}"
            return index_of(await self.post("servers/nowhere", "tools/list", headers={"authorization": token}))

        return Record(self.places.state, tenant, mark)

    @asynccontextmanager
    async def client(
        self, route: str, era: str, token: str | None = None, person: Person | None = None
    ) -> AsyncGenerator[Client]:
        """Connect the SDK's client of one protocol version; a `person` at it answers what servers ask."""
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        with pytest.MonkeyPatch.context() as patch:
            # The SDK's client always asks for the newest version with sessions; an older client asks for an older one.
            patch.setattr("mcp.client.session.LATEST_HANDSHAKE_VERSION", "2025-11-25" if era == MODERN else era)
            async with (
                new_http(headers) as http,
                Client(
                    streamable_http_client(self.endpoint(route), http_client=http),
                    mode=MODERN if era == MODERN else "legacy",
                    elicitation_callback=person.elicit if person is not None and person.answers else None,
                    sampling_callback=person.sample if person is not None and person.answers else None,
                    list_roots_callback=person.roots if person is not None and person.answers else None,
                    logging_callback=person.log if person is not None else None,
                    message_handler=person.hear if person is not None else None,
                    log_level=person.level if person is not None else None,
                ) as client,
            ):
                yield client

    async def post(
        self,
        route: str,
        method: str,
        params: Mapping[str, object] | None = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> httpx2.Response:
        """Send one 2026-07-28 request as it should be, but for the `headers` (None removes one) and `body` given."""
        given = {
            **envelope(method, params or {}),
            "authorization": f"Bearer {token or self.token()}",
            **(headers or {}),
        }
        sent = {name: value for name, value in given.items() if value is not None}
        content = body if body is not None else modern(method, params or {})
        return await self.http.post(self.endpoint(route), content=content, headers=sent)

    async def call(
        self, route: str, tool: str, arguments: Mapping[str, object], *, token: str | None = None
    ) -> httpx2.Response:
        """Call a tool with one 2026-07-28 request."""
        return await self.post(route, "tools/call", {"name": tool, "arguments": arguments}, token=token)


def envelope(method: str, params: Mapping[str, object]) -> dict[str, str | None]:
    """Return the headers of a 2026-07-28 request."""
    named = params.get("name", params.get("uri"))
    headers: dict[str, str | None] = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": MODERN,
        "mcp-method": method,
    }
    return headers | ({"mcp-name": str(named)} if isinstance(named, str) else {})


def modern(method: str, params: Mapping[str, object], request_id: int | str = 1) -> bytes:
    """Return the body of a 2026-07-28 request; what `params` says in `_meta` counts."""
    meta: Json = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
    meta |= msgspec.convert(params.get("_meta", {}), Json)
    return json.dumps(
        {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {**params, "_meta": meta}}
    ).encode()


def error_of(answer: httpx2.Response) -> Json:
    """Return the JSON-RPC error of an answer."""
    message = msgspec.json.decode(answer.content, type=Json)
    return msgspec.convert(message["error"], Json)


def reasons_of(answer: httpx2.Response) -> list[str]:
    """Return the reason codes of a refusal."""
    return msgspec.convert(_told(answer)["tallystick.dev/reasons"], list[str])


def index_of(answer: httpx2.Response) -> int:
    """Return the index of the leaf that a refusal quotes."""
    return msgspec.convert(_told(answer)["tallystick.dev/record"], int)


def _told(answer: httpx2.Response) -> Json:
    """Return what a refusal says for machines: in the error, or in the result of a tool that was not called."""
    message = msgspec.json.decode(answer.content, type=Json)
    if "result" not in message:
        return msgspec.convert(error_of(answer)["data"], Json)
    result = msgspec.convert(message["result"], Json)
    assert result["isError"], "a refusal is no success"
    return msgspec.convert(result["_meta"], Json)


def text_of(answer: httpx2.Response) -> str:
    """Return the text of a tool's result."""
    message = msgspec.json.decode(answer.content, type=Json)
    assert "result" in message, answer.text
    result = msgspec.convert(message["result"], Json)
    content = msgspec.convert(result["content"], list[Json])
    return str(content[0]["text"])


@asynccontextmanager
async def open_stage(world: World, config: Path, state: Path) -> AsyncGenerator[Stage]:
    """Serve a configuration until the block ends."""
    places = Places(config, state)
    async with new_http() as http, serve(places) as served:
        yield Stage(world, served.url, places, served.gateway, http, served.console or "")
