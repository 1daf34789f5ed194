"""Measured processes: started, asked for CPU time and memory with all their children (proc(5)), and ended."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

_FILES: Final = 2 * 10_240
"""Open files that a process of the benchmark wants: a connection in and one out for each of ten thousand streams."""

_PROC: Final = Path("/proc")
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_START_S: Final = 60.0
_STOP_S: Final = 10.0


class Memory(NamedTuple):
    """Memory of a process tree in MB (10^6 bytes). `rss` counts what is shared for each holder, `pss` once."""

    rss: float
    pss: float


def raise_open_files() -> int:
    """Let this process, and what it starts, open as many files as the system lets it; return how many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _FILES if hard == resource.RLIM_INFINITY else hard
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


def tree(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for task in _PROC.joinpath(str(pid), "task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue  # the thread has ended
        for child in children:
            found.extend(tree(int(child)))
    return found


def cpu_seconds(pid: int) -> float:
    """Return user and system time that a process tree has used, with that of children that ended, in seconds."""
    ticks = 0
    for member in tree(pid):
        fields = _PROC.joinpath(str(member), "stat").read_text().rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15] if member == pid else fields[11:13]))
    return ticks / _TICKS


def memory(pid: int) -> Memory:
    """Return the memory of a process tree."""
    found = {"Rss:": 0, "Pss:": 0}
    for member in tree(pid):
        for line in _PROC.joinpath(str(member), "smaps_rollup").read_text().splitlines():
            name, *rest = line.split()
            if name in found:
                found[name] += int(rest[0])
    return Memory(found["Rss:"] * 1024 / 1e6, found["Pss:"] * 1024 / 1e6)


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    folder: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
    within_s: float = _START_S,
) -> Generator[int]:
    """Run a program, in a folder and with further variables of the environment where these are given.

    Yields its process id once it answers over HTTP. Raises RuntimeError with its last words.
    """
    # env(1) becomes the program, under the same process id.
    words = [*(["env", *(f"{name}={value}" for name, value in variables.items())] if variables else []), *command]
    with (
        log.open("wb") as written,
        subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=written, stderr=written, cwd=folder) as process,
    ):
        try:
            _await_answer(process, port, log, within_s)
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_answer(process: subprocess.Popen[bytes], port: int, log: Path, within_s: float) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end and process.poll() is None:
        # A listener may be open before anybody accepts: only an answer counts.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=within_s)
        try:
            connection.request("GET", "/healthz")
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            time.sleep(0.05)
        else:
            return
        finally:
            connection.close()
    words = " ".join(log.read_text(errors="replace")[-1000:].split())
    message = f"{process.args!r} does not answer: {words}"
    raise RuntimeError(message)
