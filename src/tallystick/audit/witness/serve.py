"""The witness's HTTP server: two paths, bounded in every direction, out of the standard library.

Why not the gateway's server: a witness runs on another machine, for one request a second, and is read by the people who
run it. What it relies on is short: `decide`, `state`, the formats in `tlog`, and this file. Not for the open internet:
put it behind a firewall that lets only the logs' machines in, or behind a proxy that limits rates.
"""

import re
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Final

from tallystick.audit.witness.decide import BODY_LIMIT, PLAIN, Answer, Witness
from tallystick.audit.witness.state import StorageError

CONNECTIONS_LIMIT: Final = 64
"""Open connections, each with a thread. One more closes the one that has been without a finished request longest."""
PATIENCE_SECONDS: Final = 30
"""How long a client may be silent, between requests or within one."""
_MONITORED = re.compile(r"/([0-9a-f]{64})/checkpoint")


class WitnessServer(ThreadingHTTPServer):
    """Listens and answers; `url` tells where."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = CONNECTIONS_LIMIT

    def __init__(self, address: tuple[str, int], witness: Witness, tls: tuple[Path, Path] | None = None) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Handler)
        self.failure: StorageError | None = None
        self._witness = witness
        self._connections: dict[socket.socket, None] = {}
        self._guard = threading.Lock()
        self._scheme = "http" if tls is None else "https"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(*tls)
            # The handshake waits for the connection's own thread: a client that is silent stops nobody else.
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def url(self) -> str:
        """Where it listens: the submission and the monitoring prefix."""
        host, port = self.server_address[:2]
        name = f"[{host!s}]" if self.address_family == socket.AF_INET6 else str(host)
        return f"{self._scheme}://{name}:{port}"

    def ask(self, question: Callable[[Witness], Answer]) -> Answer:
        """Let the witness answer; where it cannot remember any more, the server ends (and tells `failure`)."""
        try:
            return question(self._witness)
        except StorageError as error:
            self.failure = error
            threading.Thread(target=self.shutdown, daemon=True).start()
            return Answer(HTTPStatus.INTERNAL_SERVER_ERROR, "the witness cannot remember, and ends\n")

    def process_request(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - a stream server gets no datagrams
        """Take a connection, and close another one where there are too many."""
        with self._guard:
            oldest = next(iter(self._connections)) if len(self._connections) >= CONNECTIONS_LIMIT else None
            self._connections[request] = None
        if oldest is not None:
            self._cut(oldest)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:  # pyright: ignore[reportIncompatibleMethodOverride] - a stream server gets no datagrams
        """Close a connection, once."""
        with self._guard:
            self._connections.pop(request, None)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are."""
        TCPServer.server_bind(self)

    def server_close(self) -> None:
        """Listen no more, and close every connection."""
        super().server_close()
        with self._guard:
            left = list(self._connections)
        for connection in left:
            self._cut(connection)

    def _cut(self, connection: socket.socket) -> None:
        """End a connection of another thread, which then finds its end and closes it."""
        with self._guard:
            self._connections.pop(connection, None)
        # Not the method of a TLS connection: it would change what its thread is using.
        with suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def has_answered(self, request: socket.socket) -> None:
        """A connection has finished a request: it is the youngest now."""
        with self._guard:
            if self._connections.pop(request, 0) is None:
                self._connections[request] = None

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that broke is no event; a bug is told, and ends that connection only."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # pyright: ignore[reportArgumentType] - handed on as it came


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tally-witness", ""
    timeout = PATIENCE_SECONDS
    # Head and body are written one after the other: the second would wait for the other side's delayed acknowledgement.
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """`add-checkpoint`."""
        length = self._length()
        if length is None:
            self._answer(Answer(HTTPStatus.LENGTH_REQUIRED, "one Content-Length, please\n"), last=True)
        elif length > BODY_LIMIT:
            self._answer(Answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {BODY_LIMIT} bytes\n"), last=True)
        else:
            body = self.rfile.read(length)
            if len(body) < length:
                self.close_connection = True
            elif self.path == "/add-checkpoint":
                self._answer(self._server.ask(lambda witness: witness.add_checkpoint(body)))
            else:
                self._answer(Answer(HTTPStatus.NOT_FOUND, "POST /add-checkpoint\n"))

    def do_GET(self) -> None:
        """The newest cosigned checkpoint of a log, for monitors."""
        found = _MONITORED.fullmatch(self.path)
        if found is None:
            self._answer(Answer(HTTPStatus.NOT_FOUND, "GET /<SHA-256 of the origin in hex>/checkpoint\n"))
        else:
            self._answer(self._server.ask(lambda witness: witness.latest(found[1])))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """One line for each request, with nothing in it that could steer a terminal."""
        line = f"witness: {self.address_string()} {format % args}"
        sys.stderr.write("".join(letter if letter.isprintable() else "\ufffd" for letter in line) + "\n")

    @property
    def _server(self) -> WitnessServer:
        assert isinstance(self.server, WitnessServer)  # noqa: S101 - it makes the handlers
        return self.server

    def _length(self) -> int | None:
        """Length of the body; None where it is not told in exactly one way."""
        told = self.headers.get_all("Content-Length", [])
        if len(told) != 1 or "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,9}", told[0].strip()):
            return None
        return int(told[0])

    def _answer(self, answer: Answer, *, last: bool = False) -> None:
        content = answer.body.encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(content)))
        if answer.kind == PLAIN:
            self.send_header("X-Content-Type-Options", "nosniff")
        if last:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)
        self._server.has_answered(self.connection)
