"""The embedded store does what every store of a log must do."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.audit.log.log import Store
from tests.audit.log.conformance import PROMISES, Shelf
from tests.audit.sample import opened_state, stored


class _Directory:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def opened(self) -> Generator[Store]:
        """Open the state directory."""
        with opened_state(self._directory) as state:
            store = stored(state)
            try:
                yield store
            finally:
                store.close()


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_embedded_store_keeps_its_promise(promise: Callable[[Shelf], None], tmp_path: Path) -> None:
    promise(_Directory(tmp_path))
