"""The loop that sends: each webhook by itself, and control state that is away for a while."""

from pathlib import Path
from threading import Event

import anyio
import pytest

from tallystick.control.model import Put
from tests.control.webhooks.world import ACME, ADMIN, hook, world
from tests.export.sinks.receiver import Asked, Told, receiver


@pytest.mark.anyio
async def test_a_slow_receiver_keeps_no_other_one_waiting(tmp_path: Path) -> None:
    came, done = Event(), Event()

    def slow(_: Asked) -> Told:
        done.wait(20)
        return Told()

    def quick(_: Asked) -> Told:
        came.set()
        return Told()

    with world(tmp_path) as made, receiver(slow) as there, receiver(quick) as here:
        made.do(ADMIN, hook(there), Put("Webhook", "quick", ACME, hook(here).spec))
        made.submit()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(made.sender.run)
                assert await anyio.to_thread.run_sync(came.wait, 20)
                assert made.sender.failure is None
                # Whoever stops does not wait for the slow one either.
                group.cancel_scope.cancel()
        finally:
            done.set()
