"""`tally follow` as a process of its own, to be killed."""

import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_BOUND = 12_000


@contextmanager
def following(config: Path, state: Path) -> Generator[subprocess.Popen[bytes]]:
    """Run it; killed at the end if it still runs."""
    command = [sys.executable, "-m", "tallystick.cli", "follow", "--config", str(config), "--state", str(state)]
    with (state / "follow.log").open("ab") as errors:
        process = subprocess.Popen([*command, "--child"], stdin=subprocess.PIPE, stderr=errors)
    assert process.stdin is not None
    with process.stdin:
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def until(process: subprocess.Popen[bytes], condition: Callable[[], object]) -> None:
    """Return once a condition holds; the process must not end before."""
    for _ in range(_BOUND):
        if condition():
            return
        try:
            code = process.wait(0.005)
        except subprocess.TimeoutExpired:
            continue
        message = f"the follower ended with {code}"
        raise AssertionError(message)
    message = "what was waited for did not happen"
    raise AssertionError(message)


def first_times(indices: list[int]) -> list[int]:
    """Indices in the order of their first arrival, after a check that no arrival ever skipped one."""
    seen: list[int] = []
    for index in indices:
        assert index <= len(seen), f"{index} came after {len(seen) - 1}"
        if index == len(seen):
            seen.append(index)
    return seen
