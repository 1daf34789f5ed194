"""The writer process: the only one that holds the signing key and the logs. `python -m tallystick.audit.writer`.

It serves the sockets it inherits and, told to listen, the workers that connect (`sequence`); a thread publishes tiles
and checkpoints behind the commits. It ends when every client has gone, after draining them, or with the first failed
write (exit status 1).
"""

import argparse
import signal
import socket
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from time import CLOCK_REALTIME, clock_gettime

from tallystick.audit.log.files import State, make_directory, read_commitment_key
from tallystick.audit.model import Unwritable
from tallystick.audit.writer.logs import Logs
from tallystick.audit.writer.publish import Publisher
from tallystick.audit.writer.sequence import ANSWER, FATAL, Sequencer
from tallystick.terms import TallyError

_PATH_LIMIT = 107
"""Bytes of a unix socket's path (unix(7))."""


def serve(logs: Logs, sequencer: Sequencer, streams: Iterable[socket.socket]) -> None:
    """Answer the clients until all have gone; raises Unwritable."""
    publisher = Publisher(logs)
    publisher.start()
    try:
        sequencer.serve(streams, publisher.broken)
        publisher.close()
    except Unwritable as error:
        sequencer.tell_all(error.message)
        raise


def listen(path: Path) -> socket.socket:
    """Listen on a unix socket that only its owner may reach; raises OSError."""
    if len(bytes(path)) > _PATH_LIMIT:
        message = f"{path} is too long for a socket; choose a shorter state directory"
        raise OSError(message)
    make_directory(path.parent)
    path.parent.chmod(0o700)
    # Whoever left it is gone: the lock of the state directory is ours.
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    listener.bind(str(path))
    path.chmod(0o600)
    listener.listen(64)
    listener.setblocking(False)  # noqa: FBT003 - positional in the standard library
    return listener


def _say(text: str) -> None:
    sys.stderr.write(f"audit writer: {text}\n")


def _realtime() -> float:
    return clock_gettime(CLOCK_REALTIME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="tallystick.audit.writer")
    parser.add_argument("--fd", type=int, action="append", required=True, help="inherited stream socket of a client")
    parser.add_argument("--listen", type=Path, help="unix socket on which further clients are served")
    parser.add_argument("--state", type=Path, required=True, help="state directory")
    parser.add_argument("--host", required=True, help="host part of the origins of new logs")
    parser.add_argument("--initialize", action="store_true", help="create what does not exist yet")
    options = parser.parse_args(arguments)
    # A signal to the whole process group must not stop the record before the gateway has written its last outcomes: the
    # end of the sockets does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # The publisher hashes; the committing thread must get the interpreter back soon after each sync.
    sys.setswitchinterval(0.0005)
    streams = [socket.socket(fileno=descriptor) for descriptor in options.fd]
    try:
        state = State(options.state, initialize=options.initialize)
        logs = Logs(state, options.host, _realtime, initialize=options.initialize)
        greeting = read_commitment_key(options.state) + options.host.encode()
        sequencer = Sequencer(logs, greeting, listen(options.listen) if options.listen else None)
    except (OSError, TallyError) as error:
        text = error.message if isinstance(error, TallyError) else str(error)
        _say(text)
        for stream in streams:
            _tell(stream, text.encode())
        return 1
    try:
        serve(logs, sequencer, streams)
    except Unwritable as error:
        _say(error.message)
        return 1
    state.close()
    return 0


def _tell(stream: socket.socket, text: bytes) -> None:
    try:
        stream.sendall(ANSWER.pack(FATAL, len(text), 0) + text)
    except OSError:
        _say("a client had gone")
