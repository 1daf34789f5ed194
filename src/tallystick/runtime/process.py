"""One server process: lines in, lines out, and a certain end."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
from anyio.abc import Process

from tallystick.runtime.model import Capped
from tallystick.terms import Reason, Refusal, TallyError

Line = bytes

GRACE_S: Final = 1.0
"""Seconds that a process has to end after its input has, and again after the polite signal."""

_READ_BYTES: Final = 1 << 16
_BEGINNING_BYTES: Final = 200

_LAUNCHER: Final = str(Path(__file__).with_name("launch.py"))


_TOO_LARGE: Final = Refusal(
    "upstream",
    (Reason.UPSTREAM_TOO_LARGE,),
    "The server's answer is larger than this server's limit. Ask for less, or have the limit raised.",
)


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
        """Write one message, whole or not at all; waits while the process does not read.

        A cancelled wait takes nothing back: the line is on its way. Raises `TallyError` ("upstream") when the process
        is gone.
        """
        stdin = self._process.stdin
        if stdin is None:
            raise TallyError(code="internal", message="the server process has no standard input")
        try:
            await stdin.send(line + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, RuntimeError) as error:
            raise TallyError(code="upstream", message="the server process has closed its input") from error

    async def lines(self) -> AsyncGenerator[Line | Refusal]:
        """Yield each whole line that the process writes, until it ends.

        A line over the cap is left out: in its place comes a refusal, at once, whose `detail` is how the line begins.
        """
        stdout = self._process.stdout
        if stdout is None:
            return
        reading = _Reading(self._line_bytes)
        with suppress(anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            while True:
                first, *rest = (await stdout.receive(_READ_BYTES)).split(b"\n")
                cut = reading.add(first)
                if cut is not None:
                    yield cut
                for following in rest:
                    line = reading.end()
                    if line.strip():
                        yield line
                    cut = reading.add(following)
                    if cut is not None:
                        yield cut

    async def reap(self) -> None:
        """End the process and its whole group: its input ends, then SIGTERM, then SIGKILL (2025-11-25, lifecycle)."""
        with anyio.CancelScope(shield=True):
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            if not await self._ends():
                self._signal(signal.SIGTERM)
                await self._ends()
            # The group, because a server may have started others; killing an ended group is harmless.
            self._signal(signal.SIGKILL)
            await self._process.wait()
            await self._process.aclose()

    async def _ends(self) -> bool:
        with anyio.move_on_after(GRACE_S):
            await self._process.wait()
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class _Reading:
    """A line that has not ended: its pieces, or nothing once it is over the cap."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._pieces: list[bytes] = []
        self._length = 0

    def add(self, piece: bytes) -> Refusal | None:
        """Take a piece; the refusal comes with the piece that is too much, once."""
        fitted = self._length <= self._most
        self._length += len(piece)
        if self._length <= self._most:
            self._pieces.append(piece)
            return None
        # INVARIANT: what is over the cap is not kept, however long the line goes on.
        beginning = b"".join([*self._pieces, piece])[:_BEGINNING_BYTES] if fitted else b""
        self._pieces.clear()
        code, reasons, text = _TOO_LARGE.code, _TOO_LARGE.reasons, _TOO_LARGE.public_text
        return Refusal(code, reasons, text, beginning.decode("latin-1")) if fitted else None

    def end(self) -> Line:
        """Return the line, empty if it was left out, and begin the next."""
        line = b"".join(self._pieces)
        self._pieces.clear()
        self._length = 0
        return line


@asynccontextmanager
async def start(capped: Capped) -> AsyncGenerator[ServerProcess]:
    """Start the command under its limits in a process group of its own; at exit the whole group is gone.

    Raises `TallyError` ("unavailable") when not even the launcher starts, for example in a directory that is not there.
    A command that cannot start says so on standard error and ends its output at once.
    """
    limits = (os.getpid(), capped.memory_bytes, capped.open_files)
    command = [sys.executable, "-I", _LAUNCHER, *map(str, limits), *capped.command]
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
        message = f"cannot start {capped.command[0]}: {error.strerror}"
        raise TallyError(code="unavailable", message=message) from error
    server = ServerProcess(process, capped.line_bytes)
    try:
        yield server
    finally:
        await server.reap()
