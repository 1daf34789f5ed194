"""The ASGI application: what stands around every route. One request: admit, read, ask the handler, record, answer."""

import logging
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount
from starlette.routing import Route as Path
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.api import record
from tallystick.api.admit import Visitor, admit, nobody
from tallystick.api.http import Answer, Trouble, read_body, trouble
from tallystick.api.http.problem import MEDIA_TYPE
from tallystick.api.live import Live
from tallystick.api.openapi import API, document
from tallystick.api.repeat import once
from tallystick.api.rooms import ConsoleRooms
from tallystick.api.routes import METADATA, ROUTES, Asked, Route
from tallystick.api.routes.around.registry import register
from tallystick.api.shield import Shield, request_urn
from tallystick.terms import Reason, TallyError

_log = logging.getLogger(__name__)
_INTERNAL: Final = trouble("internal", Reason.INTERNAL, "Something failed inside the console; its log has the detail.")
_NO_PATH: Final = trouble("not_found", Reason.ROUTE_UNKNOWN, "There is nothing at this path. See /api/v1/openapi.json.")
_CUT_OFF: Final = trouble("invalid", Reason.MALFORMED, "The request was cut off before its end.")


def application(rooms: ConsoleRooms) -> ASGIApp:
    """Return the console of one listener, to be mounted at its root. It starts nothing: no lifespan is needed."""
    live = Live(rooms, _described)
    paths: dict[str, dict[str, Route]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method] = route
    routes: list[BaseRoute] = [Path(API + path, Endpoint(live, rows)) for path, rows in paths.items()]
    routes.append(Path(METADATA.path, Endpoint(live, {METADATA.method: METADATA})))
    if rooms.gateway_url:
        routes.append(Mount("/registry", register(live)))
    routes.append(Path("/{path:path}", Endpoint(live, {})))
    app = Starlette(routes=routes)
    app.router.redirect_slashes = False
    return Shield(app, rooms)


@cache
def _described() -> bytes:
    """Return the OpenAPI document, which costs 0.1 s: not at the start of every gateway, and once for all listeners."""
    return msgspec.json.encode(document(ROUTES))


class Endpoint:
    """One path with its methods."""

    def __init__(self, live: Live, rows: Mapping[str, Route]) -> None:
        """Serve these; no rows: a path that does not exist."""
        self._live = live
        self._rows = rows

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        if request.method == "HEAD":
            # The headers of the GET, without its body (RFC 9110, 9.3.2).
            response = Response(status_code=response.status_code, headers=dict(response.headers))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        allowed = ", ".join(sorted({*self._rows, "OPTIONS", *({"HEAD"} if "GET" in self._rows else ())}))
        if method == "OPTIONS" and self._rows:
            return Response(status_code=HTTPStatus.NO_CONTENT, headers={"allow": allowed})
        served = await self._serve(request, method)
        if isinstance(served, Answer):
            return _response(served)
        visitor, told = served
        if Reason.METHOD_UNKNOWN in told.refusal.reasons:
            told = Trouble(told.refusal, headers={"allow": allowed})
        return await self._refuse(request, visitor, told)

    async def _serve(self, request: Request, method: str) -> Answer | tuple[Visitor | None, Trouble]:
        rooms, route = self._live.rooms, self._rows.get(method)
        authorization = _authorization(request)
        if route is not None and route.is_open:
            visitor = nobody(rooms)
        else:
            visitor = await admit(rooms, authorization)
        if isinstance(visitor, Trouble):
            return None, visitor
        if route is None:
            text = f"{method} is not offered here."
            return visitor, trouble("invalid", Reason.METHOD_UNKNOWN, text) if self._rows else _NO_PATH
        try:
            body = await read_body(request.stream())
        except ClientDisconnect:
            body = _CUT_OFF
        unfit = body if isinstance(body, Trouble) else _unfit(request, route, body)
        if unfit is not None or isinstance(body, Trouble):
            return visitor, unfit or _CUT_OFF
        asked = Asked(
            self._live,
            visitor,
            {name: str(value) for name, value in request.path_params.items()},
            tuple(request.query_params.multi_items()),
            dict(request.headers),
            body,
            lambda: admit(rooms, authorization),
        )
        return await self._answer(asked, route)

    async def _answer(self, asked: Asked, route: Route) -> Answer | tuple[Visitor | None, Trouble]:
        try:
            result = await once(asked, route)
        except TallyError as error:
            _log.warning("%s %s: %s", route.method, route.path, error.message)
            result = _INTERNAL
            if error.code == "unavailable":
                result = trouble("unavailable", Reason.NOT_OFFERED, "The control database does not answer. Try again.")
        except Exception:  # noqa: BLE001 - the translation point of the REST surface: "internal" outside, detail inside
            _log.exception("%s %s failed", route.method, route.path)
            result = _INTERNAL
        return (asked.visitor, result) if isinstance(result, Trouble) else result[1]

    async def _refuse(self, request: Request, visitor: Visitor | None, told: Trouble) -> Response:
        rooms = self._live.rooms
        if visitor is not None and not visitor.is_known:
            visitor = None
        if visitor is None and not rooms.operator:
            told = await record.turned_away(rooms, request.client.host if request.client else "") or told
        if Reason.FLOODED not in told.refusal.reasons:
            await record.refused(rooms, visitor, f"{request.method} {request.url.path}", told)
        headers = {"content-type": MEDIA_TYPE.decode(), **told.headers}
        return Response(told.body(request_urn(request.scope)), told.status, headers)


def _unfit(request: Request, route: Route, body: bytes) -> Trouble | None:
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not body or route.takes_any or media == route.media:
        return None
    return trouble("invalid", Reason.MEDIA_UNSUPPORTED, f"Send the body as {route.media}.")


def _authorization(request: Request) -> bytes | None:
    values = [value for name, value in request.headers.raw if name.lower() == b"authorization"]
    # Two are one too many: which of them counts is not for us to guess.
    return values[0] if len(values) == 1 else (b"" if values else None)


def _response(answer: Answer) -> Response:
    if answer.pieces is not None:
        return StreamingResponse(answer.pieces, answer.status, dict(answer.headers))
    return Response(answer.body, answer.status, dict(answer.headers))
