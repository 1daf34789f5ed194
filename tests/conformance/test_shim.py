"""The shim in front of the gateway: it adds a token, and changes nothing else."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from conformance.shim import shimmed

pytestmark = pytest.mark.anyio

ACCEPTED = b"HTTP/1.1 202 \r\n\r\n"
TOKEN = "Authorization: Bearer secret\r\n\r\n"


@asynccontextmanager
async def _gateway(answer: bytes, seen: list[bytes], until: bytes) -> AsyncGenerator[int]:
    """Listen as the gateway; answers once, when what came on a connection ends with `until`."""

    async def serve(stream: SocketStream) -> None:
        async with stream:
            came = b""
            while not came.endswith(until):
                came += await stream.receive()
            seen.append(came)
            await stream.send(answer)
            await anyio.sleep_forever()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, not Django's
        group.cancel_scope.cancel()


async def _through(request: str, until: str = TOKEN, answer: bytes = ACCEPTED) -> tuple[str, bytes, int]:
    """Send a request in which `{shim}` stands for the shim's port; returns what came, the answer, the real port."""
    seen: list[bytes] = []
    got = b""
    async with _gateway(answer, seen, until.encode()) as gateway, shimmed(gateway, "secret") as shim:
        async with await anyio.connect_tcp("127.0.0.1", shim) as stream:
            await stream.send(request.format(shim=shim).encode())
            with anyio.fail_after(5):
                while len(got) < len(answer):
                    got += await stream.receive()
        return seen[0].decode(), got, gateway


async def test_a_token_is_added_and_the_body_is_passed_on() -> None:
    sent = "POST /a HTTP/1.1\r\nHost: 127.0.0.1:{shim}\r\nContent-Length: 5\r\n\r\nhello"
    came, got, gateway = await _through(sent, "hello")
    assert came == f"POST /a HTTP/1.1\r\nHost: 127.0.0.1:{gateway}\r\nContent-Length: 5\r\n{TOKEN}hello"
    assert got == ACCEPTED


async def test_a_token_of_the_client_is_replaced() -> None:
    came, _, _ = await _through("GET / HTTP/1.1\r\nauthorization: Bearer other\r\n\r\n")
    assert came == f"GET / HTTP/1.1\r\n{TOKEN}"


async def test_its_own_origin_becomes_the_gateways_and_a_foreign_host_stays() -> None:
    own = "GET / HTTP/1.1\r\nHost: 127.0.0.1:{shim}\r\nOrigin: http://127.0.0.1:{shim}\r\n\r\n"
    came, _, gateway = await _through(own)
    assert f"\r\nOrigin: http://127.0.0.1:{gateway}\r\n" in came
    foreign = "DELETE / HTTP/1.1\r\nHost: evil.example.com\r\nOrigin: http://evil.example.com\r\n\r\n"
    came, _, _ = await _through(foreign)
    assert came == foreign[:-2] + TOKEN


async def test_chunks_and_the_next_request_are_passed_on_as_they_came() -> None:
    head, body = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "4\r\nwiki\r\n0\r\n\r\n"
    following = "GET /b HTTP/1.1\r\nHost:  odd \r\n"
    came, _, _ = await _through(f"{head}\r\n{body}{following}\r\n", "odd \r\n" + TOKEN)
    assert came == head + TOKEN + body + following + TOKEN


async def test_an_event_stream_is_passed_on_before_it_ends() -> None:
    events = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n"
    _, got, _ = await _through("GET / HTTP/1.1\r\n\r\n", answer=events)
    assert got == events


async def test_the_gateway_sees_that_a_client_went() -> None:
    gone = anyio.Event()

    async def serve(stream: SocketStream) -> None:
        async with stream:
            try:
                while True:
                    await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                gone.set()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        port = int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, not Django's
        async with shimmed(port, "secret") as shim:
            async with await anyio.connect_tcp("127.0.0.1", shim) as stream:
                await stream.send(b"GET / HTTP/1.1\r\n\r\n")
            with anyio.fail_after(5):
                await gone.wait()
        group.cancel_scope.cancel()
