"""The gateway's side: a child process that follows, started when there is a sink and kept running."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import PIPE
from typing import Final

import anyio
from anyio.abc import Process

from tallystick.export import FOLDER

LOOK_S: Final = 1.0
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 30.0
STEADY_S: Final = 60.0
"""A follower that ran as long as this had an accident, whatever happened before."""
END_S: Final = 25.0


async def keep_following(config: Path, state: Path, say: Callable[[str], None]) -> None:
    """Keep a follower running, while the configuration has a folder of sinks, until cancelled."""
    pause = FIRST_PAUSE_S
    while True:
        if not _has_sinks(config):
            await anyio.sleep(LOOK_S)
            continue
        began = anyio.current_time()
        ended = await _run(config, state)
        if anyio.current_time() - began > STEADY_S:
            pause = FIRST_PAUSE_S
        say(f"the follower has gone ({ended}); it is started again in {pause:g} s")
        await anyio.sleep(pause)
        pause = min(LONGEST_PAUSE_S, pause * 2)


def _has_sinks(config: Path) -> bool:
    return any(path.suffix in {".yaml", ".yml", ".toml", ".json"} for path in (config / FOLDER).glob("*"))


async def _run(config: Path, state: Path) -> str:
    """Run the process to its end and return how it ended."""
    command = [sys.executable, "-m", "tallystick.cli", "follow", "--config", str(config), "--state", str(state)]
    # A session of its own: an interrupt at the terminal reaches the gateway alone, which ends its children in order.
    process = await anyio.open_process(
        [*command, "--child"], stdin=PIPE, stdout=None, stderr=None, start_new_session=True
    )
    try:
        code = await process.wait()
    finally:
        await _end(process)
    return f"signal {-code}" if code < 0 else f"exit code {code}"


async def _end(process: Process) -> None:
    """Ask a process to end, wait, and kill one that does not."""
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            with anyio.move_on_after(END_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
        await process.aclose()
