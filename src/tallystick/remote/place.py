"""Where an API is: an https URL, an http URL on loopback, or a unix socket of the machine."""

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from tallystick.terms import TallyError

_SOCKET: Final = "unix:"
_MAX_CONNECTIONS: Final = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where an API is. Either `socket` or `url` (without a slash at its end) is set; `ca_file` is for https."""

    url: str = ""
    socket: Path | None = None
    ca_file: str | None = None

    def __str__(self) -> str:
        """Return it as people write it."""
        return self.url if self.socket is None else f"{_SOCKET}{self.socket}"


def read_place(text: str, ca_file: str | None = None) -> Place:
    """Return the place that a text names: `https://...`, `http://127.0.0.1:8081`, `unix:<path>`.

    Raises TallyError("invalid") for anything else: a token must not travel in clear.
    """
    if text.startswith(_SOCKET):
        return Place(socket=Path(text.removeprefix(_SOCKET)))
    if not _is_safe(text):
        message = f"{text!r} is no place of a console: use https, http on loopback, or unix:<path>."
        raise TallyError(code="invalid", message=message)
    return Place(text.rstrip("/"), None, ca_file)


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or parts.query or parts.fragment or not url.isascii() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _SocketConnection(HTTPConnection):
    """A connection to a unix socket, whose path stands where others have a host."""

    path: Path

    def _new_conn(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(self.timeout)
        try:
            connection.connect(str(self.path))
        except OSError as error:
            connection.close()
            raise urllib3.exceptions.NewConnectionError(self, str(error)) from error
        return connection


def open_pool(place: Place, timeout_s: float) -> HTTPConnectionPool:
    """Return the connections to a place: verified TLS, no proxy, nothing retried, nothing followed."""
    timeout = urllib3.Timeout(connect=5.0, read=timeout_s)
    if place.socket is not None:
        path = place.socket
        kind = type("_Connection", (_SocketConnection,), {"path": path})
        pool = HTTPConnectionPool("localhost", maxsize=_MAX_CONNECTIONS, timeout=timeout, retries=False)
        pool.ConnectionCls = kind  # pyright: ignore[reportAttributeAccessIssue] - the Protocol is narrower than the class that implements it
        return pool
    parts = urlsplit(place.url)
    host = parts.hostname or ""
    if parts.scheme == "http":
        return HTTPConnectionPool(host, parts.port, maxsize=_MAX_CONNECTIONS, timeout=timeout, retries=False)
    return urllib3.HTTPSConnectionPool(
        host, parts.port, maxsize=_MAX_CONNECTIONS, timeout=timeout, retries=False, ca_certs=place.ca_file
    )
