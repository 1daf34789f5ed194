"""Where server processes live: a task group that ends them all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeGuard

import anyio
from anyio.abc import TaskGroup


@asynccontextmanager
async def supervision() -> AsyncGenerator[TaskGroup]:
    """Hold the task group that server processes live in; leaving it ends them all.

    An error from inside comes out as itself, not wrapped in a group: it is one error, told at one place.
    """
    try:
        async with anyio.create_task_group() as group:
            try:
                yield group
            finally:
                group.cancel_scope.cancel()
    except BaseExceptionGroup as errors:
        raise _only(errors) from None


def _only(error: BaseException) -> BaseException:
    while _is_group(error) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)
