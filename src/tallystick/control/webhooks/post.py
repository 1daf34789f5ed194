"""Sending one request to where a webhook points: the address that is dialled is one that was judged.

Verified TLS, no redirects, no retries of its own, a bounded answer in bounded time.
"""

import socket
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, Protocol
from urllib.parse import urlsplit

import urllib3

from tallystick.control.webhooks.shapes import Request
from tallystick.terms import TallyError

ANSWER_LIMIT: Final = 64 << 10
"""Bytes of an answer that are read: a ticket's are a few hundred."""
_CONNECT_S: Final = 10.0
_ANSWER_S: Final = 20.0
"""Seconds for the whole answer."""
_PORTS: Final = {"https": 443, "http": 80}


class Admits(Protocol):
    """Tells whether an address (text) may be dialled; `allow_special` permits loopback and private ones."""

    def __call__(self, address: str, *, allow_special: bool) -> bool:
        """Return whether it may."""
        ...


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: bytes

    @property
    def is_taken(self) -> bool:
        """Whether the receiver has what it was sent."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES


class Unreachable(TallyError):
    """Nobody answered, or not in a way that can be read."""

    def __init__(self, message: str) -> None:
        super().__init__("unavailable", message)


class Post:
    """Sends requests. `ca_file` is a file of authorities besides those of the system."""

    def __init__(self, admits: Admits, ca_file: str | None = None) -> None:
        self._admits = admits
        self._ca_file = ca_file

    def send(self, request: Request, headers: Mapping[str, str], *, allow_special: bool) -> Answer:
        """Send a request and return the whole answer. Raises `Unreachable`."""
        parts = urlsplit(request.url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        address = self._resolve(host, port, allow_special=allow_special)
        pool = self._pool(parts.scheme, host, address, port)
        said = {"Host": parts.netloc, "User-Agent": "tallystick", "Accept": "application/json", **headers}
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            reply = pool.request(
                request.method, path, body=request.body, headers=said, redirect=False, preload_content=False
            )
            return Answer(reply.status, _bounded(reply, host))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # ValueError: what is to be sent has no form in HTTP. It is one webhook's fault, and must end no other's.
            message = f"{host} cannot be reached: {error}"
            raise Unreachable(message) from error
        finally:
            pool.close()

    def _resolve(self, host: str, port: int, *, allow_special: bool) -> str:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            message = f"{host} has no address: {error}"
            raise Unreachable(message) from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            if not self._admits(address, allow_special=allow_special):
                message = f"{host} is at {address}, which may not be called"
                raise Unreachable(message)
        return addresses[0]

    def _pool(self, scheme: str, host: str, address: str, port: int) -> urllib3.HTTPConnectionPool:
        # INVARIANT: the pool dials the address that was judged; the name is not resolved again, but its certificate is
        # the one that is asked for.
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_ANSWER_S)
        if scheme == "http":
            return urllib3.HTTPConnectionPool(address, port, timeout=timeout, retries=False)
        return urllib3.HTTPSConnectionPool(
            address,
            port,
            timeout=timeout,
            retries=False,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self._ca_file,
            assert_hostname=host,
            server_hostname=host,
        )


def _bounded(reply: urllib3.BaseHTTPResponse, host: str) -> bytes:
    until = time.monotonic() + _ANSWER_S
    body = b""
    while piece := reply.read1(ANSWER_LIMIT):
        body += piece
        if len(body) > ANSWER_LIMIT or time.monotonic() > until:
            message = f"{host} answers with too much, or too slowly"
            raise Unreachable(message)
    return body
