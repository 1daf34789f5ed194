"""Event streams by hand: each message as it comes, while the test goes on."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx2
import msgspec

from tests.interaction.legacy import Legacy
from tests.interaction.stage import Json, Stage, envelope, modern
from tests.interaction.waiting import until


@dataclass(slots=True)
class Heard:
    """What came of one response so far. `status` is 0 until it has begun."""

    status: int = 0
    kind: str = ""
    ended: bool = False
    messages: list[Json] = field(default_factory=list[Json])

    def of(self, method: str) -> list[Json]:
        """Return the messages of a method."""
        return [message for message in self.messages if message.get("method") == method]

    @property
    def end(self) -> Json:
        """The response to the request."""
        return next(message for message in self.messages if "method" not in message)

    async def until(self, method: str, count: int = 1) -> list[Json]:
        """Wait for messages of a method and return them."""
        await until(lambda: len(self.of(method)) >= count)
        return self.of(method)

    async def begun(self) -> None:
        """Wait for the head of the response."""
        await until(lambda: self.status)

    async def over(self) -> None:
        """Wait for the end of the response."""
        await until(lambda: self.ended)


@asynccontextmanager
async def hearing(
    stage: Stage, verb: str, route: str, headers: Mapping[str, str], body: bytes = b""
) -> AsyncGenerator[Heard]:
    """Send a request and hear its response until the block ends, which closes the connection."""
    heard = Heard()

    async def hear() -> None:
        try:
            async with stage.http.stream(verb, stage.endpoint(route), content=body, headers=dict(headers)) as response:
                heard.status, heard.kind = response.status_code, response.headers.get("content-type", "")
                await _read(response, heard)
        finally:
            heard.ended = True

    async with anyio.create_task_group() as group:
        group.start_soon(hear)
        yield heard
        group.cancel_scope.cancel()


async def _read(response: httpx2.Response, heard: Heard) -> None:
    decoder = msgspec.json.Decoder(Json)
    if "event-stream" not in heard.kind:
        body = await response.aread()
        heard.messages.extend([decoder.decode(body)] if body else [])
        return
    async for line in response.aiter_lines():
        if line.startswith("data:") and line.removeprefix("data:").strip():
            heard.messages.append(decoder.decode(line.removeprefix("data:")))


@asynccontextmanager
async def asking(
    legacy: Legacy, tool: str, arguments: Mapping[str, object], request_id: int = 1
) -> AsyncGenerator[Heard]:
    """Call a tool in a session and hear what comes on its stream."""
    body = legacy.message("tools/call", {"name": tool, "arguments": arguments}, request_id)
    async with hearing(legacy.stage, "POST", legacy.route, legacy.headers(), body) as heard:
        yield heard


@asynccontextmanager
async def session_stream(legacy: Legacy) -> AsyncGenerator[Heard]:
    """Open the GET stream of a session."""
    headers = {**legacy.headers(), "accept": "text/event-stream"}
    async with hearing(legacy.stage, "GET", legacy.route, headers) as heard:
        await heard.begun()
        yield heard


@asynccontextmanager
async def listening_to(
    stage: Stage, route: str, wanted: Mapping[str, object], *, request_id: int | str = "l", token: str | None = None
) -> AsyncGenerator[Heard]:
    """Open `subscriptions/listen`."""
    params: Json = {"notifications": dict(wanted)}
    given = {**envelope("subscriptions/listen", params), "authorization": f"Bearer {token or stage.token()}"}
    headers = {name: value for name, value in given.items() if value is not None}
    async with hearing(stage, "POST", route, headers, modern("subscriptions/listen", params, request_id)) as heard:
        await heard.begun()
        yield heard
