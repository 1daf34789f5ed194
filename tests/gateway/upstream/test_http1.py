"""HTTP/1.1 towards a server that keeps, closes and misuses its connections."""

import pytest

from tallystick.gateway.upstream import HttpTransport
from tallystick.terms import Reason, Refusal
from tallystick.wire import Reply
from tests.gateway.upstream.remote import Ask, Asked, Wire, answer_of, linked, remote, result

pytestmark = pytest.mark.anyio


async def _ask(upstream: HttpTransport) -> Reply | Refusal:
    return await answer_of(upstream, Ask().outbound())


async def _answer(asked: Asked, wire: Wire) -> None:
    await wire.answer(result(asked))


async def test_a_connection_is_used_again() -> None:
    async with remote(_answer) as server, linked(server) as upstream:
        replies = [await _ask(upstream) for _ in range(5)]
        assert all(isinstance(reply, Reply) and reply.kind == "result" for reply in replies)
        assert (server.connections, len(server.asked)) == (1, 5)
        assert len({str(asked.message["id"]) for asked in server.asked}) == 5
        upstream.close()
        await server.left.wait()


async def test_a_connection_that_the_server_closes_is_not_used_again() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.answer(result(asked), "200 OK", "Connection: close")
        await wire.close()

    async with remote(handler) as server, linked(server) as upstream:
        assert [isinstance(await _ask(upstream), Reply) for _ in range(3)] == [True] * 3
        assert server.connections == 3


CUT = {
    "before anything": b"",
    "within the head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "after the head": b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",
    "within the body": b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"jsonrpc"',
    "within a chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n63\r\n{"jsonrpc"',
    "before the last chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "within a stream": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: {",
    "with another protocol": b"SSH-2.0-OpenSSH_9.9\r\n",
    "with a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "with two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "with a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("raw", CUT.values(), ids=CUT.keys())
async def test_a_response_that_breaks_off_is_a_broken_server_and_nothing_is_repeated(raw: bytes) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.write(raw)
        await wire.close()

    async with remote(handler) as server, linked(server) as upstream:
        reply = await _ask(upstream)
        assert isinstance(reply, Refusal)
        assert (reply.code, reply.reasons) == ("upstream", (Reason.UPSTREAM_BROKEN,))
        assert len(server.asked) == 1


async def test_a_request_on_a_connection_that_breaks_is_not_repeated_on_another() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        if len(server.asked) == 2:
            await wire.close()
        else:
            await wire.answer(result(asked))

    async with remote(handler) as server, linked(server) as upstream:
        kinds = [type(await _ask(upstream)) for _ in range(3)]
        assert kinds == [Reply, Refusal, Reply]
        assert [asked.connection for asked in server.asked] == [1, 1, 2]


FRAMES = {
    "a length": "Content-Length: {length}\r\n\r\n{body}",
    "chunks": "Transfer-Encoding: chunked\r\n\r\n5\r\n{first}\r\n{rest_length:x};x\r\n{rest}\r\n0\r\nLate: t\r\n\r\n",
    "the end of the connection": "Connection: close\r\n\r\n{body}",
}


@pytest.mark.parametrize("frame", FRAMES.values(), ids=FRAMES.keys())
@pytest.mark.parametrize(
    "interim", ["", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"]
)
async def test_a_body_is_read_however_it_is_framed_and_byte_by_byte(frame: str, interim: str) -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        body = result(asked).decode()
        parts = {"length": len(body), "body": body, "first": body[:5], "rest": body[5:], "rest_length": len(body) - 5}
        raw = (interim + "HTTP/1.1 200 OK\r\ncontent-TYPE: application/json\r\n" + frame.format(**parts)).encode()
        for i in range(len(raw)):
            await wire.write(raw[i : i + 1])
        if "close" in frame:
            await wire.close()

    async with remote(handler) as server, linked(server) as upstream:
        reply = await _ask(upstream)
        assert isinstance(reply, Reply), reply
        assert reply.payload == b'{"ok": true}'


async def test_an_answer_that_nothing_asked_for_never_reaches_the_next_request() -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        forged = b'{"jsonrpc":"2.0","id":%d,"result":{"forged":true}}' % (len(server.asked) + 1)
        honest = result(asked)
        await wire.write(
            b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(honest), honest)
            + b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(forged), forged[:-5])
        )

    async with remote(handler) as server, linked(server) as upstream:
        for _ in range(3):
            reply = await _ask(upstream)
            assert isinstance(reply, Reply)
            assert reply.payload == b'{"ok": true}'
        assert server.connections == 3


CONTENTLESS = {
    "the head": b"HTTP/1.1 200 OK\r\nY: ",
    "a trailer": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nY: ",
    "the extension of a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n2;y=",
}


@pytest.mark.parametrize("begun", CONTENTLESS.values(), ids=CONTENTLESS.keys())
@pytest.mark.parametrize("piece", [b"X: " + b"x" * (1 << 12) + b"\r\n", b"x" * (1 << 12)], ids=["many", "one"])
async def test_what_is_no_content_and_has_no_end_is_cut_off(begun: bytes, piece: bytes) -> None:
    async def handler(_asked: Asked, wire: Wire) -> None:
        await wire.write(begun)
        while True:
            await wire.write(piece)

    async with remote(handler) as server, linked(server) as upstream:
        reply = await _ask(upstream)
        assert isinstance(reply, Refusal)
        assert reply.reasons[0] in (Reason.UPSTREAM_TOO_LARGE, Reason.UPSTREAM_BROKEN)
        await server.left.wait()


@pytest.mark.parametrize(
    "status", ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"]
)
async def test_a_redirect_is_not_followed(status: str) -> None:
    async def handler(asked: Asked, wire: Wire) -> None:
        await wire.answer(result(asked), status, f"Location: {server.url}")

    async with remote(handler) as server, linked(server) as upstream:
        reply = await _ask(upstream)
        assert isinstance(reply, Refusal)
        assert reply.reasons == (Reason.UPSTREAM_BROKEN,)
        assert status[:3] in reply.detail
        assert len(server.asked) == 1


async def test_a_server_that_is_not_there_is_unreachable() -> None:
    async with remote(_answer) as gone:
        pass
    async with linked(gone) as upstream:
        reply = await _ask(upstream)
    assert isinstance(reply, Refusal)
    assert reply.reasons == (Reason.UPSTREAM_UNREACHABLE,)
