"""The listener's map of paths: MCP endpoints, metadata and health; everything else is not found."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache

from tallystick.gateway import Front
from tallystick.identity import resource_metadata
from tallystick.wiring.compose import Gateway

_METADATA = "/.well-known/oauth-protected-resource"


class App:
    """The ASGI 3.0 application of one listener."""

    def __init__(self, gateway: Gateway, front: Front) -> None:
        """Serve these."""
        self._gateway = gateway
        self._front = front

    async def __call__(
        self,
        scope: MutableMapping[str, object],
        receive: Callable[[], Awaitable[MutableMapping[str, object]]],
        send: Callable[[MutableMapping[str, object]], Awaitable[None]],
    ) -> None:
        """Answer one HTTP request; other kinds of connection are closed."""
        path = scope.get("path")
        if scope["type"] != "http" or not isinstance(path, str):
            return
        route = route_of(path)
        if route is not None:
            await self._front(scope, receive, send, route)
        elif self._gateway.development is not None and self._gateway.development.serves(path):
            if await self._front.check(scope, send):
                await self._gateway.development(scope, receive, send)
        else:
            status, document = self._document(path)
            body = json.dumps(document).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    def _document(self, path: str) -> tuple[int, dict[str, object]]:
        gateway = self._gateway
        if path == "/healthz":
            ready = gateway.ready
            which: dict[str, object] = {"worker": gateway.worker.index} if gateway.worker.of > 1 else {}
            return (200 if ready else 503), {"status": "ok" if ready else "refusing calls", **which}
        described = route_of(path.removeprefix(_METADATA)) if path.startswith(_METADATA) else None
        if described is not None:
            # The same answer for a route that exists and one that does not: metadata is public, routes are not.
            return 200, resource_metadata(gateway.rooms.resource(described), gateway.trusted)
        if path == _METADATA:
            return 200, resource_metadata(gateway.rooms.public_url, gateway.trusted)
        return 404, {"error": "not found", "try": "/servers/<server>/mcp or /toolsets/<toolset>/mcp"}


@lru_cache(maxsize=1024)
def route_at(target: bytes) -> str | None:
    """Return the route of an MCP endpoint for the target of a request: the path alone, and ASCII."""
    # Kept, because taking a path apart for each call costs 1 us of CPU.
    return route_of(target.decode("latin-1"))


def route_of(path: str) -> str | None:
    """Return `servers/<name>` or `toolsets/<name>` for the path of an MCP endpoint, matched exactly."""
    match path.split("/"):
        case ["", "servers" | "toolsets" as kind, name, "mcp"] if name:
            return f"{kind}/{name}"
        case _:
            return None
