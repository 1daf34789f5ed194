"""Starts writer processes quickly: a process that has loaded the writer once, and forks for each one.

Its standard input is a unix socket. Each message on it is the writer's arguments as JSON, with the descriptor of the
stream that the writer is to serve; the answer is the process id. It ends with the socket.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tallystick.audit.writer.process import main

_MESSAGE = 1 << 16


@dataclass(frozen=True, slots=True)
class Nursery:
    """The test's end."""

    stream: socket.socket

    def spawn(self, state: Path, host: str) -> tuple[int, socket.socket]:
        """Start a writer; return its process id and our end of its stream."""
        ours, theirs = socket.socketpair()
        with theirs:
            words = ["--state", str(state), "--host", host, "--initialize"]
            socket.send_fds(self.stream, [json.dumps(words).encode()], [theirs.fileno()])
            return int(self.stream.recv(_MESSAGE)), ours


@contextmanager
def nursery() -> Generator[Nursery]:
    """Start the nursery; what it started is not ended with it."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen([sys.executable, "-m", "tests.crash.nursery"], stdin=theirs.fileno())
    try:
        with ours:
            yield Nursery(ours)
    finally:
        process.wait()


def _tend(stream: socket.socket) -> None:
    # Nobody waits for the writers: the kernel takes away those that have ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(stream, _MESSAGE, 1)
        if not message:
            return
        child = os.fork()
        if not child:
            stream.close()
            os._exit(main(["--fd", str(descriptors[0]), *map(str, json.loads(message))]))
        os.close(descriptors[0])
        stream.send(str(child).encode())


if __name__ == "__main__":
    _tend(socket.socket(fileno=os.dup(sys.stdin.fileno())))
