"""The attacks share the world and the gateway of the interaction tests, started once for this folder."""

import pytest

from tests.interaction.conftest import anyio_backend, stage, world

__all__ = ["anyio_backend", "stage", "world"]


@pytest.fixture(autouse=True)
def advisory(request: pytest.FixtureRequest) -> str:
    """The advisories that a test holds, for its id (`tests.attacks.advisory.holds`)."""
    return str(getattr(request, "param", ""))
