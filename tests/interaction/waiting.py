"""Bounded waits: for what another process does, there is no event to await, only a state to look at again and again."""

from collections.abc import Callable

import anyio

BOUND_S = 20.0
"""Seconds after which something that must happen counts as not happening; never a measure of speed."""


async def until(condition: Callable[[], object]) -> None:
    """Return as soon as `condition` holds; raises TimeoutError when it never does."""
    with anyio.fail_after(BOUND_S):
        while not condition():  # noqa: ASYNC110 - another process gives no event
            await anyio.sleep(0.005)
