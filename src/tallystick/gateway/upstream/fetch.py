"""One bounded GET over the one connector: what `identity` uses to read an issuer's documents."""

import asyncio
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.http1 import TOO_LARGE, Connection, Pool
from tallystick.terms import Reason, Refusal

FETCH_S: Final = 10.0
"""Seconds for a whole fetch."""

DOCUMENT_BYTES: Final = 1 << 20
"""Most bytes of a document."""


class _Collected:
    def __init__(self) -> None:
        self.whole: asyncio.Future[bytes | Refusal] = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._left = DOCUMENT_BYTES
        self._status = 0

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        del headers
        self._status = status

    def chunk(self, piece: bytes) -> None:
        self._left -= len(piece)
        if self._left < 0:
            self._settle(unavailable(TOO_LARGE.public_text))
        else:
            self._pieces.append(piece)

    def complete(self) -> None:
        found = self._status == HTTPStatus.OK
        self._settle(b"".join(self._pieces) if found else unavailable(f"HTTP status {self._status}"))

    def fail(self, refusal: Refusal) -> None:
        self._settle(unavailable(refusal.detail or refusal.public_text))

    def _settle(self, outcome: bytes | Refusal) -> None:
        if not self.whole.done():
            self.whole.set_result(outcome)


class _Target(NamedTuple):
    """Where a URL points. `authority` is the Host header, `path` includes the query."""

    tls: bool
    host: str
    port: int
    authority: str
    path: str


class Fetcher:
    """Reads documents by URL; every failure is a refusal with code "unavailable"."""

    def __init__(self, connector: Connector) -> None:
        """Fetch through `connector`, whose rules on addresses hold."""
        self._connector = connector

    async def __call__(self, url: str) -> bytes | Refusal:
        """Return the body of a 200 answer to GET `url`: https, or http where the connector admits special addresses."""
        target = _target(url)
        if target is None or not (target.tls or self._connector.allow_special):
            return unavailable(f"{url!r} is not an https URL")
        try:
            async with asyncio.timeout(FETCH_S):
                return await self._get(target)
        except TimeoutError:
            return unavailable(f"{url} did not answer in {FETCH_S:.0f} s")

    async def _get(self, target: _Target) -> bytes | Refusal:
        sink = _Collected()
        connection = await Pool(self._connector, target.host, target.port, tls=target.tls).acquire(FETCH_S)
        if not isinstance(connection, Connection):
            return unavailable(connection.detail)
        try:
            connection.send(
                f"GET {target.path} HTTP/1.1\r\nHost: {target.authority}\r\nAccept: application/json\r\n"
                "Connection: close\r\n\r\n".encode("ascii"),
                sink,
            )
            return await sink.whole
        finally:
            connection.abort()


def _target(url: str) -> _Target | None:
    # The URL may come from a document that somebody else serves, and it ends up in the lines of a request.
    if not (url.isascii() and url.isprintable()) or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("https", "http") or not parts.hostname or "@" in parts.netloc:
        return None
    tls = parts.scheme == "https"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(tls, parts.hostname, port or (443 if tls else 80), parts.netloc, path)


def unavailable(detail: str) -> Refusal:
    """Return the refusal for a document that could not be read."""
    return Refusal(
        "unavailable",
        (Reason.ISSUER_UNAVAILABLE,),
        "The token's issuer cannot be reached to check it. Try again later.",
        detail,
    )
