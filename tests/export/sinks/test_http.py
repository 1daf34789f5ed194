"""What every sink over HTTP relies on: a server that proves who it is, answers that end, and nobody else's word."""

import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tallystick.export.model import Unavailable
from tallystick.export.settings import Tls
from tallystick.export.sinks import http
from tallystick.export.sinks.http import Http
from tests.export.kept import Hand
from tests.export.sinks.authority import Authority
from tests.export.sinks.receiver import Asked, Told, receiver


class _Quiet(BaseHTTPRequestHandler):
    """Takes everything."""

    def do_POST(self) -> None:
        """Answer with nothing."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
        """Say nothing."""


@contextmanager
def _secure(authority: Authority) -> Generator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server"))
    with HTTPServer(("127.0.0.1", 0), _Quiet) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def _http(url: str, tls: Tls) -> Http:
    return Http(url, tls, Hand().clock)


def test_a_server_whose_certificate_nobody_vouches_for_gets_nothing(tmp_path: Path) -> None:
    known, other = Authority(tmp_path / "known", "known"), Authority(tmp_path / "other", "other")
    with _secure(known) as url:
        assert _http(url, Tls(str(known.file))).post("/", b"{}", {}).status == 200
        for trusted in (str(other.file), ""):
            with pytest.raises(Unavailable, match="cannot be reached"):
                _http(url, Tls(trusted)).post("/", b"{}", {})


def test_a_server_that_sends_elsewhere_is_not_followed() -> None:
    asked: list[Asked] = []

    def elsewhere(one: Asked) -> Told:
        asked.append(one)
        return Told()

    with receiver(elsewhere) as there, receiver(lambda _: Told(307, b"", {"Location": f"{there}/"})) as here:
        assert _http(here, Tls()).post("/", b"secret", {"Authorization": "Bearer x"}).status == 307
    assert asked == []


def test_an_answer_without_end_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 1000)
    with receiver(lambda _: Told(200, bytes(1001))) as url, pytest.raises(Unavailable, match="more than 1000 bytes"):
        _http(url, Tls()).post("/", b"{}", {})
