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

ATOMIC = [fault for fault in FAULTS if "torn_tile" not in fault.__name__]
"""A put of an object is whole or not at all, so nothing can be torn there; `test_faults` has what takes its place."""


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
