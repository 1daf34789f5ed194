"""A log that grows in memory, can be forked and rolled back, and asks as a log does."""

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

from tallystick.audit.tlog.cosign import SigningKey, signing_key
from tallystick.audit.tlog.merkle import consistency
from tallystick.audit.tlog.message import ED25519, ML_DSA_44
from tallystick.audit.tlog.note import Checkpoint, Verifier
from tallystick.audit.tlog.tiles import Edge, tile_node

ORIGIN = "bank.example/acme/2026"


class Tree(NamedTuple):
    """The leaves of a log, and how it signs."""

    leaves: tuple[bytes, ...]
    origin: str = ORIGIN
    keys: tuple[SigningKey, ...] = (signing_key(ED25519, bytes(32)), signing_key(ML_DSA_44, bytes(32)))

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """Public sides of the keys."""
        return tuple(key.verifier(self.origin) for key in self.keys)

    @property
    def vkeys(self) -> str:
        """Content of the `vkey` file."""
        return "".join(f"{verifier.vkey}\n" for verifier in self.verifiers)

    @property
    def checkpoint(self) -> Checkpoint:
        """What the log commits to."""
        edge = Edge()
        edge.extend(self.leaves)
        return Checkpoint(self.origin, len(self.leaves), edge.root())

    @property
    def note(self) -> str:
        """The signed checkpoint."""
        body = self.checkpoint.body
        return f"{body}\n" + "".join(f"{key.sign(self.origin, body, 1_790_000_000)}\n" for key in self.keys)

    def at(self, size: int) -> "Tree":
        """The same log when it was smaller."""
        return self._replace(leaves=self.leaves[:size])

    def prove(self, old: int, new: int) -> list[bytes]:
        """Consistency proof between two sizes."""
        files = Edge().extend(self.leaves[:new])
        return consistency(old, new, tile_node(files.get, new)) if old else []

    def request(self, old: int, proof: Sequence[bytes] | None = None) -> bytes:
        """Body of `add-checkpoint`, with the right proof unless another one is given."""
        hashes = self.prove(old, len(self.leaves)) if proof is None else proof
        lines = "".join(f"{b64encode(digest).decode()}\n" for digest in hashes)
        return f"old {old}\n{lines}\n{self.note}".encode()


def tree(size: int, name: str = "leaf", origin: str = ORIGIN) -> Tree:
    """A log of so many leaves; those of another name are another history."""
    return Tree(tuple(f"{name} {number}".encode() for number in range(size)), origin)
