"""The writer process: the only one that holds the signing key and the logs. `python -m tallystick.audit.writer`.

It serves the sockets it inherits, and the workers and commands that connect (`sequence`). Threads publish tiles and
checkpoints behind the commits, have them cosigned (`publish`), beat and carry out orders (`clerk`). It ends when every
client has gone, after draining them, or with the first failed write (exit status 1).
"""

import argparse
import resource
import signal
import socket
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tallystick.audit.disk import make_directory
from tallystick.audit.keeping.orders import ORDERS as KEEPING
from tallystick.audit.keeping.orders import resume
from tallystick.audit.log.files import State, read_commitment_key
from tallystick.audit.model import Cosigner, Unwritable
from tallystick.audit.payload import open_provider, open_vaults
from tallystick.audit.payload.orders import payload_orders
from tallystick.audit.scale import open_scale
from tallystick.audit.witness.client import open_witnesses
from tallystick.audit.writer.clerk import Beats, Bench, Clerk, Heart
from tallystick.audit.writer.frames import FATAL, Progress, answer
from tallystick.audit.writer.logs import Logs, Shelf
from tallystick.audit.writer.orders import ORDERS
from tallystick.audit.writer.publish import Publisher, Witnessing
from tallystick.audit.writer.sequence import Sequencer
from tallystick.terms import TallyError

END_SECONDS = 5.0
"""How long a publisher gets to end after the record has stopped: it fails at its next write."""
_PATH_LIMIT = 107
"""Bytes of a unix socket's path (unix(7))."""


@dataclass(frozen=True, slots=True)
class Office:
    """Everything that runs in the writer process."""

    logs: Logs
    sequencer: Sequencer
    clerk: Clerk
    heart: Heart
    cosigner: Cosigner | None = None


def serve(office: Office, streams: Iterable[socket.socket]) -> None:
    """Answer the clients until all have gone; raises Unwritable."""
    sequencer, clerk, heart = office.sequencer, office.clerk, office.heart
    witnessing = None if office.cosigner is None else Witnessing(office.logs, office.cosigner, clerk.tell)

    def tell(moved: Sequence[Progress]) -> None:
        clerk.tell(moved)
        if moved and witnessing is not None:
            witnessing.fresh.set()

    def close() -> None:
        clerk.take(None)
        heart.close()

    sequencer.on_order, sequencer.on_idle = clerk.take, close
    publisher = Publisher(office.logs, tell)
    threads = [publisher, clerk, heart, *([] if witnessing is None else [witnessing])]
    for thread in threads:
        thread.start()
    try:
        sequencer.serve(streams, publisher.broken, [clerk.stream, heart.stream])
        if witnessing is not None:
            witnessing.close()
        publisher.close()
    except Unwritable as error:
        sequencer.tell_all(error.message)
        # It must not go on in files that are closed under it.
        publisher.end(END_SECONDS)
        raise
    finally:
        publisher.broken.close()


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
    return time.clock_gettime(time.CLOCK_REALTIME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit status."""
    options = _parser().parse_args(arguments)
    # A signal to the whole process group must not stop the record before the gateway has written its last outcomes: the
    # end of the sockets does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Every log has a file or two open, and the soft limit of a login session is made for people.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # The publisher hashes; the committing thread must get the interpreter back soon after each sync.
    sys.setswitchinterval(0.0005)
    streams = [socket.socket(fileno=descriptor) for descriptor in options.fd]
    with ExitStack() as opened:
        try:
            office = _open(options, opened)
        except (OSError, ValueError, TallyError) as error:
            text = error.message if isinstance(error, TallyError) else str(error)
            _say(text)
            for stream in streams:
                _tell(stream, text.encode())
            return 1
        try:
            serve(office, streams)
        except Unwritable as error:
            _say(error.message)
            return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tallystick.audit.writer")
    parser.add_argument("--fd", type=int, action="append", required=True, help="inherited stream socket of a client")
    parser.add_argument("--listen", type=Path, help="unix socket on which further clients are served")
    parser.add_argument("--state", type=Path, required=True, help="state directory")
    parser.add_argument("--host", default="", help="host part of the origins of new logs; default: that of the newest")
    parser.add_argument("--initialize", action="store_true", help="create what does not exist yet")
    parser.add_argument("--store", default="", help="where the scale-out store is: `audit.store` as JSON")
    parser.add_argument("--keys", default="", help="who holds the master key of payloads: `audit.keys` as JSON")
    parser.add_argument("--witness-policy", type=Path, help="file with the witnesses to ask, and their quorum")
    parser.add_argument("--witness-ca", type=Path, help="certificates that vouch for the witnesses' servers, PEM")
    return parser


def _open(options: argparse.Namespace, opened: ExitStack) -> Office:
    """Open the record and everything that works on it; raises OSError, ValueError or TallyError."""
    directory: Path = options.state
    scale = open_scale(directory, options.store, initialize=options.initialize) if options.store else None
    state: Shelf = scale or State(directory, initialize=options.initialize)
    opened.callback(state.close)
    host = options.host or _known_host(state)
    places = None if scale is None else scale.payload_places
    vaults = open_vaults(directory, open_provider(directory, options.keys), _realtime, places)
    opened.callback(vaults.close)
    logs = Logs(state, host, _realtime, initialize=options.initialize, safes=vaults.vault)
    key = read_commitment_key(directory)
    beats = Beats(logs, _realtime, time.monotonic)
    # What the last life left is closed; this one begins with a beat in every log, before anybody else's leaf.
    beats.beat(lambda tenant, leaf: logs.append(tenant, [leaf])[0].first or 0)
    sequencer = Sequencer(logs, key + host.encode(), _listener(options.listen, directory))
    bench = Bench(directory, key, logs, beats, _realtime, time.monotonic, vaults.vault)
    orders = {**ORDERS, **KEEPING, **payload_orders(vaults)}
    cosigner = open_witnesses(options.witness_policy, options.witness_ca) if options.witness_policy else None
    return Office(logs, sequencer, Clerk(bench, orders, sequencer, resume), Heart(beats, time.monotonic), cosigner)


def _known_host(state: Shelf) -> str:
    """Host part of the newest log's origin; raises Unwritable where there is none."""
    origins = [origin for _, origin in sorted(state.logs().items(), key=lambda log: log[0][1])]
    if not origins:
        message = "the state directory holds no record yet; start Tallystick first"
        raise Unwritable(message)
    return origins[-1].rsplit("/", 2)[0]


def _listener(path: Path | None, state: Path) -> socket.socket | None:
    """Listen where we are told to, else in the state directory, if a socket can have so long a name there."""
    if path is None and len(bytes(socket_of(state))) > _PATH_LIMIT:
        _say(f"{socket_of(state)} is too long for a socket: orders to this writer cannot be given from outside")
        return None
    return listen(path or socket_of(state))


def socket_of(state: Path) -> Path:
    """Where the writer of a state directory takes in further clients."""
    return state / "run" / "audit.sock"


def _tell(stream: socket.socket, text: bytes) -> None:
    try:
        stream.sendall(answer(FATAL, text, 0))
    except OSError:
        _say("a client had gone")
