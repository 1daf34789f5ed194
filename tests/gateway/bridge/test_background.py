"""Work in the background of one server, which shares its task group with that of all others."""

import anyio
import anyio.lowlevel
import pytest

from tallystick.gateway.bridge.background import Background

pytestmark = pytest.mark.anyio


async def test_work_that_breaks_ends_nobody_elses() -> None:
    go_on, done = anyio.Event(), anyio.Event()

    async def lasting() -> None:
        await go_on.wait()
        done.set()

    async def broken() -> None:
        await anyio.lowlevel.checkpoint()
        message = "what nobody thought of"
        raise RecursionError(message)

    async with anyio.create_task_group() as supervising:
        Background(supervising).start(lasting)
        Background(supervising).start(broken)
        await anyio.wait_all_tasks_blocked()
        go_on.set()
    assert done.is_set()


async def test_what_is_stopped_ends_and_starts_nothing_more() -> None:
    begun: list[str] = []

    async def lasting() -> None:
        begun.append("lasting")
        await anyio.sleep_forever()

    async with anyio.create_task_group() as supervising:
        background = Background(supervising)
        background.start(lasting)
        await anyio.wait_all_tasks_blocked()
        background.stop()
        background.start(lasting)
    assert begun == ["lasting"]
