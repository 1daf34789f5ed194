"""The embedded store under the fault table."""

import errno
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit.log.files import State
from tests.audit.log.faults import FAULTS, Fault, Life
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


class _Disk:
    """The operating system's calls that write, of which the n-th fails."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.at = int(code == errno.ENOSPC)
        self.calls: list[str] = []

    @contextmanager
    def failing(self) -> Generator[None]:
        """Fail in this block."""
        self.calls = []
        with pytest.MonkeyPatch.context() as patch:
            for name in ("pwrite", "fsync", "fdatasync", "rename"):
                patch.setattr(os, name, self._one(name, getattr(os, name)))
            yield

    def _one(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            self.calls.append(name)
            if len(self.calls) == self.at + 1:
                raise OSError(self._code, f"{name} failed")
            return real(*arguments)

        return call


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC])
def test_each_call_of_the_operating_system_may_fail_and_nothing_acknowledged_is_lost(tmp_path: Path, code: int) -> None:
    life, disk = Life(_Directory(tmp_path / "state"), tmp_path / "payloads"), _Disk(code)
    life.round()
    seen: set[str] = set()
    while True:
        life.round(under=disk.failing)
        if len(disk.calls) <= disk.at:
            break
        assert len(disk.calls) == disk.at + 1, "the first failed write is the last"
        seen.add(disk.calls[-1])
        life.settle()
        # Both codes together fail every call.
        disk.at += 2
    assert seen >= {"fsync", "fdatasync"}
    life.prove()
    assert verified(tmp_path / "state").damage == ()


def test_a_directory_that_another_process_holds_is_not_opened(tmp_path: Path) -> None:
    with _Directory(tmp_path).opened(), pytest.raises(audit.Unwritable, match="another process"):
        State(tmp_path, initialize=True)
