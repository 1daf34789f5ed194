"""What stands around the whole console: Host and Origin, the request's id, headers that browsers obey, the last net."""

import logging
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tallystick.api import record
from tallystick.api.http import Trouble, trouble
from tallystick.api.http.problem import MEDIA_TYPE
from tallystick.api.rooms import ConsoleRooms
from tallystick.terms import Reason

_log = logging.getLogger(__name__)

_ID: Final = "tallystick.request_id"
_CATALOG: Final = "/registry/"
_HEADERS: Final = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_HOST: Final = trouble(
    "denied",
    Reason.HOST_REFUSED,
    "This Host is not served here. Use the console's public URL, or add the name to console.allowed_hosts.",
)
_ORIGIN: Final = trouble("denied", Reason.ORIGIN_REFUSED, "Web pages of other origins may not call the console.")
_INTERNAL: Final = trouble("internal", Reason.INTERNAL, "Something failed inside the console; its log has the detail.")


class Shield:
    """Wraps the application of one listener."""

    def __init__(self, app: ASGIApp, rooms: ConsoleRooms) -> None:
        """Serve `app` to whoever comes by one of the names of `rooms`."""
        self._app = app
        self._rooms = rooms
        self._own = rooms.public_url.rstrip("/").lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; other kinds of connection are closed."""
        if scope["type"] != "http":
            return
        scope[_ID] = self._rooms.new_id()
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._dress(scope, MutableHeaders(scope=message))
            await send(message)

        told = self._check(scope)
        if told is not None:
            await self._refuse(scope, receive, sending, told)
            return
        try:
            await self._app(scope, receive, sending)
        except Exception:
            # The last net, for what stands around the routes (the catalog, the server's own classes).
            _log.exception("a request of the console failed")
            if started:
                raise
            await self._refuse(scope, receive, sending, _INTERNAL)

    def _check(self, scope: Scope) -> Trouble | None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if self._rooms.hosts and not (len(hosts) == 1 and hosts[0].lower() in self._rooms.hosts):
            return _HOST
        origin = headers.get("origin")
        is_own = origin is None or (self._own and origin.lower() == self._own)
        # The catalog is for every page: it says what it allows itself.
        return None if is_own or str(scope["path"]).startswith(_CATALOG) else _ORIGIN

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, told: Trouble) -> None:
        client = scope.get("client")
        told = await record.turned_away(self._rooms, client[0] if client else "") or told
        if Reason.FLOODED not in told.refusal.reasons:
            await record.refused(self._rooms, None, f"{scope['method']} {scope['path']}", told)
        headers = {"content-type": MEDIA_TYPE.decode(), **told.headers}
        body = b"" if scope["method"] == "HEAD" else told.body(request_urn(scope))
        await Response(body, told.status, headers)(scope, receive, send)

    def _dress(self, scope: Scope, headers: MutableHeaders) -> None:
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)
        if self._own.startswith("https:"):
            headers.setdefault("strict-transport-security", "max-age=31536000; includeSubDomains")
        if str(scope["path"]).startswith(_CATALOG):
            headers["cross-origin-resource-policy"] = "cross-origin"
        headers["x-request-id"] = str(scope[_ID])


def request_urn(scope: Scope) -> str:
    """Return the URN of a request, for its problem."""
    return f"urn:tallystick:request:{scope.get(_ID, '')}"
