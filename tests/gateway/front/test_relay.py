"""Requests passed on to a sibling process: byte for byte, piece by piece, and given up when their client leaves."""

import socket
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import msgspec
import pytest
from starlette.types import Receive, Scope, Send

from tallystick.gateway.front import Relay
from tallystick.gateway.front.asgi import Event
from tallystick.gateway.front.relay import request_of
from tests.interaction.world import listening

pytestmark = pytest.mark.anyio

HEADERS = [(b"host", b"bank.example"), (b"authorization", b"Bearer t"), (b"connection", b"close"), (b"x-odd", b"\xe4")]


@dataclass
class Sibling:
    """The process that a request belongs to; it answers as it is told."""

    pieces: list[bytes] = field(default_factory=lambda: [b"one", b"two"])
    endless: bool = False
    seen: list[tuple[str, str, list[tuple[bytes, bytes]], bytes]] = field(
        default_factory=list[tuple[str, str, list[tuple[bytes, bytes]], bytes]]
    )
    left: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        event = await receive()
        self.seen.append((scope["method"], scope["path"], list(scope["headers"]), event.get("body", b"")))
        await send({"type": "http.response.start", "status": 207, "headers": [(b"mcp-session-id", b"s")]})
        for piece in self.pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self.endless:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
        await send({"type": "http.response.body", "body": b""})


class Client:
    """The client whose request is passed on, as ASGI shows it."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""
        self.ended = False
        self.told = anyio.Event()
        self.leaves = anyio.Event()

    async def receive(self) -> Event:
        """Leave when asked to."""
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        """Take a part of the answer."""
        if event["type"] == "http.response.start":
            self.status = int(str(event["status"]))
            self.headers = dict(msgspec.convert(event["headers"], list[tuple[bytes, bytes]]))
        else:
            piece = event.get("body", b"")
            assert isinstance(piece, bytes)
            self.body += piece
            self.ended = not event.get("more_body", False)
        self.told.set()


@pytest.fixture
def sibling() -> Sibling:
    """A sibling that answers in two pieces."""
    return Sibling()


@pytest.fixture
async def relay(sibling: Sibling, tmp_path: Path) -> AsyncGenerator[Relay]:
    """The relay of process 0; process 1 listens, process 2 does not."""
    paths = [tmp_path / f"worker-{index}.sock" for index in range(3)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(paths[1]))
        listener.listen()
        async with listening(sibling, listener):
            yield Relay(0, paths)


async def test_a_request_reaches_the_sibling_as_it_came_and_so_does_the_answer(relay: Relay, sibling: Sibling) -> None:
    for number in range(3):
        client, body = Client(), b'{"n":%d}' % number
        sent = request_of("POST", b"/servers/desk/mcp", HEADERS, body)
        assert await relay.pass_on(1, sent, client.receive, client.send)
        assert (client.status, client.body, client.ended) == (207, b"onetwo", True)
        assert client.headers[b"mcp-session-id"] == b"s"
        method, path, headers, got = sibling.seen[-1]
        assert (method, path, got) == ("POST", "/servers/desk/mcp", body)
        kept = [pair for pair in HEADERS if pair[0] != b"connection"]
        assert [pair for pair in headers if pair[0] != b"content-length"] == kept
    assert len(sibling.seen) == 3


async def test_a_client_that_leaves_ends_its_request_at_the_sibling(relay: Relay, sibling: Sibling) -> None:
    sibling.endless = True
    client = Client()
    async with anyio.create_task_group() as group:

        async def leave() -> None:
            await client.told.wait()
            client.leaves.set()

        group.start_soon(leave)
        with anyio.fail_after(20):
            sent = request_of("GET", b"/servers/desk/mcp", HEADERS, b"")
            assert await relay.pass_on(1, sent, client.receive, client.send)
            await sibling.left.wait()
    assert not client.ended


async def test_a_sibling_that_is_not_there_is_done_without(relay: Relay) -> None:
    client = Client()
    assert not await relay.pass_on(2, request_of("POST", b"/", HEADERS, b"{}"), client.receive, client.send)
    assert client.status == 0


def test_only_another_process_that_exists_is_elsewhere(tmp_path: Path) -> None:
    relay = Relay(1, [tmp_path / name for name in "abc"])
    assert [relay.is_elsewhere(worker) for worker in (None, 0, 1, 2, 3)] == [False, True, False, True, False]


def test_what_is_passed_on_is_framed_anew_and_by_nothing_that_the_client_said() -> None:
    said = [
        (b"host", b"gateway.example"),
        (b"content-length", b"99"),
        (b"transfer-encoding", b"chunked"),
        (b"connection", b"close"),
        (b"expect", b"100-continue"),
        (b"keep-alive", b"timeout=5"),
        (b"mcp-session-id", b"s"),
    ]
    assert request_of("POST", b"/servers/desk/mcp", said, b"{}") == (
        b"POST /servers/desk/mcp HTTP/1.1\r\nhost: gateway.example\r\nmcp-session-id: s\r\nContent-Length: 2\r\n\r\n{}"
    )
