"""One server process: lines in, lines out, and a certain end."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from tallystick.runtime.model import Capped
from tallystick.terms import Reason, Refusal, TallyError

Line = bytes

GRACE_S: Final = 2.0
"""Seconds between the polite signal and the certain one."""

_LAUNCHER: Final = str(Path(__file__).with_name("launch.py"))


class ServerProcess:
    """A running server. Close it by leaving the `start` context that gave it."""

    def __init__(self, process: Process, line_bytes: int) -> None:
        """Wrap a process whose standard streams are pipes."""
        self._process = process
        self._line_bytes = line_bytes

    @property
    def pid(self) -> int:
        """The process id, also the id of its process group."""
        return self._process.pid

    async def send(self, line: Line) -> None:
        """Write one message; raises `TallyError` ("upstream") when the process is gone."""
        stdin = self._process.stdin
        if stdin is None:
            raise TallyError("internal", "the server process has no standard input")
        try:
            await stdin.send(line + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            raise TallyError("upstream", "the server process has closed its input") from error

    async def lines(self) -> AsyncIterator[Line | Refusal]:
        """Yield each line that the process writes, until it ends. A line over the cap ends the stream with a refusal."""
        stdout = self._process.stdout
        if stdout is None:
            return
        rest = bytearray()
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            while True:
                rest += await stdout.receive(1 << 16)
                *whole, tail = bytes(rest).split(b"\n") if b"\n" in rest[-(1 << 16) :] else (bytes(rest),)
                for line in whole:
                    if line.strip():
                        yield line
                rest = bytearray(tail)
                if len(rest) > self._line_bytes:
                    yield Refusal(
                        "upstream",
                        (Reason.UPSTREAM_TOO_LARGE,),
                        "The server's answer is larger than this server's limit. Ask for less, or have the limit raised.",
                    )
                    return

    async def reap(self) -> None:
        """End the process and its whole group; what does not end politely is killed."""
        with anyio.CancelScope(shield=True):
            self._signal(signal.SIGTERM)
            with anyio.move_on_after(GRACE_S):
                await self._process.wait()
            # The group, because a server may have started others; killing an ended group is harmless.
            self._signal(signal.SIGKILL)
            await self._process.wait()
            await self._process.aclose()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def start(capped: Capped) -> AsyncGenerator[ServerProcess]:
    """Start the command under its limits in a process group of its own; at exit the whole group is gone.

    Raises `TallyError` ("unavailable") when not even the launcher starts. A command that cannot start ends its output at once.
    """
    command = [sys.executable, "-I", _LAUNCHER, str(capped.memory_bytes), str(capped.open_files), *capped.command]
    try:
        process = await anyio.open_process(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None,
            cwd=capped.directory,
            env=dict(capped.environment),
            start_new_session=True,
        )
    except OSError as error:
        raise TallyError("unavailable", f"cannot start {capped.command[0]}: {error.strerror}") from error
    server = ServerProcess(process, capped.line_bytes)
    try:
        yield server
    finally:
        await server.reap()
