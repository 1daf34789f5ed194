"""The listener's own refusals, on real sockets: every odd request costs its sender the connection and us next to
nothing.
"""

import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest
import uvicorn

from tallystick.gateway import Posted
from tallystick.wiring.listener import Bounds, Config, Door, Taker
from tests.attacks.raw import line, send
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio

Event = MutableMapping[str, object]
QUICK = Bounds(head_s=0.1, body_s=0.1, idle_s=0.1, write_s=0.1, linger_s=0.1, look_s=0.05)
HEAD = b"Host: x\r\nContent-Length: 2\r\n"
OK = b"POST /echo HTTP/1.1\r\n" + HEAD + b"\r\n{}"
CHUNKED = b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"


class Echo:
    """An application that tells what of a request reached it. `/hold` waits until `go`; `/early` does not read."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.go = anyio.Event()
        self.left = anyio.Event()

    async def __call__(
        self, scope: Event, receive: Callable[[], Awaitable[Event]], send: Callable[[Event], Awaitable[None]]
    ) -> None:
        """Answer one request."""
        self.seen.append({"path": scope["path"], "headers": scope["headers"]})
        if scope["path"] == "/hold":
            await self.go.wait()
        body = b"" if scope["path"] == "/early" else await self._read(receive)
        if scope["path"] == "/flood":
            body = b"x" * (16 << 20)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body[: 1 << 20], "more_body": len(body) > 1 << 20})
        for start in range(1 << 20, len(body), 1 << 20):
            more = start + (1 << 20) < len(body)
            await send({"type": "http.response.body", "body": body[start : start + (1 << 20)], "more_body": more})
        self.left.set()

    async def take(self, posted: Posted) -> None:
        """Answer one request that came whole, like the others."""
        self.seen.append({"path": posted.route, "headers": posted.headers})
        if posted.more_body:
            self.seen.append({"path": "gone"})
        if posted.route == "/whole/hold":
            await self.go.wait()
        if posted.route == "/whole/gone":
            await posted.receive()
            self.seen.append({"path": "gone"})
        body = b"x" * (16 << 20) if posted.route == "/whole/flood" else posted.content
        if posted.route == "/whole/stream":
            await posted.send({"type": "http.response.start", "status": 200, "headers": []})
            await posted.send({"type": "http.response.body", "body": body, "more_body": True})
            await posted.send({"type": "http.response.body", "body": b"!"})
        else:
            await posted.answer(200, b"", body)
        self.left.set()

    async def _read(self, receive: Callable[[], Awaitable[Event]]) -> bytes:
        body = b""
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                self.seen.append({"path": "gone"})
                return b""
            piece = event["body"]
            assert isinstance(piece, bytes)
            body += piece
            if not event["more_body"]:
                return body


def _route_of(target: bytes) -> str | None:
    return target.decode() if target.startswith(b"/whole/") else None


@dataclass(frozen=True, slots=True)
class House:
    """A running listener."""

    url: str
    door: Door
    echo: Echo


@asynccontextmanager
async def listening(bounds: Bounds | None = None) -> AsyncGenerator[House]:
    """Serve `Echo` until the block ends."""
    echo = Echo()
    taker = Taker(_route_of, echo.take)
    config = Config(echo, bounds, taker)
    config.timeout_graceful_shutdown = 1
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(server.serve, [listener])
            await until(lambda: server.started)
            yield House(f"http://127.0.0.1:{listener.getsockname()[1]}", config.door, echo)
            echo.go.set()
            server.should_exit = True
    await until(lambda: not config.door.connected)


ways = pytest.mark.parametrize("way", [b"/", b"/whole/"], ids=["by ASGI", "whole"])
"""Both ways through the listener keep the same promises."""


REFUSED: dict[str, tuple[bytes, str]] = {
    # what -> request, cause
    "both lengths": (b"POST /echo HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"),
    "both lengths, turned": (CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n0\r\n\r\n", "malformed"),
    "a length twice": (b"POST /echo HTTP/1.1\r\n" + HEAD + b"Content-Length: 2\r\n\r\n{}", "malformed"),
    "a list of lengths": (OK.replace(b": 2", b": 2, 2"), "malformed"),
    "a length with a sign": (OK.replace(b": 2", b": +2"), "malformed"),
    "a length in hexadecimal": (OK.replace(b": 2", b": 0x2"), "malformed"),
    "a length with a blank": (OK.replace(b": 2", b": 2 0"), "malformed"),
    "an endless length": (OK.replace(b": 2", b": " + b"9" * 40), "malformed"),
    "another coding": (CHUNKED.replace(b"chunked", b"gzip"), "framing"),
    "a coding before chunked": (CHUNKED.replace(b"chunked", b"gzip, chunked"), "framing"),
    "a coding after chunked": (CHUNKED.replace(b"chunked", b"chunked, gzip"), "malformed"),
    "chunked twice": (CHUNKED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "malformed"),
    "nearly chunked": (CHUNKED.replace(b"chunked", b"xchunked"), "framing"),
    "chunked in an old version": (CHUNKED.replace(b"1.1", b"1.0") + b"0\r\n\r\n", "framing"),
    "a chunk with an odd size": (CHUNKED + b"0x2\r\n{}\r\n0\r\n\r\n", "malformed"),
    "a chunk with a negative size": (CHUNKED + b"-2\r\n{}\r\n0\r\n\r\n", "malformed"),
    "a chunk of endless size": (CHUNKED + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n", "malformed"),
    "a chunk without its end": (CHUNKED + b"2\r\n{}XX0\r\n\r\n", "malformed"),
    "a bare LF in a chunk extension": (CHUNKED + b"2;a\n{}\r\n0\r\n\r\n", "malformed"),
    "a trailer": (CHUNKED + b"2\r\n{}\r\n0\r\nAuthorization: Bearer x\r\n\r\n", "trailer"),
    "a blank before the colon": (OK.replace(b"Content-Length:", b"Content-Length :"), "malformed"),
    "a folded line": (OK.replace(b"Host: x", b"Host: x\r\nX: a\r\n b"), "malformed"),
    "a blank after the first line": (OK.replace(b"Host", b" Host", 1), "malformed"),
    "bare LF": (OK.replace(b"\r\n", b"\n"), "malformed"),
    "one bare LF": (OK.replace(b"x\r\n", b"x\n"), "malformed"),
    "bare CR": (OK.replace(b"x\r\n", b"x\r"), "malformed"),
    "NUL in a value": (OK.replace(b": x", b": x\0"), "malformed"),
    "NUL in a name": (OK.replace(b"Host", b"Ho\0st"), "malformed"),
    "a header without a name": (OK.replace(b"Host", b""), "malformed"),
    "no host": (OK.replace(b"Host", b"Hast"), "host"),
    "two hosts": (OK.replace(b"Host: x", b"Host: x\r\nHost: y"), "host"),
    "a whole URL": (OK.replace(b"/echo", b"http://evil.example/echo"), "target"),
    "a whole URL without a path": (OK.replace(b"/echo", b"http://evil.example"), "target"),
    "an authority": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n", "verb"),
    "a star": (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "target"),
    "an encoded path": (OK.replace(b"/echo", b"/%65cho"), "target"),
    "an encoded slash": (OK.replace(b"/echo", b"/a%2fecho"), "target"),
    "a fragment": (OK.replace(b"/echo", b"/echo#x"), "target"),
    "eight bits in the path": (OK.replace(b"/echo", b"/ech\xf6"), "malformed"),
    "HTTP/0.9": (b"GET /echo\r\n\r\n", "version"),
    "HTTP/2.0": (OK.replace(b"1.1", b"2.0"), "version"),
    "HTTP/1.2": (OK.replace(b"1.1", b"1.2"), "malformed"),
    "the preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "malformed"),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "malformed"),
    "another verb": (OK.replace(b"POST", b"PROPFIND"), "verb"),
    "another protocol": (b"DESCRIBE /echo RTSP/1.0\r\n\r\n", "verb"),
    "an upgrade to HTTP/2": (OK.replace(b"Host", b"Connection: Upgrade\r\nUpgrade: h2c\r\nHost"), "upgrade"),
    "an upgrade to a web socket": (
        OK.replace(b"Host", b"Connection: upgrade\r\nUpgrade: websocket\r\nHost"),
        "upgrade",
    ),
    "an upgrade without a connection": (OK.replace(b"Host", b"Upgrade: h2c\r\nHost"), "upgrade"),
}


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As for every test, but one listener lasts for all whose bounds are the usual ones."""
    return "asyncio"


@pytest.fixture(scope="module")
async def usual() -> AsyncGenerator[House]:
    """One listener with the usual bounds."""
    async with listening() as house:
        yield house


@pytest.mark.parametrize("what", REFUSED)
async def test_a_request_with_two_readings_is_refused_and_its_connection_closed(usual: House, what: str) -> None:
    request, cause = REFUSED[what]
    before, reached = usual.door.refused.copy(), len(usual.echo.seen)
    async with line(usual.url) as connection:
        await connection.write(request)
        answer = await connection.reply()
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert await connection.ended() == b""
    assert dict(usual.door.refused - before) == {cause: 1}
    # The head of a request with a trailer was sound; nothing else reached the application.
    seen = [event["path"] for event in usual.echo.seen[reached:]]
    assert seen == (["/echo", "gone"] if cause == "trailer" or "chunk " in what else [])


async def test_an_encoded_slash_passes_where_one_is_expected_and_nothing_else_encoded_does() -> None:
    async with listening(Bounds(slashes_below=b"/names/")) as house:
        for slash in (b"%2F", b"%2f"):
            assert (await send(house.url, OK.replace(b"/echo", b"/names/a" + slash + b"b"))).status == 200
        assert [event["path"] for event in house.echo.seen] == ["/names/a/b", "/names/a/b"]
        for odd in (b"/a%2Fb", b"/names/%61", b"/names/%%2F2F", b"/names/%2%2FF", b"/names/%252F", b"/names/a%2Fb#c"):
            assert (await send(house.url, OK.replace(b"/echo", odd))).status == 400
        assert dict(house.door.refused) == {"target": 6}


_CUT = {"plain": OK, "chunked": CHUNKED + b"2;ext=1\r\n{}\r\n0\r\n\r\n", "after a blank line": b"\r\n" + OK}


@pytest.mark.parametrize("split", [1, 2, 7, 30])
@pytest.mark.parametrize("what", _CUT)
async def test_a_sound_request_is_answered_however_it_is_cut(usual: House, split: int, what: str) -> None:
    text, before = _CUT[what], usual.door.refused.copy()
    async with line(usual.url) as connection:
        for start in range(0, len(text), split):
            await connection.write(text[start : start + split])
        answer = await connection.reply()
        assert (answer.status, answer.body) == (200, b"{}")
        await connection.write(OK)
        assert (await connection.reply()).body == b"{}"
    assert usual.door.refused == before


async def test_header_may_be_as_long_as_a_large_token(usual: House) -> None:
    answer = await send(usual.url, OK.replace(b"Host", b"Authorization: Bearer " + b"x" * 40_000 + b"\r\nHost"))
    assert answer.status == 200


@pytest.mark.parametrize(
    ("request_text", "status"),
    [
        (OK.replace(b"Host", b"X: y\r\n" * 127 + b"Host"), 431),
        (OK.replace(b"Host", b"X: " + b"y" * 70_000 + b"\r\nHost"), 431),
        (b"POST /echo HTTP/1.1\r\nX: " + b"y" * 70_000, 431),
        (b"POST /" + b"y" * 70_000, 431),
        (b"\r\n" * 40_000, 431),
        (OK.replace(b"/echo", b"/" + b"y" * 9_000), 414),
        (OK + OK.replace(b"Host", b"X: " + b"y" * 70_000 + b"\r\nHost"), 0),
    ],
    ids=["many", "long", "endless header", "endless target", "endless blank lines", "long target", "second"],
)
async def test_a_head_without_measure_is_refused(request_text: bytes, status: int) -> None:
    async with listening() as house, line(house.url) as connection:
        await connection.write(request_text)
        assert (await connection.reply()).status == status
        await connection.ended()
        assert house.door.refused == {"head size": 1}


async def test_chunk_extensions_without_measure_are_refused() -> None:
    async with listening() as house, line(house.url) as connection:
        await connection.write(CHUNKED)
        for _ in range(200):
            await connection.write(b"1;" + b"x" * 4_000 + b"\r\n{\r\n")
        assert (await connection.reply()).status == 413
        assert house.door.refused == {"body overhead": 1}


@pytest.mark.parametrize(
    ("pieces", "status", "cause"),
    [
        ([b"POST /echo HTTP/1.1\r\nHost: "], 408, "late head"),
        ([b"P"], 408, "late head"),
        ([OK[:-1]], 408, "late body"),
        ([OK[:-1].replace(b"/", b"/whole/", 1)], 408, "late body"),
        ([CHUNKED, b"2\r\n{"], 408, "late body"),
    ],
    ids=["head", "first byte", "body", "body of a whole request", "chunk"],
)
async def test_a_request_that_does_not_end_is_ended(pieces: list[bytes], status: int, cause: str) -> None:
    async with listening(QUICK) as house, line(house.url) as connection:
        for piece in pieces:
            await connection.write(piece)
        assert (await connection.reply()).status == status
        assert await connection.ended() == b""
        assert house.door.refused == {cause: 1}
        await until(lambda: cause == "late head" or house.echo.seen[-1]["path"] == "gone")


async def test_a_head_sent_byte_by_byte_has_one_deadline_and_not_one_per_byte() -> None:
    async with listening(QUICK) as house, line(house.url) as connection, anyio.create_task_group() as group:

        async def drip() -> None:
            for byte in b"POST /echo HTTP/1.1\r\n" + b"x: y\r\n" * 10_000:
                await connection.write(bytes((byte,)))
                await anyio.sleep(0.005)

        group.start_soon(drip)
        assert (await connection.reply()).status == 408
        group.cancel_scope.cancel()
        assert house.door.refused == {"late head": 1}


@pytest.mark.parametrize(
    "before",
    [b"", OK, OK.replace(b"/", b"/whole/", 1), b"\r\n"],
    ids=["at once", "after an answer", "after a whole one", "after blank lines"],
)
async def test_an_idle_connection_is_closed(before: bytes) -> None:
    async with listening(QUICK) as house, line(house.url) as connection:
        await connection.write(before)
        if b"echo" in before:
            assert (await connection.reply()).status == 200
        assert await connection.ended() == b""
        assert not house.door.refused


@ways
async def test_an_answer_may_take_its_time(way: bytes) -> None:
    async with listening(QUICK) as house, line(house.url) as connection:
        await connection.write(OK.replace(b"/echo", way + b"hold"))
        async with line(house.url) as other:  # several deadlines pass on another connection meanwhile
            await other.ended()
        house.echo.go.set()
        assert (await connection.reply()).status == 200


@ways
async def test_a_client_that_does_not_read_is_dropped(way: bytes) -> None:
    async with listening(QUICK) as house:
        with socket.create_connection(("127.0.0.1", int(house.url.rpartition(":")[2]))) as silent:
            silent.sendall(OK.replace(b"/echo", way + b"flood"))
            await house.echo.left.wait()
            await until(lambda: not house.door.connected)


@ways
@pytest.mark.parametrize("head", [b"", b"Connection: close\r\n"], ids=["kept alive", "closed"])
async def test_a_client_that_reads_slowly_gets_everything(head: bytes, way: bytes) -> None:
    async with listening(QUICK) as house:
        slow = await anyio.connect_tcp("127.0.0.1", int(house.url.rpartition(":")[2]))
        await slow.send(OK.replace(b"/echo", way + b"flood").replace(b"Host", head + b"Host"))
        taken = 0
        while taken < 16 << 20:
            # Longer than all deadlines together, in steps that are shorter than one.
            await anyio.sleep(0.01)
            taken += len(await slow.receive(1 << 18))
        await slow.aclose()


@pytest.mark.parametrize("ways", [[b"/"], [b"/whole/"], [b"/", b"/whole/"]], ids=["by ASGI", "whole", "by turns"])
async def test_pipelined_requests_are_answered_in_their_order_and_bounded(ways: list[bytes]) -> None:
    async with listening() as house, line(house.url) as connection:
        asked = [OK.replace(b"{}", b"%02d" % number).replace(b"/", ways[number % len(ways)], 1) for number in range(5)]
        await connection.write(b"".join(asked))
        assert [(await connection.reply()).body for _ in range(5)] == [b"%02d" % number for number in range(5)]
        await connection.write(OK.replace(b"/", ways[-1], 1) * 1000)
        await connection.ended()
        assert house.door.refused == {"pipelined": 1}


@ways
async def test_a_refusal_is_never_taken_for_the_answer_to_an_earlier_request(way: bytes) -> None:
    async with listening() as house, line(house.url) as connection:
        await connection.write(OK.replace(b"/echo", way + b"hold") + b"nonsense\r\n\r\n")
        assert await connection.ended() == b""
        assert house.door.refused == {"malformed": 1}


async def test_the_rest_of_a_body_that_was_answered_early_is_read_only_so_far() -> None:
    async with listening() as house:
        early = OK.replace(b"/echo", b"/early").replace(b": 2", b": 1000000").replace(b"{}", b"")
        async with line(house.url) as connection:
            await connection.write(early)
            assert (await connection.reply()).status == 200
            await connection.write(b"x" * 1_000_000 + OK)
            assert (await connection.reply()).body == b"{}"
        async with line(house.url) as connection:
            await connection.write(early.replace(b"1000000", b"1000000000"))
            for _ in range(64):
                await connection.write(b"x" * 65_536)
            await connection.ended()
        assert not house.door.refused


async def test_connections_are_bounded_in_all_and_per_address() -> None:
    for bounds in (Bounds(connections=2), Bounds(per_address=2)):
        async with listening(bounds) as house, line(house.url) as first, line(house.url) as second:
            for connection in (first, second):
                await connection.write(OK)
                assert (await connection.reply()).status == 200
            async with line(house.url) as third:
                assert (await third.reply()).status == 503
                await third.ended()
            await until(lambda: house.door.connected.total() == 2)
            await first.write(OK)
            assert (await first.reply()).status == 200
            assert house.door.refused == {"connections": 1}


async def test_a_whole_request_may_be_answered_by_a_stream() -> None:
    async with listening() as house, line(house.url) as connection:
        await connection.write(OK.replace(b"/echo", b"/whole/stream") + OK.replace(b"/echo", b"/whole/echo"))
        await connection.write(OK.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        streamed, _, others = (await connection.ended()).partition(b"0\r\n\r\n")
        assert streamed.endswith(b"transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n1\r\n!\r\n")
        assert others.count(b"\r\n\r\n{}") == 2


async def test_who_answers_a_whole_request_learns_that_the_client_has_gone() -> None:
    async with listening() as house:
        async with line(house.url) as connection:
            await connection.write(OK.replace(b"/echo", b"/whole/gone"))
            await until(lambda: bool(house.echo.seen))
        await until(lambda: house.echo.seen[-1]["path"] == "gone")


async def test_a_large_answer_arrives_whole() -> None:
    async with listening() as house, line(house.url) as connection:
        body = b"x" * 60_000
        await connection.write(b"POST /whole/echo HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n" + body)
        assert (await connection.reply()).body == body


@pytest.mark.parametrize("closing", [b"Connection: close", b"Connection: keep-alive, close"])
async def test_a_connection_that_its_client_wants_closed_is_closed_after_a_whole_answer(closing: bytes) -> None:
    async with listening() as house, line(house.url) as connection:
        await connection.write(OK.replace(b"/echo", b"/whole/echo").replace(b"Host: x", b"Host: x\r\n" + closing))
        assert (await connection.reply()).body == b"{}"
        assert await connection.ended() == b""
