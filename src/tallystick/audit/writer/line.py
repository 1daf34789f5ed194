"""A blocking client of the writer: for its own threads and for commands, which do one thing after the other."""

import socket
from collections.abc import Mapping
from itertools import count
from typing import Final, Literal, get_args

import msgspec

from tallystick.audit.desk import Fields
from tallystick.audit.model import Unwritable
from tallystick.audit.tlog.tiles import pack
from tallystick.audit.writer.frames import (
    ACKNOWLEDGED,
    FATAL,
    LEAVES,
    PROTOCOL,
    READY,
    REFUSED,
    TOLD,
    answers,
    framed,
    order_frame,
    place_of,
)
from tallystick.terms import TallyError, TenantId

_CHUNK: Final = 1 << 16
_Code = Literal["invalid", "denied", "not_found", "conflict", "limited", "unavailable", "internal"]
"""What an order may fail with."""
_CODES: Final[dict[str, _Code]] = {code: code for code in get_args(_Code)}
_ANSWER: Final = msgspec.json.Decoder(dict[str, object])


class Line:
    """One stream to the writer, for one thread."""

    def __init__(self, stream: socket.socket) -> None:
        self._stream = stream
        self._rest = b""
        self._arrived: list[tuple[int, int, int, bytes]] = []
        self._numbers = count(1)

    def greet(self) -> None:
        """Wait for the writer's greeting; raises Unwritable."""
        _, version, _ = self._wait(READY)
        if version != PROTOCOL:
            message = "the audit writer is of another release; restart all of Tallystick"
            raise Unwritable(message)

    def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Append a leaf and return its index once it is durable; raises Unwritable."""
        self._send(framed(tenant, LEAVES, pack([leaf])))
        number, _, text = self._wait(ACKNOWLEDGED, REFUSED)
        if text:
            raise Unwritable(text.decode())
        return place_of(number)[1]

    def order(self, fields: Fields) -> Fields:
        """Give an order and return the answer; raises TallyError with what the writer said, or Unwritable."""
        wanted = next(self._numbers)
        self._send(order_frame(wanted, fields))
        while True:
            _, number, text = self._wait(TOLD)
            if number == wanted:
                return read_told(text)

    def close(self) -> None:
        """End the stream."""
        self._stream.close()

    def _send(self, content: bytes) -> None:
        try:
            self._stream.sendall(content)
        except OSError as error:
            raise _gone() from error

    def _wait(self, *kinds: int) -> tuple[int, int, bytes]:
        """Number, count and text of the next answer of one of these kinds; others are passed over."""
        while True:
            while self._arrived:
                kind, number, many, text = self._arrived.pop(0)
                if kind == FATAL:
                    raise Unwritable(text.decode())
                if kind in kinds:
                    return number, many, text
            self._receive()

    def _receive(self) -> None:
        try:
            chunk = self._stream.recv(_CHUNK)
        except OSError as error:
            raise _gone() from error
        if not chunk:
            raise _gone()
        stream = self._rest + chunk
        arrived, rest = answers(stream)
        self._arrived += arrived
        self._rest = stream[rest:]


def read_told(text: bytes) -> Mapping[str, object]:
    """Return the answer to an order; raises the TallyError that it tells of."""
    told = _ANSWER.decode(text)
    error = told.get("error")
    if error is None:
        return told
    fields = msgspec.convert(error, dict[str, str])
    raise TallyError(code=_CODES.get(fields.get("code", ""), "internal"), message=fields.get("message", ""))


def _gone() -> Unwritable:
    return Unwritable("the audit writer has gone")
