"""Program that limits itself and then becomes the server: `launch.py PARENT MEMORY FILES COMMAND...`.

A separate program, because limits set between fork and exec of a threaded parent can deadlock it. PARENT is the process
id of the gateway, MEMORY is in bytes, FILES is a count. Imports the standard library only.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_NOT_STARTED = 127  # what a shell says of a command that it cannot start


def main() -> None:
    """Apply the limits, then replace this process by the command."""
    parent, memory, files, command = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
    environment = _environment()
    _limit(resource.RLIMIT_DATA, memory)
    _limit(resource.RLIMIT_NOFILE, files)
    _limit(resource.RLIMIT_CORE, 0)
    if sys.platform == "linux":
        # INVARIANT: a server never outlives the gateway, whatever kills it, and gains no right by starting a program.
        _control(_PR_SET_PDEATHSIG, signal.SIGKILL)
        _control(_PR_SET_NO_NEW_PRIVS, 1)
        if os.getppid() != parent:
            sys.exit(_NOT_STARTED)  # the gateway went before its death could be watched
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - the command is the local configuration's, without a shell
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(_NOT_STARTED)


def _environment() -> Mapping[bytes, bytes]:
    # Python adds LC_CTYPE to its own environment (PEP 538), so what was given is read from the kernel.
    given = Path("/proc/self/environ")
    if not given.exists():
        return os.environb
    entries = given.read_bytes().split(b"\0")
    return {name: value for name, equals, value in (entry.partition(b"=") for entry in entries) if equals}


def _limit(resource_number: int, most: int) -> None:
    _, ceiling = resource.getrlimit(resource_number)
    limit = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
    resource.setrlimit(resource_number, (limit, limit))


def _control(option: int, value: int) -> None:
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    if prctl(option, value, 0, 0, 0) != 0:
        sys.stderr.write(f"cannot limit the server: {os.strerror(ctypes.get_errno())}\n")
        sys.exit(_NOT_STARTED)


if __name__ == "__main__":
    main()
