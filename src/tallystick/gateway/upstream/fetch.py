"""One bounded GET over the one connector: what `identity` uses to read an issuer's documents."""

import asyncio
from typing import Final
from urllib.parse import urlsplit

from tallystick.gateway.upstream.connector import Connector
from tallystick.gateway.upstream.http1 import TOO_LARGE, Pool
from tallystick.terms import Reason, Refusal

FETCH_S: Final = 10.0
"""Seconds for a whole fetch."""

DOCUMENT_BYTES: Final = 1 << 20
"""Most bytes of a document."""


class _Collected:
    def __init__(self) -> None:
        self.whole: asyncio.Future[bytes | Refusal] = asyncio.get_running_loop().create_future()
        self._pieces: list[bytes] = []
        self._status = 0

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        del headers
        self._status = status

    def chunk(self, piece: bytes) -> None:
        self._pieces.append(piece)
        if sum(map(len, self._pieces)) > DOCUMENT_BYTES:
            self._settle(TOO_LARGE)

    def complete(self) -> None:
        found = self._status == 200  # noqa: PLR2004 - HTTP's own number
        self._settle(b"".join(self._pieces) if found else unavailable(f"HTTP status {self._status}"))

    def fail(self, refusal: Refusal) -> None:
        self._settle(refusal)

    def _settle(self, outcome: bytes | Refusal) -> None:
        if not self.whole.done():
            self.whole.set_result(outcome)


class Fetcher:
    """Reads documents by URL; every failure is a refusal with code "unavailable"."""

    def __init__(self, connector: Connector) -> None:
        """Fetch through `connector`, whose rules on addresses hold."""
        self._connector = connector

    async def __call__(self, url: str) -> bytes | Refusal:
        """Return the body of a 200 answer to GET `url` (https, or http where the connector admits special addresses)."""
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        if parts.hostname is None or not (tls or (parts.scheme == "http" and self._connector.allow_special)):
            return unavailable(f"{url} is not an https URL")
        sink = _Collected()
        pool = Pool(self._connector, parts.hostname, parts.port or (443 if tls else 80), tls=tls)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        request = (
            f"GET {target} HTTP/1.1\r\nHost: {parts.netloc}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
        )
        connection = await pool.send(request.encode("ascii", "replace"), sink)
        if isinstance(connection, Refusal):
            return unavailable(connection.detail)
        try:
            async with asyncio.timeout(FETCH_S):
                return await sink.whole
        except TimeoutError:
            return unavailable(f"{url} did not answer in {FETCH_S:.0f} s")
        finally:
            connection.abort()


def unavailable(detail: str) -> Refusal:
    """Return the refusal for a document that could not be read."""
    return Refusal(
        "unavailable",
        (Reason.ISSUER_UNAVAILABLE,),
        "The token's issuer cannot be reached to check it. Try again later.",
        detail,
    )
