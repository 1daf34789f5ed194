"""The keys that sign a state directory's checkpoints: kept in files, used in pairs, replaced with overlap.

Never in here: what is signed, a key of a witness, or a key of payloads.
"""

from tallystick.audit.signing.signers import KeyChange, KeyChangeError, Signers, load_signers

__all__ = ["KeyChange", "KeyChangeError", "Signers", "load_signers"]
