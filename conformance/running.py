"""The processes of a run: the fixture, and a gateway with its pin, its token and the shim in front of it."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from anyio.from_thread import start_blocking_portal

from conformance import configuration
from conformance.configuration import Upstream
from conformance.shim import shimmed
from conformance.suite import ROOT

_START_S: Final = 30.0
_STOP_S: Final = 10.0
_COMMAND_S: Final = 60.0


@contextmanager
def fixture(folder: Path, era: str | None = None) -> Generator[str]:
    """Run the fixture server, of both eras or of one; yields its URL."""
    port = _free_port()
    words = ["--era", era] if era else []
    command = [sys.executable, "-m", "conformance.fixture", "--port", str(port), *words]
    with _running(command, port, folder / "fixture.log"):
        yield f"http://127.0.0.1:{port}/mcp"


@contextmanager
def piped(era: str, folder: Path) -> Generator[Upstream]:
    """Yield the command of a fixture of one era over stdio, which the gateway starts itself, so that it has no log."""
    del folder
    yield [sys.executable, "-m", "conformance.fixture", "--stdio", "--era", era]


@contextmanager
def gateway(folder: Path, upstream: Upstream) -> Generator[tuple[str, str]]:
    """Run a gateway in front of a server; yields the URL of its route and a token for it."""
    port, config, state = _free_port(), folder / "config", folder / "state"
    configuration.write(config, port, upstream, ROOT)
    places = ["--config", str(config), "--state", str(state)]
    tally(["pin", "--config", str(config)])
    with _running([_program(), "up", *places], port, folder / "gateway.log"):
        token = tally(["token", *places, "--as", configuration.AGENT]).strip()
        yield f"http://127.0.0.1:{port}/servers/{configuration.SERVER}/mcp", token


@contextmanager
def open_gateway(folder: Path, upstream: Upstream) -> Generator[str]:
    """Run a gateway with the shim in front of it; yields the URL of its route, which needs no token."""
    with ExitStack() as stack:
        url, token = stack.enter_context(gateway(folder, upstream))
        port = int(url.split(":")[2].partition("/")[0])
        portal = stack.enter_context(start_blocking_portal())
        shim = stack.enter_context(portal.wrap_async_context_manager(shimmed(port, token)))
        yield url.replace(f":{port}/", f":{shim}/")


def tally(words: Sequence[str]) -> str:
    """Run a command of ours. Raises RuntimeError with its last words."""
    done = subprocess.run([_program(), *words], capture_output=True, text=True, timeout=_COMMAND_S, check=False)
    if done.returncode:
        message = f"tally {words[0]}: {done.stderr[-2000:]}"
        raise RuntimeError(message)
    return done.stdout


def _program() -> str:
    return str(Path(sys.executable).with_name("tally"))


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Generator[None]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("wb") as written,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=written, stderr=written, cwd=ROOT) as process,
    ):
        try:
            _await_answer(process, port, log)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _START_S
    while time.monotonic() < end and process.poll() is None:
        # A listener may be open before anybody accepts: only an answer counts.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_START_S)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    message = f"{command_of(process)} does not answer: {log.read_text(errors='replace')[-2000:]}"
    raise RuntimeError(message)


def command_of(process: subprocess.Popen[bytes]) -> str:
    """Return what was started, for a message."""
    return str(process.args)
