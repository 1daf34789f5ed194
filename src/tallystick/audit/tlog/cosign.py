"""Signing keys, and the lines they add to checkpoints: Ed25519 (0x01), cosignature/v1 (0x04), ML-DSA-44 (0x06).

A log signs with 0x01 and 0x06 under its origin, a witness with 0x04 and 0x06 under its own name (tlog-cosignature).
Never in here: where keys are kept, or whether a checkpoint deserves a signature.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44, Tree, join, message
from tallystick.audit.tlog.note import Verifier, checked_name, read_checkpoint, signature_line

SEED_BYTES: Final = 32
"""Length of the secret of a key of either algorithm."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the one signature type it is used for; it signs under any name."""

    kind: int
    private: Ed25519PrivateKey | MLDSA44PrivateKey

    def verifier(self, name: str) -> Verifier:
        """Public side under a name; raises NoteError for a name that a key cannot have."""
        return Verifier(checked_name(name), self.private.public_key().public_bytes_raw(), self.kind)

    def sign(self, name: str, body: str, at: float) -> str:
        """The signature line (without its newline) over the text of a checkpoint, made at `at` (seconds, epoch)."""
        checkpoint, moment = read_checkpoint(body), int(at)
        tree = Tree(checkpoint.origin, checkpoint.size, checkpoint.root)
        signature = self.private.sign(message(self.kind, name, body, tree, moment))
        return signature_line(name, self.verifier(name).key_id + join(self.kind, moment, signature))


def signing_key(kind: int, seed: bytes) -> SigningKey:
    """Key of a 32-byte secret; raises ValueError for another length."""
    if len(seed) != SEED_BYTES:
        msg = f"a signing key has {SEED_BYTES} bytes, this one has {len(seed)}"
        raise ValueError(msg)
    if kind == ML_DSA_44:
        return SigningKey(kind, MLDSA44PrivateKey.from_seed_bytes(seed))
    if kind in {ED25519, COSIGNATURE}:
        return SigningKey(kind, Ed25519PrivateKey.from_private_bytes(seed))
    msg = f"no signature type {kind:#04x}"
    raise ValueError(msg)
