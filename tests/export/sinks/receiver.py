"""A real HTTP server on loopback, behind which each test puts a receiver that behaves as its documentation says."""

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tallystick.export.model import is_object


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: path without its query, query, headers in lower case, body after decompression."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def fields(self) -> dict[str, object]:
        """The body as a JSON object."""
        value: object = json.loads(self.body)
        assert is_object(value)
        return value


@dataclass(frozen=True, slots=True)
class Told:
    """What is answered. `cut`: the connection is reset after half of the body."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False


def told(status: int, value: object, **headers: str) -> Told:
    """Answer with JSON; underscores in names of headers stand for hyphens."""
    return Told(status, json.dumps(value).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


Answering = Callable[[Asked], Told]


@contextmanager
def receiver(answering: Answering, port: int = 0) -> Generator[str]:
    """Serve until the context is left; the URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            self._answer(answering(Asked(parts.path, query, headers, body)))

        def _answer(self, answer: Told) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if answer.cut:
                self.wfile.write(answer.body[: len(answer.body) // 2])
                self.wfile.flush()
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
                self.connection.close()
                return
            self.wfile.write(answer.body)

        def finish(self) -> None:
            if self.connection.fileno() >= 0:
                super().finish()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
