"""Processes beside the driver: started, listened to, ended. Whatever happens to the driver, none is left behind."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, Process, TaskGroup
from anyio.streams.text import TextReceiveStream

from tallystick_demo_bank.demo.model import DemoError, Say
from tallystick_demo_bank.demo.prepare import Installation

START_S = 60
STOP_S = 15
TALLY = (sys.executable, "-m", "tallystick.cli")


class Program:
    """One process. What it prints goes to a file and can be waited for."""

    def __init__(self, name: str, command: Sequence[str], log: Path, group: TaskGroup) -> None:
        self.name = name
        self.lines: list[str] = []
        self._command = command
        self._log = log
        self._group = group
        self._process: Process | None = None
        self._news = anyio.Event()
        self._open = 0

    async def start(self) -> None:
        """Start it; what it printed in an earlier life is forgotten."""
        self.lines = []
        # A session of its own: Ctrl-C is for the driver, which ends the others in their order.
        self._process = process = await anyio.open_process(
            self._command, stdin=subprocess.DEVNULL, start_new_session=True
        )
        self._open = 2
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                self._group.start_soon(self._read, stream)

    async def said(self, text: str, within_s: float = START_S, since: int = 0) -> str:
        """Wait until it has printed a line with `text`, after the first `since` lines; raises DemoError."""
        with anyio.move_on_after(within_s):
            while True:
                for line in self.lines[since:]:
                    if text in line:
                        return line
                if not self._open:
                    break
                await self._news.wait()
        last = "\n".join(f"    {line}" for line in self.lines[-12:])
        message = f"{self.name} did not say {text!r} within {within_s:g} s. Its last words ({self._log}):\n{last}"
        raise DemoError(message)

    async def ended(self) -> int:
        """Wait for its end; return the exit status."""
        return await self._process.wait() if self._process is not None else 0

    async def kill(self) -> None:
        """End it without asking, with all that it started."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end; insist after a while."""
        with anyio.CancelScope(shield=True):
            with anyio.move_on_after(STOP_S):
                await self._end(signal.SIGTERM)
            await self._end(signal.SIGKILL)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
        await self._process.wait()

    async def _read(self, stream: ByteReceiveStream) -> None:
        rest = ""
        with self._log.open("a", encoding="utf-8") as log, suppress(anyio.ClosedResourceError):
            async for text in TextReceiveStream(stream, errors="replace"):
                *whole, rest = (rest + text).split("\n")
                self.lines += whole
                log.write(text)
                log.flush()
                self._tell()
        self._open -= 1
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = anyio.Event()


class Programs:
    """All processes of a demo."""

    def __init__(self, made: Installation, group: TaskGroup) -> None:
        self._group = group
        self._made = made
        self._all: dict[str, Program] = {}

    def __getitem__(self, name: str) -> Program:
        """Return a process that was started."""
        return self._all[name]

    def add(self, name: str, *command: str) -> Program:
        """Return a new process, not yet started."""
        program = self._all[name] = Program(name, command, self._made.logs(name), self._group)
        return program

    async def start_bank(self) -> None:
        """Start the bank's servers side by side and wait until they listen."""
        ports = self._made.ports
        for name, port in (("core_banking", ports.core_banking), ("risk_database", ports.risk_database)):
            database = str(self._made.database(name))
            module = f"tallystick_demo_bank.{name}"
            await self.add(name, sys.executable, "-m", module, "--port", str(port), "--db", database).start()
        for name in ("core_banking", "risk_database"):
            await listening(self._all[name])

    async def start_gateway(self) -> Program:
        """Start `tally up` and wait until it listens."""
        places = ("--config", str(self._made.config), "--state", str(self._made.state))
        gateway = self.add("gateway", *TALLY, "up", *places)
        await gateway.start()
        await gateway.said("Tallystick listens at")
        return gateway

    async def stop(self) -> None:
        """End all, the youngest first."""
        for program in reversed(self._all.values()):
            await program.stop()


@asynccontextmanager
async def programs(made: Installation) -> AsyncGenerator[Programs]:
    """Hold the processes of a demo; at exit all have ended."""
    async with anyio.create_task_group() as group:
        held = Programs(made, group)
        try:
            yield held
        finally:
            await held.stop()
            group.cancel_scope.cancel()


async def listening(server: Program) -> None:
    """Wait until a server of the bank says where it listens."""
    json.loads(await server.said('{"url"'))


async def keep_running(server: Program, say: Say) -> None:
    """Start a server again whenever it ends."""
    while True:
        status = await server.ended()
        say(f"{server.name} ended with status {status} and is started again")
        await anyio.sleep(1)
        await server.start()
        await listening(server)


async def tally(*arguments: str, made: Installation | None = None) -> tuple[int, str]:
    """Run a `tally` command to its end, in the places of an installation; return its status and what it printed."""
    places = () if made is None else ("env", f"TALLY_CONFIG={made.config}", f"TALLY_STATE={made.state}")
    done = await anyio.run_process([*places, *TALLY, *arguments], check=False, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode(errors="replace")


async def pin(made: Installation, say: Say) -> None:
    """Pin every server: what it says it is now is what will be served."""
    say("pinning: each server is asked once what it is and which tools it has")
    log = made.logs("pin")
    command = [*TALLY, "pin", "--config", str(made.config)]
    with log.open("wb") as errors:
        async with await anyio.open_process(command, stdin=subprocess.DEVNULL, stderr=errors) as process:
            if process.stdout is not None:
                async for text in TextReceiveStream(process.stdout):
                    for line in text.splitlines():
                        say(f"  {line.split(' -> ')[0]}")
    if process.returncode != 0:
        last = "\n".join(log.read_text("utf-8", "replace").splitlines()[-5:])
        message = f"`tally pin` failed (all of it: {log}):\n{last}"
        raise DemoError(message)
