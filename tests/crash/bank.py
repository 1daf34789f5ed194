"""What a crash test runs: counting server and issuer in this process, `tally up` as a process, callers with tokens."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
from anyio.abc import Process

from tallystick.wiring import pin
from tallystick.wiring.compose import clock
from tests.crash.counting import Counting
from tests.crash.load import Caller
from tests.identity.remote_issuer import RemoteIssuer
from tests.interaction.configuration import http, write_server
from tests.interaction.processes import children, is_alive, kill, writers_of
from tests.interaction.waiting import BOUND_S, until
from tests.interaction.world import listening

TALLY = Path(sys.executable).with_name("tally")
CALLERS = 16
_POLICIES = """
@id("callers-count")
permit (principal in Group::"callers", action in [Action::"counting/count", Action::"connect"], resource);
"""


@dataclass(slots=True)
class Bank:
    """One installation and its life. `gateway` is the process that runs now; with `workers`, the parent of so many."""

    folder: Path
    port: int
    counting: Counting
    callers: list[Caller] = field(default_factory=list[Caller])
    gateway: Process | None = None
    writer: int = 0
    workers: int = 0
    said: bytes = b""

    @property
    def state(self) -> Path:
        """The state directory."""
        return self.folder / "state"

    @property
    def log(self) -> Path:
        """The directory of the tenant's only log."""
        return next((self.state / "audit" / "bank").iterdir())

    async def start(self) -> None:
        """Start `tally up` on what the last life left, and wait until it listens."""
        verb = ["gateway", "--workers", str(self.workers)] if self.workers else ["up"]
        command = [str(TALLY), *verb, "--config", str(self.folder / "config"), "--state", str(self.state)]
        self.gateway = await anyio.open_process(command, stdout=subprocess.PIPE, stderr=None)
        self.said = b""
        await self.hear(b"listens at")
        (self.writer,) = writers_of(self.gateway.pid)

    async def hear(self, words: bytes) -> None:
        """Wait until the process has said these words on its standard output; what follows them is heard next."""
        assert self.gateway is not None
        assert self.gateway.stdout is not None
        with anyio.fail_after(BOUND_S):
            while words not in self.said:
                self.said += await self.gateway.stdout.receive()
        self.said = self.said.partition(words)[2]

    def kill(self, victim: str) -> None:
        """Kill `gateway`, `writer`, `both` or one `worker` at once, without asking; the rest of a worker is asked."""
        assert self.gateway is not None
        if victim == "worker":
            kill(next(pid for pid in children(self.gateway.pid) if pid != self.writer))
            os.kill(self.gateway.pid, signal.SIGTERM)
        if victim in ("writer", "both"):
            kill(self.writer)
        if victim in ("gateway", "both"):
            kill(self.gateway.pid)

    async def bury(self) -> None:
        """Wait until nothing of the last life runs; a gateway that only lost its writer is asked to end."""
        gateway = self.gateway
        assert gateway is not None
        # Not `terminate()`: it looks whether the process has ended, and would take the end from whoever waits for it.
        with suppress(ProcessLookupError):
            os.kill(gateway.pid, signal.SIGTERM)
        with anyio.fail_after(BOUND_S):
            await gateway.wait()
        await gateway.aclose()
        self.gateway = None
        # A writer whose gateway was killed commits what it had received, and ends.
        await until(lambda: not is_alive(self.writer))


@asynccontextmanager
async def founded(folder: Path) -> AsyncGenerator[Bank]:
    """Set up an installation; at exit nothing of it runs."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        counting = Counting(RemoteIssuer(f"{origin}/issuer"), origin)
        bank = Bank(folder, _free_port(), counting)
        bank.callers = [_caller(bank, f"caller-{number:02}") for number in range(CALLERS)]
        async with listening(counting, listener):
            await _configure(bank, origin)
            try:
                yield bank
            finally:
                counting.gate.set()
                if bank.gateway is not None:
                    bank.kill("both")
                    with anyio.CancelScope(shield=True):
                        await bank.bury()


def _caller(bank: Bank, subject: str) -> Caller:
    now, url = int(clock()), f"http://127.0.0.1:{bank.port}"
    claims = {"sub": subject, "aud": url, "groups": ["callers"], "iat": now - 5, "exp": now + 86_400}
    return Caller(subject, bank.counting.issuer.token_of(claims), bank.port, lambda: None)


def _free_port() -> int:
    # The URL is the tokens' audience and has to stay the same from life to life.
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        return int(probe.getsockname()[1])


async def _configure(bank: Bank, origin: str) -> None:
    files = {
        "tally.yaml": f"gateway: {{listen_port: {bank.port}}}\nconsole: {{enabled: false}}\n",
        "tenants/bank.yaml": "title: Bank\n",
        "issuers/test.yaml": f"issuer: {origin}/issuer\ntenant: bank\nallow_special_addresses: true\n",
        "policies/bank.cedar": _POLICIES,
    }
    for name, text in files.items():
        file = bank.folder / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    rest = 'limits: {timeout_s: 60, in_flight: 64}\ntools: {"*": {operation: read, risk: low}}\n'
    write_server(bank.folder / "config", "counting", http(f"{origin}/counting/mcp"), rest)
    async for _ in pin(bank.folder / "config", ()):
        pass
