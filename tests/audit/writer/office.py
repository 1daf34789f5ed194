"""A writer in this process: real logs, vaults and loop over a clock of the test's own."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tallystick.audit.log.files import State, read_commitment_key
from tallystick.audit.model import Cosigner
from tallystick.audit.payload import Vaults, open_provider, open_vaults
from tallystick.audit.writer.clerk import Beats, Bench, Clerk, Heart
from tallystick.audit.writer.logs import Logs
from tallystick.audit.writer.orders import ORDERS
from tallystick.audit.writer.process import Office, serve
from tallystick.audit.writer.sequence import Sequencer
from tests.audit.sample import Ticking
from tests.interaction.waiting import BOUND_S

HOST = "localhost"


class Steady:
    """A clock that nobody sets: it stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return seconds since some moment."""
        return self.now


@dataclass(frozen=True, slots=True)
class Desks:
    """What runs: the logs and vaults, and the clocks that the test may move."""

    logs: Logs
    vaults: Vaults
    real: Ticking
    steady: Steady
    beats: Beats


@contextmanager
def opened(state: Path, real: Ticking | None = None) -> Generator[Desks]:
    """Open a record as the writer process does, without its threads."""
    clock, steady = real or Ticking(), Steady()
    shelf = State(state, initialize=True)
    vaults = open_vaults(state, open_provider(state), clock)
    try:
        logs = Logs(shelf, HOST, clock, initialize=True, safes=vaults.vault)
        yield Desks(logs, vaults, clock, steady, Beats(logs, clock, steady))
    finally:
        vaults.close()
        shelf.close()


@contextmanager
def running(
    state: Path, streams: list[socket.socket], real: Ticking | None = None, cosigner: Cosigner | None = None
) -> Generator[Desks]:
    """Serve streams in a thread until their other ends are closed."""
    with opened(state, real) as desks:
        key = read_commitment_key(state)
        sequencer = Sequencer(desks.logs, key + HOST.encode())
        bench = Bench(state, key, desks.logs, desks.beats, desks.real, desks.steady, desks.vaults.vault)
        # The heart waits in real time: it beats only at the end.
        heart = Heart(desks.beats, desks.steady)
        office = Office(desks.logs, sequencer, Clerk(bench, ORDERS, sequencer), heart, cosigner)
        thread = threading.Thread(target=serve, args=(office, streams))
        thread.start()
        try:
            yield desks
        finally:
            thread.join(BOUND_S)
            assert not thread.is_alive()
