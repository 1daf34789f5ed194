"""A real control state with a server and a grant, and real receivers on loopback."""

import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from tallystick.control import Control, Sqlite, open_control
from tallystick.control.lifecycle.gates import seen_last
from tallystick.control.model import Actor, Change, Committed, Key, Mark, Put, Resource, Step
from tallystick.control.webhooks import Post, Receiver, Sender
from tallystick.gateway.upstream.connector import admits
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot
from tallystick.terms import TenantId
from tests.control.lifecycle.cases import GRANT, SERVER

ACME = TenantId("acme")
RISK, MONTH_END = Key("Server", "risk"), Key("Grant", "month-end")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADMIN, ANNA, BERT = Actor("ada", roles=("admin",)), Actor("anna"), Actor("bert", roles=("reviewer",))
PINNED: Mapping[str, object] = {
    "pinned_at": "2026-11-20T00:00:00Z",
    "eras": {"2026-07-28": {"serverInfo": {"name": "risk", "version": "1"}, "capabilities": {"tools": {}}}},
    "tools": [{"name": "get", "inputSchema": {"type": "object"}}],
}
START = 1_795_262_400.0
"""2026-11-21T12:00:00Z."""


@dataclass
class Clock:
    """Time that stands until somebody sets it."""

    now: float = START

    def __call__(self) -> float:
        """Seconds since the epoch."""
        return self.now


@dataclass
class Judge:
    """What control state asks of a candidate; `breaks` makes all of them wrong, like a release that reads less."""

    compiler: Compiler
    breaks: bool = False

    def __call__(self, documents: Mapping[str, Document]) -> tuple[Problem, ...]:
        """Return what is wrong."""
        found = self.compiler.compile(documents)
        if self.breaks:
            return (Problem("servers/risk.yaml", "", "is not read any more", "upgrade it"),)
        return () if isinstance(found, Snapshot) else found


@dataclass(frozen=True, slots=True)
class World:
    """Control state, its time, and what brings events out of it."""

    control: Control
    clock: Clock
    sender: Sender
    receiver: Receiver
    judge: Judge
    post: Post

    def do(self, actor: Actor, *changes: Change) -> Committed:
        """Commit, and let the revision be published."""
        done = self.control.commit(changes, actor, "a test")
        assert isinstance(done, Committed), done
        self.publish()
        return done

    def publish(self) -> None:
        """Stand for the record, which has everything now."""
        self.control.recorded([row.number for row in self.control.outbox(10_000)])

    def get(self, key: Key) -> Resource:
        """A resource that is there."""
        found = self.control.get(key)
        assert found is not None
        return found

    def tell(self, name: str) -> int:
        """Send what a webhook is to be told now; how many events were tried."""
        return next(turn for turn in count() if not self.sender.turn(name))

    def digest(self) -> str:
        """The definition of the server that was seen last."""
        return seen_last(self.get(Key("Pin", "risk")))

    def submit(self) -> None:
        """Anna asks for a review of the server."""
        self.do(ANNA, Step(RISK, "in_review"))

    def approve(self) -> None:
        """Bert approves it."""
        self.do(BERT, Step(RISK, "approved", definition=self.digest()))

    def state(self, key: Key = RISK) -> str:
        """The state of the server, or of something else."""
        return self.get(key).state


def hook(url: str, **more: object) -> Put:
    """A webhook of the tenant, or of another one."""
    tenant = TenantId(str(more.pop("tenant", ACME)))
    spec = {"url": url, "secret": "signing", "allow_special_addresses": True, **more}
    return Put("Webhook", "out", tenant, spec)


@contextmanager
def world(folder: Path, ca_file: Path | None = None) -> Generator[World]:
    """Control state with a tenant, a draft of a server by Anna that was asked once, and her draft of a grant."""
    clock, ids, judge = Clock(), count(1), Judge(Compiler())
    place = Sqlite(folder / "control.db")
    with open_control(place, bytes(32), clock, lambda: f"{next(ids):026d}", judge) as control:
        post = Post(admits, str(ca_file) if ca_file else None)
        made = World(control, clock, Sender(control, post, clock), Receiver(control, clock), judge, post)
        made.do(ADMIN, *_beginning())
        server = {name: value for name, value in SERVER.items() if name != "tools"}
        made.do(
            ANNA,
            Put("Server", "risk", ACME, {**server, "tools": {"get": _TOOL}}),
            Put("Grant", "month-end", ACME, _grant()),
        )
        made.do(
            ADMIN, Mark(Key("Pin", "risk"), {"observed": {"digest": "sha256:" + "a" * 64, "at": "", "spec": PINNED}})
        )
        yield made


_TOOL = {"operation": "read", "risk": "low", "data_scope": "positions", "reversibility": "R0"}


def _grant() -> Mapping[str, object]:
    return {**{name: value for name, value in GRANT.items() if name != "toolset"}, "server": "risk"}


def _beginning() -> Sequence[Change]:
    return (
        Put("Tenant", "acme", ACME, {"title": "Acme", "jurisdiction": "UK"}),
        Put("Secret", "signing", ACME, {"value": SECRET}),
        Put("Secret", "password", ACME, {"value": "letmein"}),
    )


def fields(body: bytes) -> dict[str, object]:
    """A JSON object."""
    value: object = json.loads(body)
    assert isinstance(value, dict)
    return value  # pyright: ignore[reportUnknownVariableType] - JSON


def today() -> float:
    """The real time, for an oracle that reads the clock itself."""
    return datetime.now(UTC).timestamp()  # noqa: TID251 - the oracle takes no clock
