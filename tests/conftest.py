"""What holds for every test: nothing leaves this machine, async tests run on asyncio, crash tests know their rounds."""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let continuous integration run the crash lane with few rounds."""
    parser.addoption("--crash-rounds", type=int, default=100, help="how often each crash test kills and recovers")


@pytest.fixture
def crash_rounds(request: pytest.FixtureRequest) -> int:
    """How often a crash test kills and recovers."""
    rounds: object = request.config.getoption("--crash-rounds")
    assert isinstance(rounds, int)
    return rounds


@pytest.fixture
def anyio_backend() -> str:
    """Run `@pytest.mark.anyio` tests on asyncio, the only loop that Tallystick runs on."""
    return "asyncio"
