"""A published log to follow: real leaves, tiles and checkpoints, written as the writer writes them."""

from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick import audit
from tallystick.audit.tlog.note import Checkpoint, sign_checkpoint, verifier_of
from tallystick.audit.tlog.tiles import Edge
from tallystick.export.model import Place
from tallystick.terms import TenantId
from tests.audit.sample import CALLER, DECISION, NOON, TARGET, call_of

BANK = "bank"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


class Published:
    """One log below a state directory, which grows when told."""

    def __init__(self, state: Path, tenant: str = BANK, year: int = 2026, key: Ed25519PrivateKey = KEY) -> None:
        self.place = Place(tenant, year)
        self.directory = state / "audit" / tenant / str(year)
        self.directory.mkdir(parents=True)
        self.origin = f"localhost/{tenant}/{year}"
        self.key = key
        self.leaves: list[bytes] = []
        self._edge = Edge()
        self.state_vkey([key])
        self.publish([])

    def state_vkey(self, keys: Sequence[Ed25519PrivateKey]) -> None:
        """Say beside the log which keys sign it."""
        text = "".join(f"{verifier_of(self.origin, key).vkey}\n" for key in keys)
        (self.directory / "vkey").write_text(text)

    def publish(self, leaves: Sequence[bytes]) -> None:
        """Publish leaves: tiles first, the checkpoint after them."""
        self.leaves += leaves
        for path, content in self._edge.extend(leaves).items():
            file = self.directory / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        checkpoint = Checkpoint(self.origin, self._edge.size, self._edge.root())
        (self.directory / "checkpoint").write_text(sign_checkpoint(checkpoint, self.key))

    def call(self, number: int, at: float = NOON) -> list[bytes]:
        """Leaves of one call: its intent, which comes next in the log, and its outcome."""
        first = len(self.leaves)
        return [
            audit.encode(intent(number, self.place.tenant, at)),
            audit.encode(outcome(number, first, self.place.tenant, at)),
        ]

    def publish_calls(self, numbers: range, at: float = NOON) -> None:
        """Publish calls, one after the other, under one checkpoint."""
        fresh: list[bytes] = []
        for number in numbers:
            first = len(self.leaves) + len(fresh)
            fresh.append(audit.encode(intent(number, self.place.tenant, at)))
            fresh.append(audit.encode(outcome(number, first, self.place.tenant, at)))
        self.publish(fresh)


def intent(number: int, tenant: str = BANK, at: float = NOON) -> audit.Intent:
    """Intent of a numbered call."""
    return audit.Intent(call_of(number), at, TenantId(tenant), CALLER, TARGET, DECISION, "e" * 64, 300)


def outcome(number: int, index: int, tenant: str = BANK, at: float = NOON) -> audit.Outcome:
    """Outcome of a numbered call, whose intent is at `index`."""
    return audit.Outcome(call_of(number), at, TenantId(tenant), index, "success", 1200, 90, "f" * 64)
