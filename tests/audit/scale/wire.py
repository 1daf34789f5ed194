"""A wire between a writer and a server, which cuts a connection at the worst moment, once.

`before` cuts when the request that matters arrives: it was not carried out. `after` passes it on and cuts when its
answer arrives: it was carried out, and nobody was told. `busy` answers 503 (HTTP) instead.
"""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from selectors import EVENT_READ, DefaultSelector
from typing import Literal

_CHUNK = 1 << 20
_BUSY = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 82\r\nConnection: close\r\n\r\n"
    b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>later</Message></Error>\n"
)
How = Literal["before", "after", "busy"]


class Wire:
    """Listens on `port` and passes everything on to `target`, in both directions."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._arm: tuple[How, bytes] | None = None
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self._closing = False
        self.cuts = 0

    def cut(self, how: How, what: bytes) -> None:
        """Cut once, at the next request that contains these bytes."""
        self._arm = (how, what)

    def close(self) -> None:
        """Stop listening and end what is open."""
        self._closing = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._pass_on, args=(client,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            selector = DefaultSelector()
            selector.register(client, EVENT_READ, server)
            selector.register(server, EVENT_READ, client)
            doomed = False
            with selector:
                while not self._closing:
                    for key, _ in selector.select(0.2):
                        source, sink = (client, server) if key.data is server else (server, client)
                        chunk = source.recv(_CHUNK)
                        if not chunk:
                            return
                        if source is client:
                            how = self._met(chunk)
                            doomed = doomed or how == "after"
                            if how == "busy":
                                client.sendall(_BUSY)
                                # What is still to come of the request is taken in, or the answer would be lost.
                                client.settimeout(0.2)
                                while client.recv(_CHUNK):
                                    continue
                            if how in {"before", "busy"}:
                                return
                        elif doomed and not chunk.startswith(b"HTTP/1.1 100"):
                            return
                        sink.sendall(chunk)

    def _met(self, chunk: bytes) -> How | None:
        arm = self._arm
        if arm is None or arm[1] not in chunk:
            return None
        self._arm = None
        self.cuts += 1
        return arm[0]


@contextmanager
def wire(target: int) -> Generator[Wire]:
    """A wire to a port of this machine."""
    one = Wire(target)
    try:
        yield one
    finally:
        one.close()
