"""HTTP written to the byte, for requests that no client library sends."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import msgspec
from anyio.abc import SocketStream

from tests.interaction.waiting import BOUND_S

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP response; `status` is 0 where the connection ended without one."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Json:
        """Return the body as a JSON object."""
        return msgspec.json.decode(self.body, type=Json)

    @property
    def reasons(self) -> list[str]:
        """The reason codes of a refusal."""
        error = msgspec.convert(self.json()["error"], Json)
        return msgspec.convert(msgspec.convert(error["data"], Json)["tallystick.dev/reasons"], list[str])


class Line:
    """One connection."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._rest = b""

    async def write(self, text: bytes) -> None:
        """Send bytes; a peer that has closed does not matter."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            await self._stream.send(text)

    async def reply(self) -> Reply:
        """Read one response."""
        while b"\r\n\r\n" not in self._rest:
            if not await self._more():
                return Reply(0, {}, self._rest)
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._rest) < length and await self._more():
            pass
        body, self._rest = self._rest[:length], self._rest[length:]
        return Reply(int(first.split()[1]), headers, body)

    async def ended(self) -> bytes:
        """Read until the peer closes; return what else came."""
        while await self._more():
            pass
        return self._rest

    async def _more(self) -> bool:
        try:
            with anyio.fail_after(BOUND_S):
                self._rest += await self._stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return False
        return True


@asynccontextmanager
async def line(url: str) -> AsyncGenerator[Line]:
    """Connect to the listener of a URL such as `http://127.0.0.1:8080`."""
    host, _, port = url.removeprefix("http://").partition(":")
    async with await anyio.connect_tcp(host, int(port)) as stream:
        yield Line(stream)


async def send(url: str, *texts: bytes) -> Reply:
    """Send texts on a connection of its own and return the first response."""
    async with line(url) as connection:
        for text in texts:
            await connection.write(text)
        return await connection.reply()


def post(path: str, headers: Mapping[str, str | None], body: bytes) -> bytes:
    """Return the bytes of a POST; a header that is None is left out, `content-length` included."""
    given = {"content-length": str(len(body)), **headers}
    lines = [f"{name}: {value}" for name, value in given.items() if value is not None]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body
