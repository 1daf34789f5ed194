"""One bounded GET: every failure is a refusal that says "unavailable", and nothing follows where a document points."""

import pytest

from tallystick.gateway.upstream import Connector, Fetcher
from tallystick.terms import Reason, Refusal
from tests.gateway.upstream.remote import LOCAL, Asked, Handler, Wire, remote

pytestmark = pytest.mark.anyio


def _refused(document: bytes | Refusal) -> Refusal:
    assert isinstance(document, Refusal), document
    assert (document.code, document.reasons) == ("unavailable", (Reason.ISSUER_UNAVAILABLE,))
    return document


async def test_a_document_is_fetched_with_a_request_of_our_own() -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(b'{"keys":[]}')

    async with remote(handler) as server:
        assert await Fetcher(LOCAL)(server.url + "#fragment") == b'{"keys":[]}'
        (asked,) = server.asked
        await server.left.wait()
    assert (asked.verb, asked.target, asked.body) == ("GET", "/mcp?k=v", b"")
    assert dict(asked.headers) == {
        "host": f"127.0.0.1:{server.port}",
        "accept": "application/json",
        "connection": "close",
    }


async def test_a_body_that_ends_with_the_connection_is_whole() -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.write(b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 100_000)
        await wire.close()

    async with remote(handler) as server:
        assert await Fetcher(LOCAL)(server.url) == b"x" * 100_000


@pytest.mark.parametrize("status", ["201 Created", "204 No Content", "302 Found", "404 Not Found", "500 Oops"])
async def test_any_other_status_is_refused_and_no_redirect_is_followed(status: str) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.write(f"HTTP/1.1 {status}\r\nLocation: {server.url}\r\nContent-Length: 0\r\n\r\n".encode())

    async with remote(handler) as server:
        assert status[:3] in _refused(await Fetcher(LOCAL)(server.url)).detail
        assert len(server.asked) == 1


async def _endless(_asked: Asked, wire: Wire) -> None:
    await wire.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await wire.write(b"x" * 50_000)


async def _crumbs(_asked: Asked, wire: Wire) -> None:
    await wire.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        await wire.write(b"1\r\nx\r\n" * 20_000)


async def _promise(_asked: Asked, wire: Wire) -> None:
    await wire.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")
    await wire.close()


async def _garbage(_asked: Asked, wire: Wire) -> None:
    await wire.write(b"\x16\x03\x01 not HTTP at all\r\n\r\n")


@pytest.mark.parametrize("handler", [_endless, _crumbs, _promise, _garbage])
async def test_a_document_that_does_not_end_or_is_none_is_refused(handler: Handler) -> None:
    async with remote(handler) as server:
        _refused(await Fetcher(LOCAL)(server.url))
        await server.left.wait()


async def test_a_server_that_is_silent_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.gateway.upstream.fetch.FETCH_S", 0.1)

    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.stream.receive()

    async with remote(handler) as server:
        _refused(await Fetcher(LOCAL)(server.url))
        await server.left.wait()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "keys.json",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "https://",
        "https://[::1",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1:x/",
        "https://user:secret@127.0.0.1/",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/a\r\nX: y",
        "https://127.0.0.1/caf\u00e9",
        "https://caf\u00e9.example/",
        "https://127.0.0.1/\0",
    ],
)
async def test_what_is_no_plain_web_address_is_refused_before_anything_is_dialled(url: str) -> None:
    _refused(await Fetcher(LOCAL)(url))


async def test_a_connector_for_the_public_fetches_neither_http_nor_this_machine() -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.answer(b"{}")

    public = Fetcher(Connector(allow_special=False))
    async with remote(handler) as server:
        _refused(await public(server.url))
        _refused(await public(server.url.replace("http:", "https:")))
        assert server.connections == 0
