"""Proofs that one leaf is in a log (C2SP tlog-proof@v1): made from its files, checked without them."""

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from pathlib import Path

from tallystick.audit.offline.read import Damage, UnreadableError, reader, size_of
from tallystick.audit.offline.read import text as text_of
from tallystick.audit.tlog.merkle import includes, inclusion, leaf_hash
from tallystick.audit.tlog.note import Checkpoint, open_checkpoint, parse_vkey
from tallystick.audit.tlog.tiles import tile_node
from tallystick.terms import TallyError

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


def check_proof(text: str, vkey: str, leaf: bytes) -> Checkpoint | Damage:
    """Check a proof against a key and the leaf's bytes; return the checkpoint that vouches for the leaf."""
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    if not found or lines[0] != PROOF_HEADER:
        return Damage("proof", None, f"does not start with {PROOF_HEADER}")
    lines = [line for line in lines[1:] if not line.startswith("extra ")]
    try:
        checkpoint = open_checkpoint(note, parse_vkey(vkey))
        index = int(lines[0].removeprefix("index "))
        path = [b64decode(line, validate=True) for line in lines[1:]]
    except (TallyError, Base64Error, ValueError, IndexError) as error:
        return Damage("proof", None, f"cannot be read: {error}")
    if includes(leaf_hash(leaf), index, checkpoint.size, path) != checkpoint.root:
        return Damage("proof", index, "the leaf is not the one that the log holds at this index")
    return checkpoint
