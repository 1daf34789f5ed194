"""The scale-out store does what every store of a log must do."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from tallystick.audit.log.log import Store
from tests.audit.log.conformance import PROMISES, Shelf
from tests.audit.sample import BANK, NOON, ORIGIN, YEAR
from tests.audit.scale.place import Place


class _Scale:
    def __init__(self, place: Place) -> None:
        self._place = place

    @contextmanager
    def opened(self) -> Generator[Store]:
        """Open the database and the bucket."""
        with self._place.opened() as state:
            if not state.logs():
                state.create(BANK, YEAR, ORIGIN, int(NOON * 1_000_000) - 1)
            yield state.store(BANK, YEAR)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_the_scale_out_store_keeps_its_promise(promise: Callable[[Shelf], None], place: Place) -> None:
    promise(_Scale(place))
