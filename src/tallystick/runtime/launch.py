"""Program that limits itself and then becomes the server: `launch.py MEMORY FILES COMMAND...`; standard library only.

A separate program, because limits set between fork and exec of a threaded parent can deadlock it.
"""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


def main() -> None:
    """Apply the limits, then replace this process by the command."""
    memory, files, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    _, most_files = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = files if most_files == resource.RLIM_INFINITY else min(files, most_files)
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    # INVARIANT: a server never outlives the gateway, whatever kills it.
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    try:
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - the command is the local configuration's, without a shell
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]}: {error.strerror}\n")
        sys.exit(127)


if __name__ == "__main__":
    main()
