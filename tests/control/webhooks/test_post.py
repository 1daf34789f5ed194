"""Where requests go, and what is taken for an answer."""

import socket
import ssl
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tallystick.control.webhooks.post import ANSWER_LIMIT, Answer, Post, Unreachable
from tallystick.control.webhooks.shapes import Request
from tallystick.gateway.upstream.connector import admits
from tests.export.sinks.authority import Authority
from tests.export.sinks.receiver import Asked, Told, receiver

POST = Post(admits)


def send(url: str, post: Post = POST, *, allow_special: bool = True) -> Answer:
    """Send a body."""
    return post.send(Request("POST", url, b"{}"), {}, allow_special=allow_special)


@contextmanager
def encrypted(authority: Authority, host: str = "127.0.0.1") -> Generator[int]:
    """A receiver on loopback with a certificate of this authority; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(self.headers["Host"].partition(":")[0][:2].encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server gives
            del format, args

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("receiver"))
    server = HTTPServer((host, 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_name_is_what_the_certificate_has_to_be_for(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    trusting = Post(admits, str(authority.file))
    with encrypted(authority) as port:
        assert send(f"https://localhost:{port}/", trusting) == Answer(200, b"lo")
        with pytest.raises(Unreachable, match="certificate"):
            send(f"https://localhost:{port}/", POST)
        with pytest.raises(Unreachable, match="certificate"):
            send(f"https://localhost:{port}/", Post(admits, str(stranger.file)))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    trusting = Post(admits, str(authority.file))
    with encrypted(authority, "127.0.0.2") as port, pytest.raises(Unreachable, match=r"certificate|match"):
        send(f"https://127.0.0.2:{port}/", trusting)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "[fe80::1]"])
def test_special_addresses_are_not_called(host: str) -> None:
    with pytest.raises(Unreachable, match="may not be called"):
        send(f"http://{host}:1/", allow_special=False)


@pytest.mark.parametrize("host", ["169.254.169.254", "100.100.100.200", "[fe80::1]"])
def test_where_clouds_give_out_credentials_is_never_called(host: str) -> None:
    with pytest.raises(Unreachable, match="may not be called"):
        send(f"http://{host}:1/", allow_special=True)


def test_one_bad_address_of_several_is_one_too_many() -> None:
    def only_four(address: str, *, allow_special: bool) -> bool:
        return allow_special and address != "127.0.0.1"

    with pytest.raises(Unreachable, match=r"127\.0\.0\.1, which may not be called"):
        send("http://localhost:1/", Post(only_four))


def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def elsewhere(request: Asked) -> Told:
        asked.append(request.path)
        return Told(307, b"", {"Location": "/other"})

    with receiver(elsewhere) as url:
        answer = send(f"{url}/in")
    assert (answer.status, answer.is_taken, asked) == (307, False, ["/in"])


def test_an_answer_that_is_too_long_is_none() -> None:
    with receiver(lambda _: Told(200, b"x" * ANSWER_LIMIT)) as url:
        assert len(send(url).body) == ANSWER_LIMIT
    with receiver(lambda _: Told(200, b"x" * (ANSWER_LIMIT + 1))) as url, pytest.raises(Unreachable, match="too much"):
        send(url)


def test_an_answer_that_breaks_off_is_none() -> None:
    with receiver(lambda _: Told(200, b"x" * 1000, cut=True)) as url, pytest.raises(Unreachable):
        send(url)


def test_a_name_without_an_address_cannot_be_reached() -> None:
    with pytest.raises(Unreachable, match="has no address"):
        send("https://nowhere.invalid/")


def test_nobody_listening_cannot_be_reached() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(Unreachable, match="cannot be reached"):
            send(f"http://127.0.0.1:{bound.getsockname()[1]}/")
