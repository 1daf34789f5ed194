"""Listening at an address, and what it is called."""

import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tallystick.audit.writer import listen
from tallystick.terms import TallyError


def bind(host: str, port: int, *, shared: bool = False, setting: str = "gateway.listen_port") -> socket.socket:
    """Listen at an address, alone or `shared` with other processes of this user. Raises `TallyError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=2048, reuse_port=shared)
    except OSError as error:
        message = f"cannot listen at {host}:{port}: {error.strerror}. Stop what listens there, or change {setting}."
        raise TallyError(code="unavailable", message=message) from error
    # Connections inherit it. Without it an answer's second half waits up to 40 ms for the acknowledgement of its first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A client that vanished without a word is noticed, however idle its stream.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return listener


def url_of(host: str, listener: socket.socket) -> str:
    """Return the URL of a listener."""
    port = int(listener.getsockname()[1])
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def near(path: Path) -> Generator[socket.socket]:
    """Listen at a socket that only processes of this user reach. Raises `TallyError`."""
    try:
        listener = listen(path)
    except OSError as error:
        message = f"cannot listen at {path}: {error}"
        raise TallyError(code="unavailable", message=message) from error
    with listener:
        yield listener
    path.unlink(missing_ok=True)
