"""What holds for every test: nothing leaves this machine, and async tests run on asyncio."""

import ipaddress
import sys

import pytest


def _is_far(address: object) -> bool:
    """Whether a socket address names another machine; a unix socket and a loopback address do not."""
    if not isinstance(address, tuple):
        return False
    host = str(next(iter(address), ""))  # pyright: ignore[reportUnknownArgumentType] - made of str and int by the socket module
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host != "localhost"


def _refuse_far_connections(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.connect" and _is_far(arguments[1]):
        message = f"a test tried to connect to {arguments[1]!r}: tests never leave this machine"
        raise AssertionError(message)


sys.addaudithook(_refuse_far_connections)


@pytest.fixture
def anyio_backend() -> str:
    """Run `@pytest.mark.anyio` tests on asyncio, the only loop that Tallystick runs on."""
    return "asyncio"
