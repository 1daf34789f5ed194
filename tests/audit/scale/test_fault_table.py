"""The scale-out store under the fault table of every store."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick.audit.scale.state import ScaleState
from tests.audit.log.faults import FAULTS, Fault
from tests.audit.scale.place import Place
from tests.audit.scale.test_store import mirrored, report_of

pytestmark = pytest.mark.live

TORN = {
    "a_torn_tile_stops_the_log_and_the_journal_still_has_its_leaves",
    "a_disk_that_is_full_halfway_through_a_write_loses_nothing",
}
ATOMIC = [fault for fault in FAULTS if fault.__name__ not in TORN]
"""A row and an object are stored whole or not at all, so nothing is torn there. `test_worm` has what takes their place:
a database that is full, and a tile that holds something else."""


class _Scale:
    def __init__(self, place: Place) -> None:
        self._place = place

    @contextmanager
    def opened(self) -> Generator[ScaleState]:
        """Open it."""
        with self._place.opened() as state:
            yield state


@pytest.mark.parametrize("fault", ATOMIC, ids=lambda fault: fault.__name__)
def test_nothing_acknowledged_is_lost(fault: Fault, place: Place, tmp_path: Path) -> None:
    fault(_Scale(place), tmp_path / "payloads")
    if "refused" not in fault.__name__:
        mirrored(place, tmp_path / "copy")
        assert report_of(tmp_path / "copy").damage == ()
