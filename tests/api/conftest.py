"""One console for the tests of a file: they use names of their own."""

from collections.abc import Generator

import pytest

from tests.api.stage import Stage, console


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A console at work."""
    with console(tmp_path_factory.mktemp("console")) as running:
        yield running
