"""Proofs that one leaf is in a log (C2SP tlog-proof@v1): made from its files, checked without them."""

import json
from base64 import b64encode
from pathlib import Path

from tallystick.audit.offline.read import Damage, UnreadableError, Untold, is_fields, is_items, reader, size_of
from tallystick.audit.offline.read import text as text_of
from tallystick.audit.tlog.merkle import includes, inclusion, leaf_hash
from tallystick.audit.tlog.note import Checkpoint, NoteError, NotSignedError, decode, open_checkpoint, parse_vkeys
from tallystick.audit.tlog.policy import Policy
from tallystick.audit.tlog.tiles import tile_node

PROOF_HEADER = "c2sp.org/tlog-proof@v1"


def prove(directory: Path, index: int) -> str:
    """Proof that a leaf is in the log, as a C2SP tlog-proof with the checkpoint inside; raises UnreadableError."""
    size = size_of(directory)
    if not 0 <= index < size:
        message = f"no leaf {index}: the log has {size} leaves"
        raise UnreadableError(message)
    try:
        path = inclusion(index, size, tile_node(reader(directory), size))
    except LookupError as error:
        message = f"{directory}: {error}; run `tally audit verify {directory}`"
        raise UnreadableError(message) from error
    hashes = "".join(f"{b64encode(digest).decode()}\n" for digest in path)
    return f"{PROOF_HEADER}\nindex {index}\n{hashes}\n{text_of(directory / 'checkpoint')}"


def check_proof(text: str, vkey: str, leaf: bytes, policy: Policy | None = None) -> Checkpoint | Damage:
    """Check a proof against keys (one per line) and the leaf's bytes; return the checkpoint that vouches for the leaf.

    With a policy, its witnesses must have cosigned. What cannot be told with these keys or this policy is an `Untold`.
    """
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != PROOF_HEADER:
        return Damage("proof", None, f"does not start with {PROOF_HEADER}")
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    try:
        checkpoint = open_checkpoint(note, parse_vkeys(vkey))
        index = int(lines[0].removeprefix("index "))
        path = [decode(line) for line in lines[1:]]
        reached = policy is None or policy.satisfied(policy.cosigners(note))
    except NotSignedError as error:
        return Untold("proof", None, f"this key did not sign this log: {error.message}")
    except (NoteError, ValueError, IndexError) as error:
        return Damage("proof", None, f"cannot be read: {error}")
    if includes(leaf_hash(leaf), index, checkpoint.size, path) != checkpoint.root:
        return Damage("proof", index, "the leaf is not the one that the log holds at this index")
    if not reached and policy is not None:
        return Untold("proof", index, f"the quorum {policy.quorum} of the policy has not cosigned its checkpoint")
    return checkpoint


def read_receipt(text: str) -> tuple[str, bytes] | Damage:
    """Proof and leaf of a receipt: the JSON object that a reply carries, or the whole reply around it."""
    try:
        found = _receipt(json.loads(text))
    except (ValueError, RecursionError):
        found = None
    if found is None:
        return Damage("receipt", None, "is no receipt: an object with the members leaf, index and proof")
    return str(found["proof"]), str(found["leaf"]).encode(errors="replace")


def _receipt(value: object) -> dict[str, object] | None:
    if is_fields(value):
        if isinstance(value.get("leaf"), str) and isinstance(value.get("proof"), str):
            return value
        return next((found for found in map(_receipt, value.values()) if found is not None), None)
    if is_items(value):
        return next((found for found in map(_receipt, value) if found is not None), None)
    return None
