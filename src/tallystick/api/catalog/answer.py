"""The ASGI application of the catalog: one request, one answer; never a redirect, which VS Code does not follow."""

from typing import Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.api.catalog.address import Address, read_path, read_query
from tallystick.api.catalog.entries import Catalog
from tallystick.api.catalog.publish import BODY_BYTES, change_status, publish
from tallystick.api.catalog.rooms import JSON, NOT_FOUND, CatalogRooms, Declined

_CORS: Final = {
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, OPTIONS",
    "access-control-allow-headers": "Authorization, Content-Type",
}
"""What GitHub Copilot asks of a registry. Pages of any origin may read what everybody may read, and change nothing."""
_READ: Final = {"list": "GET, HEAD, OPTIONS", "versions": "GET, HEAD, OPTIONS"}
_ALLOWED: Final = {
    **_READ,
    "version": "GET, HEAD, PUT, DELETE, OPTIONS",
    "publish": "POST, OPTIONS",
    "status": "PATCH, OPTIONS",
}
_NOT_READY: Final = Declined(503, "Nothing is in force yet")
_NO_TENANT: Final = Declined(404, "Registry not found")
_NO_DELETION: Final = Declined(501, "Deletion is not supported by this registry: its record keeps what was")


def catalog(rooms: CatalogRooms) -> ASGIApp:
    """Return the catalog, to be mounted where the paths below it begin with a tenant. It starts nothing."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            answer = await _answer(rooms, request)
        except ClientDisconnect:
            return
        await answer(scope, receive, send)

    return application


async def _answer(rooms: CatalogRooms, request: Request) -> Response:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    address = read_path(path)
    if address is None:
        return _tell(NOT_FOUND)
    allowed = _ALLOWED[address.what].split(", ")
    if request.method == "OPTIONS":
        return Response(status_code=204, headers={**_CORS, "allow": ", ".join(allowed)})
    if request.method not in allowed:
        return _tell(Declined(405, "Method not allowed", {"allow": ", ".join(allowed)}))
    if request.method in {"GET", "HEAD"}:
        return _tell(await _read(rooms, address, request))
    return _tell(await _change(rooms, address, request))


async def _read(rooms: CatalogRooms, address: Address, request: Request) -> object:
    authorization = request.headers.get("authorization")
    refused = await rooms.reader(authorization.encode() if authorization is not None else None, address.tenant)
    if refused is not None:
        return refused
    snapshot = rooms.snapshot()
    if snapshot is None:
        return _NOT_READY
    shown = Catalog(rooms, snapshot, await rooms.resources(), address)
    if not shown.exists:
        return _NO_TENANT
    if address.what == "list":
        query = read_query(request.scope["query_string"])
        return query if isinstance(query, Declined) else shown.page(query)
    entry = shown.one(address.name, address.version or "latest")
    if entry is None:
        return NOT_FOUND
    told = shown.tell(entry)
    return told if address.what == "version" else {"servers": [told], "metadata": {"count": 1}}


async def _change(rooms: CatalogRooms, address: Address, request: Request) -> object:
    authorization = request.headers.get("authorization")
    if authorization is None:
        return Declined(401, "A token of the console is needed", {"www-authenticate": "Bearer"})
    if request.method == "DELETE":
        return _NO_DELETION
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
        return Declined(415, "The body has to be application/json")
    raw = await _body(request)
    if raw is None:
        return Declined(413, f"The body has at most {BODY_BYTES} bytes")
    act = change_status if address.what == "status" else publish
    return await act(rooms, address, authorization.encode(), raw)


async def _body(request: Request) -> bytes | None:
    whole = bytearray()
    async for part in request.stream():
        whole += part
        if len(whole) > BODY_BYTES:
            return None
    return bytes(whole)


def _tell(what: object) -> Response:
    """Return an answer; of HEAD's, the server sends the head only."""
    status, headers = 200, dict(_CORS)
    if isinstance(what, Declined):
        status = what.status
        headers.update(what.headers)
        what = {"error": what.text}
    headers |= {"cache-control": "no-cache", "x-content-type-options": "nosniff"}
    return Response(msgspec.json.encode(what), status, headers, JSON)
