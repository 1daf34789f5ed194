"""Where a browser comes back to after a sign-in: a listener on loopback, for one answer (RFC 8252, section 7.3)."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from tallystick.cli.codes import NOT_SIGNED_IN, CommandError

PATH: Final = "/callback"
WAIT_S: Final = 300.0
"""Seconds that somebody gets to sign in."""
_PAGE: Final = b"<!doctype html><title>tally</title><p>You may close this page and go back to the terminal."


class _Server(HTTPServer):
    answer: dict[str, str] | None = None
    is_late = False

    def handle_timeout(self) -> None:
        self.is_late = True


class _Handler(BaseHTTPRequestHandler):
    timeout = 5.0

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        found = dict(parse_qsl(parts.query))
        is_answer = parts.path == PATH and ("code" in found or "error" in found)
        if is_answer and isinstance(self.server, _Server):
            self.server.answer = found
        self.send_response(200 if is_answer else 404)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-security-policy", "default-src 'none'")
        self.end_headers()
        self.wfile.write(_PAGE if is_answer else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the standard library
        """Say nothing: the address holds the code."""
        del format, args


class Callback:
    """Listens from the start of the block to its end."""

    def __init__(self) -> None:
        """Take a free port of 127.0.0.1."""
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.timeout = WAIT_S
        self.url = f"http://127.0.0.1:{self._server.server_port}{PATH}"

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.server_close()

    def wait(self) -> dict[str, str]:
        """Return the parameters of the first answer; raises CommandError where none comes in time."""
        while self._server.answer is None:
            self._server.handle_request()
            if self._server.is_late:
                raise CommandError(NOT_SIGNED_IN, "nobody signed in in time. Run tally login again")
        return self._server.answer
