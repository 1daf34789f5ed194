"""Witnesses over real sockets: ours, in a thread of this process, and some that lie."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

from tallystick.audit.tlog.policy import Policy, parse_policy
from tallystick.audit.witness import WitnessState
from tallystick.audit.witness.decide import Witness
from tallystick.audit.witness.serve import WitnessServer


class Counting(WitnessServer):
    """Our server, of which a test can wait for the next answer."""

    answers = threading.Semaphore(0)

    def has_answered(self, request: socket.socket) -> None:
        """Count the answer that was just sent."""
        super().has_answered(request)
        self.answers.release()


class Running(NamedTuple):
    """A witness that answers, what it remembers, and its server."""

    state: WitnessState
    server: Counting

    def lines(self, name: str) -> str:
        """Its lines of a policy file: a witness for each key, and a group of both."""
        return policy_lines(self.state, name, self.server.url)


@contextmanager
def running(
    directory: Path, *logs: str, clock: Callable[[], float] = lambda: 1_790_000_100.0, port: int = 0
) -> Generator[Running]:
    """Our witness over a directory, which is made where there is none, and which knows logs by their vkeys."""
    made = (directory / "witness.sqlite").exists()
    state = WitnessState(directory) if made else WitnessState.create(directory, f"{directory.name}.example/w")
    for vkeys in logs:
        state.add_log(vkeys)
    state.lock()
    server = Counting(("127.0.0.1", port), Witness(state, clock))
    server.answers = threading.Semaphore(0)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield Running(state, server)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        state.close()


class Lie(NamedTuple):
    """What a lying witness answers: status, media type, content, and how many bytes it says will follow after that."""

    status: int
    kind: str
    content: bytes
    missing: int = 0


@contextmanager
def lying(answer: Callable[[bytes], Lie]) -> Generator[str]:
    """A server that answers every POST as told, at the address that it gives."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Lie."""
            status, kind, content, missing = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) + missing))
            if status in {301, 307}:
                self.send_header("Location", content.decode())
            self.end_headers()
            self.wfile.write(content)
            if missing:
                self.rfile.read(1)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def policy_lines(state: WitnessState, name: str, url: str) -> str:
    """Lines of a policy file for a witness at an address."""
    keys = "".join(f"witness {name}{number} {key.vkey} {url}\n" for number, key in enumerate(state.verifiers))
    return f"{keys}group {name} all {name}0 {name}1\n"


def policy(quorum: str, *lines: str) -> Policy:
    """A policy out of lines, with a quorum."""
    return parse_policy(f"{''.join(lines)}quorum {quorum}\n".encode())
