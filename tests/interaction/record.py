"""Reading what the gateway recorded, as a stranger would: from the published files, with the offline reader."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tallystick.audit import offline
from tallystick.gateway.local import STREAM
from tallystick.terms import TallyError
from tests.interaction.waiting import until

Leaf = dict[str, object]
Mark = Callable[[], Awaitable[int]]


def log_of(state: Path, tenant: str) -> Path:
    """Return the directory of a tenant's only log."""
    return next((state / "audit" / tenant).iterdir())


def leaves_of(directory: Path, indices: range) -> list[Leaf]:
    """Return published leaves."""
    return [msgspec.json.decode(leaf, type=Leaf) for _, leaf in offline.read_leaves(directory, indices)]


def size_of(state: Path, tenant: str) -> int:
    """Return the published size of a tenant's log, 0 where it has none yet."""
    try:
        return offline.size_of(log_of(state, tenant))
    except (TallyError, OSError, StopIteration):
        return 0


@dataclass(frozen=True, slots=True)
class Record:
    """One tenant's record. `mark` writes a leaf there and returns its index: everything told before lies below it."""

    state: Path
    tenant: str
    mark: Mark

    async def since(self, start: int) -> list[Leaf]:
        """Return every leaf after index `start` up to now, but the writer's heartbeats: no request makes those."""
        end = await self.mark()
        await until(lambda: size_of(self.state, self.tenant) > end)
        leaves = leaves_of(log_of(self.state, self.tenant), range(start + 1, end))
        return [leaf for leaf in leaves if leaf["kind"] != "heartbeat"]

    def sound(self) -> offline.Report:
        """Verify the whole log and return the report."""
        directory = log_of(self.state, self.tenant)
        return offline.verify_log(directory, offline.read_vkey(directory))


def told(leaves: list[Leaf]) -> list[str]:
    """Return the leaves in short: what each says of one request.

    `intent tools/call`, `outcome success`, `denial tools/call policy_forbids`. A request that the gateway answered
    itself has no intent: `local tools/list success`.
    """
    return [_short(leaf) for leaf in leaves]


def told_of_calls(leaves: list[Leaf]) -> list[str]:
    """Return the same without streams, and what the gateway answered itself: those have tests of their own."""
    return [line for line in told(calls_in(leaves)) if not line.startswith("local ")]


def calls_in(leaves: list[Leaf]) -> list[Leaf]:
    """Return the leaves without those of streams."""
    streams = {leaf["id"] for leaf in leaves if leaf.get("method") in (STREAM, "subscriptions/listen")}
    return [leaf for leaf in leaves if leaf.get("id") not in streams]


def _short(leaf: Leaf) -> str:
    if leaf["kind"] == "intent":
        return f"intent {leaf['method']}"
    if leaf["kind"] == "outcome":
        return f"local {leaf['method']} {leaf['status']}" if leaf["intent"] is None else f"outcome {leaf['status']}"
    if leaf["kind"] == "denial":
        refusal = msgspec.convert(leaf["refusal"], Leaf)
        reasons = msgspec.convert(refusal["reasons"], list[str])
        return f"denial {leaf.get('method', '-')} {' '.join(reasons)}"
    return json.dumps(leaf)
