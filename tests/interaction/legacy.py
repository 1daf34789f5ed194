"""The eras with sessions, by hand: what no SDK client lets a test do."""

import json
from collections.abc import Mapping

import httpx2

from tests.interaction.stage import Stage

_NONE: Mapping[str, object] = {}


class Legacy:
    """A client program of one route and era. `session` is the id that it repeats."""

    def __init__(
        self, stage: Stage, route: str, era: str, token: str | None = None, capabilities: Mapping[str, object] = _NONE
    ) -> None:
        self.stage = stage
        self.route = route
        self.era = era
        self.token = token or stage.token()
        self.session: str | None = None
        self._capabilities = capabilities

    async def open(self) -> httpx2.Response:
        """Open a session and keep its id."""
        named = {"clientInfo": {"name": "by hand", "version": "1"}, "capabilities": self._capabilities}
        answer = await self.ask("initialize", {"protocolVersion": self.era, **named})
        self.session = answer.headers.get("mcp-session-id")
        return answer

    async def call(self, tool: str, arguments: Mapping[str, object], request_id: int = 1) -> httpx2.Response:
        """Call a tool."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments}, request_id)

    async def ask(self, method: str, params: Mapping[str, object], request_id: int | None = 1) -> httpx2.Response:
        """Send one request, or a notification where `request_id` is None."""
        return await self._send("POST", self.message(method, params, request_id))

    async def respond(self, question_id: object, **member: object) -> httpx2.Response:
        """Answer a question of the server: `result` or `error`."""
        return await self._send("POST", json.dumps({"jsonrpc": "2.0", "id": question_id, **member}).encode())

    def message(self, method: str, params: Mapping[str, object], request_id: int | None = 1) -> bytes:
        """Return the body of a request, or of a notification."""
        message: dict[str, object] = {"jsonrpc": "2.0", "method": method, "params": params}
        if request_id is not None:
            message["id"] = request_id
        return json.dumps(message).encode()

    async def end(self) -> httpx2.Response:
        """Send DELETE."""
        return await self._send("DELETE", b"")

    def headers(self) -> dict[str, str]:
        """Return the headers of a request."""
        headers = {
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
        }
        if self.session is not None:
            headers |= {"mcp-session-id": self.session, "mcp-protocol-version": self.era}
        return headers

    async def _send(self, verb: str, body: bytes) -> httpx2.Response:
        return await self.stage.http.request(
            verb, self.stage.endpoint(self.route), content=body, headers=self.headers()
        )
