"""`tally gateway`: one audit writer, several workers behind one address, and a parent that keeps them running.

The parent serves nothing and holds no key. It ends everything in order, workers before the writer; should it be killed,
its children see that their standard input has ended, and end in the same order.
"""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager, suppress
from subprocess import PIPE
from typing import Final, TypeGuard

import anyio
from anyio.abc import Process

from tallystick.audit import Unwritable
from tallystick.audit.client import start_writer
from tallystick.settings import Settings
from tallystick.terms import TallyError
from tallystick.wiring.compose import clock, origin_host
from tallystick.wiring.configure import PEOPLE, Places, check, read, settings_of
from tallystick.wiring.followers.keep import keep_following
from tallystick.wiring.serve import STOP_S, bind, serve, settle_memory, url_of
from tallystick.wiring.worker import Worker, writer_flags, writer_socket

READY: Final = b"ready\n"
FIRST_PAUSE_S: Final = 0.1
LONGEST_PAUSE_S: Final = 30.0
"""Before a process is started again: at once for one that had an accident, seldom for one that cannot run."""
STEADY_S: Final = 60.0
"""A process that ran as long as this had an accident, whatever happened before."""
START_S: Final = 60.0
"""Seconds that a worker gets to listen: compiling a large configuration takes some of them."""

Say = Callable[[str], None]


async def supervise(places: Places, count: int, say: Say) -> None:
    """Run a writer and `count` workers until cancelled; `say` is told each event in one line.

    Raises `TallyError` when the configuration is wrong, or when the writer or a worker cannot start.
    """
    settings = settings_of(read(places.config))
    check(places.config)
    with _reserved(settings) as (port, url):
        try:
            async with _writing(places, url, settings, say), anyio.create_task_group() as running:
                crew = [_Keeper(places, Worker(index, count), port, say) for index in range(count)]
                # The first one brings in the directory: none of the others is to serve what was in force before it.
                for begun in (crew[:1], crew[1:]):
                    for keeper in begun:
                        running.start_soon(keeper.keep)
                    for keeper in begun:
                        await keeper.listening.wait()
                say(f"Tallystick listens at {url} with {count} workers")
                running.start_soon(keep_following, places.config, places.state, say)
                if (places.config / PEOPLE).exists():
                    say(f"DEVELOPMENT ISSUER: anybody on this machine can sign in as anybody in {PEOPLE}.")
        except BaseExceptionGroup as errors:
            raise _first(errors) from None


async def work(places: Places, index: int, of: int, port: int) -> None:
    """Be a worker: serve until interrupted, or until standard input ends, which tells that the parent has gone."""
    async with serve(places, Worker(index, of), port) as served:
        settle_memory()
        sys.stdout.buffer.write(READY)
        sys.stdout.buffer.flush()
        async with anyio.create_task_group() as waiting:

            async def watch() -> None:
                while await _read_input():
                    pass
                waiting.cancel_scope.cancel()

            waiting.start_soon(watch)
            await served.ended.wait()
            waiting.cancel_scope.cancel()


async def _read_input() -> bytes:
    await anyio.wait_readable(sys.stdin)
    return os.read(sys.stdin.fileno(), 64)


@contextmanager
def _reserved(settings: Settings) -> Generator[tuple[int, str]]:
    """Hold the address, so that nobody but the workers of this process's user can take it; give port and public URL."""
    host, port = settings.gateway.listen_host, settings.gateway.listen_port
    # A second gateway could share the port without either noticing; a plain listener cannot be opened beside it.
    bind(host, port).close()
    # Bound and not listening: it reserves the port, and no connection ever waits here.
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as held:
        for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
            held.setsockopt(socket.SOL_SOCKET, option, 1)
        held.bind((host, port))
        url = settings.gateway.public_url if port else url_of(host, held)
        yield int(held.getsockname()[1]), url


class _Pause:
    """Back-off between starts of one process."""

    def __init__(self) -> None:
        self._next = FIRST_PAUSE_S
        self._started = clock()

    def started(self) -> None:
        """Note a start."""
        self._started = clock()

    def take(self) -> float:
        """Return how long to wait before the next start."""
        if clock() - self._started > STEADY_S:
            self._next = FIRST_PAUSE_S
        pause, self._next = self._next, min(LONGEST_PAUSE_S, self._next * 2)
        return pause


@asynccontextmanager
async def _writing(places: Places, url: str, settings: Settings, say: Say) -> AsyncGenerator[None]:
    """Keep an audit writer running; the first one must start."""
    begun = anyio.Event()

    async def keep() -> None:
        pause = _Pause()
        while True:
            pause.started()
            try:
                async with start_writer(
                    places.state,
                    origin_host(settings, url),
                    initialize=True,
                    listen=writer_socket(places.state),
                    further=writer_flags(settings.audit),
                ) as control:
                    say("the audit writer runs")
                    begun.set()
                    await asyncio.wait([control.closed])
            except Unwritable as failure:
                if not begun.is_set():
                    raise
                say(f"the audit writer cannot start: {failure.message}")
            wait = pause.take()
            say(f"the audit writer has gone, calls are refused; it is started again in {wait:g} s")
            await anyio.sleep(wait)

    async with anyio.create_task_group() as group:
        group.start_soon(keep)
        await begun.wait()
        try:
            yield
        finally:
            group.cancel_scope.cancel()


class _Keeper:
    """Keeps one worker running; the first start must succeed."""

    def __init__(self, places: Places, worker: Worker, port: int, say: Say) -> None:
        self._places = places
        self._worker = worker
        self._port = port
        self._say = say
        self.listening = anyio.Event()

    async def keep(self) -> None:
        """Run the worker again and again until cancelled; raises `TallyError` when it cannot start at first."""
        index, pause = self._worker.index, _Pause()
        while True:
            pause.started()
            ended = await self._run()
            if not self.listening.is_set():
                message = f"worker {index} cannot start ({ended}); its own message is above"
                raise TallyError(code="unavailable", message=message)
            wait = pause.take()
            self._say(f"worker {index} has gone ({ended}); it is started again in {wait:g} s")
            await anyio.sleep(wait)

    async def _run(self) -> str:
        """Run the process to its end and return how it ended."""
        process = await anyio.open_process(
            self._command(), stdin=PIPE, stdout=PIPE, stderr=None, start_new_session=True
        )
        try:
            with anyio.move_on_after(START_S) as patience:
                await self._hear(process)
            if patience.cancelled_caught:
                process.kill()
            code = await process.wait()
        finally:
            await _end(process)
        return f"signal {-code}" if code < 0 else f"exit code {code}"

    async def _hear(self, process: Process) -> None:
        """Wait until the worker says that it listens."""
        heard = b""
        with suppress(anyio.EndOfStream):
            while process.stdout is not None and READY not in heard:
                heard += await process.stdout.receive()
            self._say(f"worker {self._worker.index} listens (process {process.pid})")
            self.listening.set()

    def _command(self) -> list[str]:
        places, worker = self._places, self._worker
        words = ["--config", str(places.config), "--state", str(places.state), "--port", str(self._port)]
        ours = ["--index", str(worker.index), "--of", str(worker.of)]
        return [sys.executable, "-m", "tallystick.cli", "gateway-worker", *words, *ours]


async def _end(process: Process) -> None:
    """Ask a process to end, wait, and kill one that does not."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            with anyio.move_on_after(STOP_S + 5):
                await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()


def _first(error: BaseException) -> BaseException:
    while _is_group(error):
        error = error.exceptions[0]
    return error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)
