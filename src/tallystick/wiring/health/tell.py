"""The one background task that tells how this worker's servers are. A call never waits for it."""

import json
import logging
import os
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from tallystick.gateway.bridge import Bridge
from tallystick.terms import ServerId
from tallystick.wiring.compose import Gateway, clock
from tallystick.wiring.health.model import ServerHealth, WorkerHealth, health_file, health_files

EVERY_S: Final = 1.0
"""Seconds between two looks; what has changed is told then."""

BEAT_S: Final = 10.0
"""Seconds after which it is told although nothing has changed: a sign of life."""

DETAIL: Final = 500
"""Letters of a failure that are told."""

_log: Final = logging.getLogger(__name__)


async def tell_health(gateway: Gateway, state: Path) -> None:
    """Tell how the servers are, until cancelled; then nothing is left."""
    file = health_file(state, gateway.worker.index)
    told: tuple[ServerHealth, ...] | None = None
    told_at, faults = 0.0, 0
    _clear(state, gateway.worker.of)
    try:
        while True:
            now, seen = anyio.current_time(), _look(gateway)
            if told is None or now - told_at >= BEAT_S or _steady(seen) != _steady(told):
                # In a thread: a disk that hangs must not keep anybody's call.
                fault = await anyio.to_thread.run_sync(_write, file, gateway.worker.index, seen)
                told, told_at, faults = seen, now, faults + 1 if fault else 0
                if faults == 1:
                    _log.warning("the health of servers cannot be told in %s: %s", file, fault)
            await anyio.sleep(EVERY_S)
    finally:
        with suppress(OSError):
            file.unlink()


def _look(gateway: Gateway) -> tuple[ServerHealth, ...]:
    return tuple([_seen(gateway, name, bridge) for name, bridge in gateway.upstreams.items()])


def _seen(gateway: Gateway, name: ServerId, bridge: Bridge) -> ServerHealth:
    health, now = bridge.health, clock()
    why = health.why
    return ServerHealth(
        name,
        health.circuit,
        now - health.lasting_s,
        health.failures,
        "" if why is None else why.reasons[0].value,
        "" if why is None else (why.detail or why.public_text)[:DETAIL],
        None if health.circuit == "closed" else now + health.wait_s,
        health.eras,
        gateway.rooms.bulkhead.at(name),
    )


def _steady(seen: tuple[ServerHealth, ...]) -> tuple[ServerHealth, ...]:
    """Leave out the times: two clocks never differ by exactly the same."""
    return tuple([replace(server, since=0.0, again_at=None) for server in seen])


def _write(file: Path, index: int, seen: tuple[ServerHealth, ...]) -> str:
    """Replace the file as a whole; return why that failed, if it did."""
    said = {"v": 1, **asdict(WorkerHealth(index, os.getpid(), clock(), seen))}
    new = file.with_suffix(".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        # INVARIANT: a reader sees the old text or the new one, and nobody but this user sees either.
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            json.dump(said, out)
        new.replace(file)
    except OSError as error:
        return str(error)
    return ""


def _clear(state: Path, workers: int) -> None:
    """Remove what workers left behind that were killed, and that nobody takes the place of."""
    kept = {health_file(state, index) for index in range(workers)}
    for file in health_files(state):
        if file not in kept:
            with suppress(OSError):
                file.unlink()
