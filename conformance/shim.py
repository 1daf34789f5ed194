"""A listener without authentication in front of the gateway: adds a token and passes everything else on byte for byte.

The suite cannot send a token. Only the head of a request is looked at: `Authorization` is added, and `Host` and
`Origin` are rewritten where they name the shim itself, because they name the gateway's own address then. A foreign
`Host` or `Origin` stays as it is, so that the gateway's own check is what the suite sees. Bodies and answers are never
touched.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import ByteReceiveStream, SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

_HEAD_BYTES: Final = 1 << 16
_PIECE_BYTES: Final = 1 << 16
_ENDED: Final = (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError, anyio.ClosedResourceError)
Header = tuple[bytes, bytes]


@asynccontextmanager
async def shimmed(gateway_port: int, token: str) -> AsyncGenerator[int]:
    """Listen until the block ends; yields the port."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = int(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, not Django's

    async def serve(client: SocketStream) -> None:
        async with client, await anyio.connect_tcp("127.0.0.1", gateway_port) as gateway:
            relay = _Relay(port, gateway_port, token)
            async with anyio.create_task_group() as group:
                group.start_soon(_answers, gateway, client, group.cancel_scope)
                await relay.requests(client, gateway)
                # The client is gone: so is its connection to the gateway, as it would be without a shim.
                group.cancel_scope.cancel()

    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        yield port
        group.cancel_scope.cancel()


async def _answers(gateway: SocketStream, client: SocketStream, done: anyio.CancelScope) -> None:
    try:
        while True:
            await client.send(await gateway.receive(_PIECE_BYTES))
    except _ENDED:
        done.cancel()


class _Relay:
    """Requests of one connection, one after the other."""

    def __init__(self, port: int, gateway_port: int, token: str) -> None:
        self._own = {
            b"host": (b"127.0.0.1:%d" % port, b"127.0.0.1:%d" % gateway_port),
            b"origin": (b"http://127.0.0.1:%d" % port, b"http://127.0.0.1:%d" % gateway_port),
        }
        self._authorization = (b"Authorization", b" Bearer " + token.encode())

    async def requests(self, client: ByteReceiveStream, gateway: SocketStream) -> None:
        """Pass requests on until the client closes."""
        source = BufferedByteReceiveStream(client)
        try:
            while True:
                line, *lines = (await source.receive_until(b"\r\n\r\n", _HEAD_BYTES)).split(b"\r\n")
                headers = [(name, value) for name, _, value in (entry.partition(b":") for entry in lines)]
                await gateway.send(self._head(line, headers))
                await _body(source, gateway, {name.lower(): value.strip() for name, value in headers})
        except (*_ENDED, anyio.DelimiterNotFound):
            return

    def _head(self, line: bytes, headers: list[Header]) -> bytes:
        sent = [(name, self._value(name, value)) for name, value in headers if name.lower() != b"authorization"]
        return b"\r\n".join([line, *(b"%b:%b" % entry for entry in (*sent, self._authorization)), b"", b""])

    def _value(self, name: bytes, value: bytes) -> bytes:
        own, gateways = self._own.get(name.lower(), (b"", b""))
        return b" " + gateways if own and value.strip() == own else value


async def _body(source: BufferedByteReceiveStream, gateway: SocketStream, headers: dict[bytes, bytes]) -> None:
    if headers.get(b"transfer-encoding", b"").lower() == b"chunked":
        size = -1
        while size:
            line = await source.receive_until(b"\r\n", _HEAD_BYTES)
            size = int(line.partition(b";")[0], 16)
            await gateway.send(line + b"\r\n" + await source.receive_exactly(size + 2))
        return
    left = int(headers.get(b"content-length", b"0"))
    while left:
        piece = await source.receive(min(left, _PIECE_BYTES))
        left -= len(piece)
        await gateway.send(piece)
