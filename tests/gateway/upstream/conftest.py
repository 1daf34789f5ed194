"""The way out is tested on both event loops: transports that pause, break and close do so differently on each."""

import pytest


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    """Run on asyncio's own loop and on uvloop."""
    return "asyncio", {"use_uvloop": bool(request.param)}
