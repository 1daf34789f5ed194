"""Control state of one process, from its place to the loops that keep it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from tallystick.control import Control, Relay, found_by, lifecycle, open_control
from tallystick.control.webhooks import Post, Sender
from tallystick.gateway.upstream.connector import admits
from tallystick.settings import Settings
from tallystick.terms import TallyError
from tallystick.wiring.compose import Gateway, clock, new_id
from tallystick.wiring.control.compiling import Compiling
from tallystick.wiring.control.govern import Governing, Say
from tallystick.wiring.control.place import place_of
from tallystick.wiring.control.seen import Seen
from tallystick.wiring.keys import secret

TICK_S: Final = 60.0
"""Seconds between two looks at what expires and what is due."""


@asynccontextmanager
async def governed(gateway: Gateway, settings: Settings, state: Path, say: Say) -> AsyncGenerator[Governing]:
    """Open control state for a gateway; of several workers the first keeps outbox, clockwork and webhooks going."""
    compiling, leads = Compiling(gateway.judge), gateway.worker.index == 0
    place, key = place_of(settings.control.dsn_file, state), secret(state / "keys" / "control.key")
    opening = open_control(place, key, clock, new_id, compiling.judge)
    control = await to_thread.run_sync(opening.__enter__)
    try:
        gateway.rooms.watch.quarantines = Seen(gateway, control)
        async with anyio.create_task_group() as running:
            relay = Relay(control, gateway.rooms.recorder.append, found_by(gateway.order))
            sender = Sender(control, Post(admits), clock)
            governing = Governing(gateway, control, compiling, sender, brings=leads and settings.control.directory)
            if leads:
                governing.failures = {"relay": lambda: relay.failure, "webhooks": lambda: sender.failure}
                running.start_soon(relay.run)
                running.start_soon(sender.run)
                running.start_soon(_tick, control, say)
            yield governing
            running.cancel_scope.cancel()
    finally:
        opening.__exit__(None, None, None)


async def _tick(control: Control, say: Say) -> None:
    """Have what is over end, and what is due told, until cancelled."""
    while True:
        try:
            for refused in await to_thread.run_sync(lifecycle.tick, control, clock()):
                say(f"what is due could not be done: {refused}")
        except TallyError as failure:
            say(f"what is due waits: {failure.message}")
        await anyio.sleep(TICK_S)
