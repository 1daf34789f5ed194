"""Concurrent callers over bare connections: each sends one call after the other and keeps what it was told of each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.interaction.stage import envelope, modern

Told = Literal["nothing", "done", "denied", "not made", "made but unrecorded"]
"""What a caller knows of a call: `nothing` when the connection was lost."""


@dataclass(slots=True)
class Asked:
    """One call. `index` is the leaf that its refusal quoted."""

    number: int
    tool: str
    told: Told = "nothing"
    index: int | None = None


@dataclass(slots=True)
class Caller:
    """One subject with a token.

    `asked` is every call that it ever sent, in order; `answered` is told at once of each answer.
    """

    subject: str
    token: str
    port: int
    answered: Callable[[], None]
    asked: list[Asked] = field(default_factory=list[Asked])

    async def run(self) -> None:
        """Call until the gateway is gone or cannot record."""
        try:
            async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
                reader = BufferedByteReceiveStream(stream)
                told: Told = "done"
                while told in ("done", "denied"):
                    number = len(self.asked)
                    asked = Asked(number, "forbidden" if number % 3 == 2 else "count")
                    self.asked.append(asked)
                    await stream.send(self._request(asked))
                    asked.told, asked.index = _read(await _body(reader))
                    told = asked.told
                    self.answered()
        except (OSError, anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            return

    def _request(self, asked: Asked) -> bytes:
        params = {"name": asked.tool, "arguments": {"number": asked.number, "who": self.subject}}
        body = modern("tools/call", params)
        headers = {**envelope("tools/call", params), "authorization": f"Bearer {self.token}"}
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = [
            "POST /servers/counting/mcp HTTP/1.1",
            f"host: 127.0.0.1:{self.port}",
            *lines,
            f"content-length: {len(body)}",
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


async def _body(reader: BufferedByteReceiveStream) -> bytes:
    head = await reader.receive_until(b"\r\n\r\n", 65_536)
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return await reader.receive_exactly(int(lengths[0]))


def _read(body: bytes) -> tuple[Told, int | None]:
    answer = msgspec.json.decode(body, type=dict[str, object])
    if "result" in answer:
        return "done", None
    error = msgspec.convert(answer["error"], dict[str, object])
    facts = msgspec.convert(error["data"], dict[str, object])
    index = facts.get("tallystick.dev/record")
    if facts["tallystick.dev/reasons"] != ["record_unwritable"]:
        # A refusal whose record could not be written tells no index; nothing was done, so nothing is lost.
        return ("denied", int(str(index))) if index is not None else ("not made", None)
    return ("made but unrecorded" if "was made" in str(error["message"]) else "not made"), None
