"""The threads that write leaves of the writer's own: heartbeats, and what orders ask for.

Both are clients of the sequencer like any gateway, over a socket pair, so that their leaves take their place in the one
order. `Heart` beats on time whatever order runs; `Clerk` runs the orders one at a time.
"""

import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec

from tallystick.audit.desk import Desk, Fields, Order, Standing
from tallystick.audit.leaf.call import call_id
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event, Unwritable
from tallystick.audit.writer.frames import Progress, progress, told
from tallystick.audit.writer.line import Line
from tallystick.audit.writer.logs import Logs
from tallystick.audit.writer.orders import change_keys, unknown
from tallystick.audit.writer.sequence import Asked, Sequencer
from tallystick.terms import Clock, TallyError, TenantId

if TYPE_CHECKING:
    from tallystick.audit.payload import Vault
    from tallystick.audit.signing import Signers

BEAT_SECONDS: Final = 60
STEP_SECONDS: Final = 1.0
"""A difference between the two clocks that is no drift any more: the time was set."""
PUBLISH_WAIT_S: Final = 30.0
OPERATOR: Final = "tallystick"
"""Who is named in leaves that the writer writes of itself."""
_ENTROPY: Final = 10

Append = Callable[[TenantId, bytes], int]
_FIELDS: Final = msgspec.json.Decoder(dict[str, object])


class Beats:
    """Makes heartbeats. `real` may be set by anybody, `steady` by nobody: what lies between them is a step."""

    def __init__(self, logs: Logs, real: Clock, steady: Callable[[], float]) -> None:
        self._logs = logs
        self._real = real
        self._steady = steady
        self._offset = real() - steady()
        self._begun: set[TenantId] = set()
        # The clerk beats on order while the heart beats on time.
        self._lock = threading.Lock()

    def beat(self, append: Append, *, stop: bool = False) -> dict[TenantId, int]:
        """Append a heartbeat to every open log and return the index of each; raises Unwritable."""
        with self._lock:
            step = self._step()
            return {tenant: append(tenant, self._leaf(tenant, step, stop=stop)) for tenant in self._logs.tenants()}

    def _leaf(self, tenant: TenantId, step_ms: int | None, *, stop: bool) -> bytes:
        standing = self._logs.standing(tenant)
        fields: dict[str, object] = {"every_s": BEAT_SECONDS, "size": standing.size, "opened": standing.opened}
        if tenant not in self._begun:
            self._begun.add(tenant)
            fields["start"] = True
        if stop:
            fields["stop"] = True
        if step_ms is not None:
            fields["step_ms"] = step_ms
        return event(Event("heartbeat", "", self._real(), tenant, fields))

    def _step(self) -> int | None:
        """Milliseconds by which the time was set since the last beat."""
        offset = self._real() - self._steady()
        step, self._offset = offset - self._offset, offset
        return round(step * 1000) if abs(step) > STEP_SECONDS else None


class Heart(threading.Thread):
    """Beats every minute, and a last time when it is told to end."""

    def __init__(self, beats: Beats, steady: Callable[[], float]) -> None:
        super().__init__(daemon=True, name="heart")
        self._beats = beats
        self._steady = steady
        self._closing = threading.Event()
        ours, self.stream = socket.socketpair()
        self._line = Line(ours)

    def run(self) -> None:
        """Beat until closed. The loop notices when it ends before."""
        try:
            self._line.greet()
            due = self._steady()
            while True:
                due += BEAT_SECONDS
                if self._closing.wait(max(0.0, due - self._steady())):
                    break
                self._beats.beat(self._line.append)
            self._beats.beat(self._line.append, stop=True)
        except Unwritable:
            # The record has stopped, which its loop tells.
            return
        finally:
            self._line.close()

    def close(self) -> None:
        """Have it beat once more and end; does not wait."""
        self._closing.set()


class Vaults(Protocol):
    """The payload stores of all tenants."""

    def __call__(self, tenant: TenantId) -> "Vault":
        """Return the store of a tenant."""
        ...


class Bench(NamedTuple):
    """What a clerk works with."""

    state: Path
    commitment_key: bytes
    logs: Logs
    beats: Beats
    real: Clock
    steady: Callable[[], float]
    vaults: Vaults | None = None


def _begun_nothing(desk: Desk) -> None:
    del desk


class Clerk(threading.Thread):
    """Runs orders, one at a time, and answers them; is the `Desk` of their functions."""

    def __init__(
        self,
        bench: Bench,
        orders: Mapping[str, Order],
        sequencer: Sequencer,
        resume: Callable[[Desk], None] = _begun_nothing,
    ) -> None:
        """`resume` finishes what orders of the last process began; raises TallyError."""
        super().__init__(daemon=True, name="clerk")
        self._resume = resume
        self._bench = bench
        self._orders = orders
        self._sequencer = sequencer
        self._asked: SimpleQueue[Asked | None] = SimpleQueue()
        self._moved = threading.Condition()
        self._begun = bench.steady()
        ours, self.stream = socket.socketpair()
        self._line = Line(ours)

    def take(self, asked: Asked | None) -> None:
        """Queue an order; None is the last. Does not wait."""
        self._asked.put(asked)

    def tell(self, found: Sequence[Progress]) -> None:
        """Tell everybody how far logs have come. From any thread."""
        if found:
            self._sequencer.post(None, progress(found))
            with self._moved:
                self._moved.notify_all()

    def run(self) -> None:
        """Run orders until the last."""
        try:
            self._line.greet()
            self._finish_keys()
            self._finish_orders()
            while (asked := self._asked.get()) is not None:
                self._sequencer.post(asked.client, told(asked.number, self._answer(asked.text)))
        except Unwritable:
            # The record has stopped, which its loop tells.
            return
        finally:
            self._line.close()

    def _finish_keys(self) -> None:
        """Finish a change of the signing keys that a crash cut short, or that an upgrade brings."""
        unfinished = self.signing.unfinished()
        if unfinished is not None:
            change_keys(self, unfinished, OPERATOR)

    def _finish_orders(self) -> None:
        try:
            self._resume(self)
        except (TallyError, OSError) as error:
            if isinstance(error, Unwritable):
                raise
            # It is tried again before the next order of its tenant, which is refused with the same text.
            sys.stderr.write(f"audit writer: what was begun could not be finished: {error}\n")

    def _answer(self, text: bytes) -> Fields:
        try:
            fields = _FIELDS.decode(text)
            return self._orders.get(str(fields.get("order")), unknown)(self, fields)
        except TallyError as error:
            return {"error": {"code": error.code, "message": error.message}}
        except (OSError, ValueError, TypeError, LookupError, ArithmeticError) as error:
            return {"error": {"code": "internal", "message": f"{type(error).__name__}: {error}"}}

    @property
    def state(self) -> Path:
        """The state directory."""
        return self._bench.state

    @property
    def commitment_key(self) -> bytes:
        """The key behind commitments and subject references."""
        return self._bench.commitment_key

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._bench.real()

    def new_id(self) -> str:
        """Return a fresh ULID."""
        return call_id(self._bench.real(), os.urandom(_ENTROPY))

    def uptime(self) -> float:
        """Seconds since the writer has started."""
        return self._bench.steady() - self._begun

    def tenants(self) -> list[TenantId]:
        """Return who has a log."""
        return self._bench.logs.tenants()

    def standing(self, tenant: TenantId, year: int | None = None) -> Standing:
        """Return how a log stands."""
        return self._bench.logs.standing(tenant, year)

    def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Append a leaf and return its index once it is durable."""
        return self._line.append(tenant, leaf)

    def published(self, tenant: TenantId, year: int, index: int) -> None:
        """Wait until a checkpoint covers a leaf."""
        with self._moved:
            self._bench.logs.hurry()
            if not self._moved.wait_for(lambda: self.standing(tenant, year).published > index, PUBLISH_WAIT_S):
                message = f"no checkpoint has covered leaf {index} of {tenant} for {PUBLISH_WAIT_S:g} s"
                raise TallyError(code="unavailable", message=message)

    def vault(self, tenant: TenantId) -> "Vault":
        """Return the payload store of a tenant."""
        if self._bench.vaults is None:
            message = "this record keeps no payloads"
            raise TallyError(code="not_found", message=message)
        return self._bench.vaults(tenant)

    def beat(self) -> dict[TenantId, int]:
        """Append a heartbeat to every open log."""
        return self._bench.beats.beat(self._line.append)

    @property
    def signing(self) -> "Signers":
        """The keys that sign checkpoints."""
        return self._bench.logs.signing

    def settle_keys(self) -> None:
        """Carry out a change of the signing keys whose leaves are published."""
        self._bench.logs.settle_keys()
