"""The embedded store under the fault table."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.log.files import State
from tests.audit.log.faults import FAULTS, Fault
from tests.audit.sample import verified


class _Directory:
    """A state directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    @contextmanager
    def opened(self) -> Generator[State]:
        """Open it."""
        state = State(self.directory, initialize=True)
        try:
            yield state
        finally:
            state.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_acknowledged_is_lost(fault: Fault, tmp_path: Path) -> None:
    fault(_Directory(tmp_path / "state"), tmp_path / "payloads")
    if "refused" not in fault.__name__:
        assert verified(tmp_path / "state").damage == ()


def test_a_directory_that_another_process_holds_is_not_opened(tmp_path: Path) -> None:
    with _Directory(tmp_path).opened(), pytest.raises(audit.Unwritable, match="another process"):
        State(tmp_path, initialize=True)
