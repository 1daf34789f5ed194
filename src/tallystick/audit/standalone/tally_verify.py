#!/usr/bin/env python3
# ruff: noqa: PLR2004 - the numbers are those of the formats named below, and are best read where they are used
"""Verifies a Tallystick record with nothing but Python 3.11, `cryptography` and the public keys. One file, to be read.

  python tally_verify.py --keys KEYS [--policy POLICY] [--older CHECKPOINT] DIRECTORY   a whole log
  python tally_verify.py --keys KEYS [--policy POLICY] --proof PROOF LEAF               one leaf and its .tlog-proof
  python tally_verify.py --keys KEYS [--policy POLICY] --receipt RECEIPT                the receipt of one call (JSON)

KEYS holds the log's verifier keys, one per line, from a source you trust. POLICY says which witnesses must have
cosigned. CHECKPOINT is an older signed checkpoint of the same log: the log has to continue it.
Exit code 0: whole. 1: damaged, and it says where. 2: called wrongly. 3: keys, policy or a pruned log do not tell.

What is checked: signatures; every leaf's hash; every tile; the root; that each leaf is canonical JSON of a known kind;
that each outcome closes the intent it names. Formats: c2sp.org/{signed-note,tlog-checkpoint,tlog-cosignature,
tlog-tiles,tlog-proof,tlog-policy}, RFC 6962, RFC 8785. `tally audit verify` checks more: every field, time, payloads.
"""

import argparse
import json
import re
import sys
from base64 import b64decode, b64encode
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

try:
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
except ImportError:  # an older `cryptography`: signatures with ML-DSA-44 are passed over, those with Ed25519 remain
    MLDSA44PublicKey = None

_KINDS = "admin approval breakglass config denial erasure export heartbeat hold in_doubt intent key login open outcome"
KINDS = frozenset(f"{_KINDS} policy registry token".split())


class Damaged(Exception):
    """Something is not what was signed."""


class Untold(Exception):
    """What was given is not enough to tell."""


def stop(text: str, why: type[Exception] = Damaged) -> NoReturn:
    """Stop: something is not what was signed, or cannot be told."""
    raise why(text)


# --- Keys and signed notes --------------------------------------------------------------------------------------------


class Key(NamedTuple):
    """A verifier key; kind 1: Ed25519, 4: Ed25519 cosignature with time, 6: ML-DSA-44 cosignature with time."""

    name: str
    identity: bytes
    kind: int
    raw: bytes
    text: str

    @property
    def is_usable(self) -> bool:
        """Whether the installed `cryptography` knows the algorithm."""
        return self.kind != 6 or MLDSA44PublicKey is not None


class Note(NamedTuple):
    """A signed checkpoint: its text, its (name, key id, signature) lines, and what it commits to."""

    body: str
    signatures: list[tuple[str, bytes, bytes]]
    origin: str
    size: int
    root: bytes


def decode(text: str) -> bytes:
    """Bytes of base64 text; each value has exactly one text."""
    try:
        value = b64decode(text, validate=True)
    except ValueError:
        stop("not base64")
    return value if b64encode(value).decode() == text else stop("not canonical base64")


def parse_key(line: str) -> Key:
    """Read name+hex(key id)+base64(kind || key), where the key id is SHA-256(name || newline || kind || key)[:4]."""
    match = re.fullmatch(r"([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)", line) or stop("not a verifier key")
    material = decode(match[3])
    identity = sha256(match[1].encode() + b"\n" + material).digest()[:4]
    if identity.hex() != match[2] or len(material) != {1: 33, 4: 33, 6: 1313}.get(material[0]):
        stop("the verifier key does not match its own key id or length")
    return Key(match[1], identity, material[0], material[1:], line)


def parse_keys(text: str) -> list[Key]:
    """Every key of a file with one on each line."""
    return [parse_key(line.strip()) for line in text.split("\n") if line.strip()] or stop("there is no key in it")


def parse_note(text: str) -> Note:
    """Take a signed checkpoint apart: origin, size and root, a blank line, signatures."""
    body, _, lines = text.rpartition("\n\n")
    head = re.fullmatch(r"([^\n]+)\n(0|[1-9][0-9]{0,18})\n([A-Za-z0-9+/=]+)\n(?:[^\n]+\n)*", body + "\n")
    if head is None or not lines.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
        stop("not a signed checkpoint")
    found: list[tuple[str, bytes, bytes]] = []
    for line in lines[:-1].split("\n")[:100]:
        match = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line) or stop("not a line with a signature")
        found.append((match[1], decode(match[2])[:4], decode(match[2])[4:]))
    return Note(body + "\n", found, head[1], int(head[2]), decode(head[3]))


def signers(note: Note, keys: list[Key]) -> list[Key]:
    """Those of the keys that have signed; a line that claims one of them and does not fit is damage."""
    return [key for key in keys if any(_signed(note, key, *line) for line in note.signatures)]


def _signed(note: Note, key: Key, name: str, identity: bytes, value: bytes) -> bool:
    if (name, identity) != (key.name, key.identity):
        return False
    time, signature = value[:8], value[8:]
    try:
        if key.kind == 1:
            Ed25519PublicKey.from_public_bytes(key.raw).verify(value, note.body.encode())
        elif key.kind == 4:
            when = f"cosignature/v1\ntime {int.from_bytes(time, 'big')}\n"
            Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, (when + note.body).encode())
        elif MLDSA44PublicKey is not None:
            who, log = name.encode(), note.origin.encode()
            tree = bytes([len(log)]) + log + (0).to_bytes(8, "big") + note.size.to_bytes(8, "big") + note.root
            label = b"subtree/v1\n\0" + bytes([len(who)]) + who + time
            MLDSA44PublicKey.from_public_bytes(key.raw).verify(signature, label + tree)
    except (InvalidSignature, ValueError):
        stop(f"the signature of {name} does not fit the text")
    return key.is_usable


def check_quorum(policy: str, note: Note) -> None:
    """Raise Untold unless the witnesses that a policy asks for have cosigned."""
    lines = [line.split() for line in policy.splitlines() if line.strip() and not line.strip().startswith("#")]
    try:
        witnesses = [(words[1], parse_key(words[2])) for words in lines if words[0] == "witness"]
        groups = [words for words in lines if words[0] == "group"]
        least = {words[1]: {"all": len(words) - 3, "any": 1}.get(words[2]) or int(words[2]) for words in groups}
        (wanted,) = [words[1] for words in lines if words[0] == "quorum"]
    except (Damaged, ValueError, LookupError) as error:
        stop(f"the policy cannot be read: {error}", Untold)
    reached = {"none"} | {name for name, key in witnesses if signers(note, [key])}
    for _, name, _, *members in groups:
        if sum(member in reached for member in members) >= least[name]:
            reached.add(name)
    if wanted not in reached:
        stop(f"the quorum {wanted!r} is not reached: cosigned by {sorted(reached - {'none'}) or 'nobody'}", Untold)


def open_checkpoint(text: str, keys: list[Key], policy: str | None = None) -> Note:
    """Read a checkpoint that one of the keys has signed and the policy's witnesses have cosigned."""
    note = parse_note(text)
    signed = signers(note, keys)
    if not signed:
        named = ", ".join(f"{key.name}+{key.identity.hex()}" for key in keys)
        stop(f"these keys did not sign this log: {named}", Untold)
    if any(key.name != note.origin for key in signed):
        stop("the checkpoint is one of another log")
    if policy is not None:
        check_quorum(policy, note)
    return note


# --- The Merkle tree --------------------------------------------------------------------------------------------------

Row = list[bytes]
"""Hashes of neighbouring subtrees of one size."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of a leaf (RFC 6962, 2.1)."""
    return sha256(b"\0" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees."""
    return sha256(b"\1" + left + right).digest()


def root_of(row: Row) -> bytes:
    """Root over a row, whose last subtree may be incomplete."""
    while len(row) > 1:
        row = [node_hash(*row[at : at + 2]) if at + 1 < len(row) else row[at] for at in range(0, len(row), 2)]
    return row[0] if row else sha256(b"").digest()


def root_of_edges(edges: list[Row]) -> bytes:
    """Root of a tree from the incomplete tile of each level: each is closed by what is incomplete below it."""
    below: Row = []
    for hashes in edges:
        below = [root_of(hashes + below)] if hashes + below else []
    return root_of(below)


def included(leaf: bytes, index: int, size: int, path: Row) -> bytes:
    """Root that a leaf and its audit path lead to (RFC 9162, 2.1.3.2)."""
    number, last, current = index, size - 1, leaf_hash(leaf)
    if not 0 <= index < size:
        stop("there is no such index")
    for sibling in path:
        if last == 0:
            stop("the path is too long")
        if number & 1 or number == last:
            current = node_hash(sibling, current)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        number, last = number >> 1, last >> 1
    return current if last == 0 else stop("the path is too short")


def check_proof(text: str, leaf: bytes, keys: list[Key], policy: str | None) -> str:
    """Check a .tlog-proof of a leaf and say what it proves."""
    head, _, note = text.partition("\n\n")
    first, *lines = [line for line in head.split("\n") if not line.startswith("extra ")]
    checkpoint = open_checkpoint(note, keys, policy)
    index = re.fullmatch(r"index (0|[1-9][0-9]{0,18})", lines[0] if lines else "")
    if first != "c2sp.org/tlog-proof@v1" or index is None:
        stop("not a tlog-proof")
    if included(leaf, int(index[1]), checkpoint.size, [decode(line) for line in lines[1:]]) != checkpoint.root:
        stop("the leaf is not the one that the log holds at this index")
    return f"proven: leaf {index[1]} of {checkpoint.origin}, a log of {checkpoint.size} leaves"


# --- A whole log ------------------------------------------------------------------------------------------------------


def tile_path(level: int | str, number: int, width: int) -> str:
    """Path of a tile, 256 wide if complete; level "entries" for a bundle of leaves."""
    name = f"{number % 1000:03d}"
    while number := number // 1000:
        name = f"x{number % 1000:03d}/{name}"
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")


def cut(tile: bytes) -> Row:
    """Hashes of a tile."""
    return [tile[at : at + 32] for at in range(0, len(tile), 32)]


def entries(bundle: bytes) -> list[bytes]:
    """Leaves of a bundle, each still behind its length of two bytes."""
    found, at = list[bytes](), 0
    while at + 2 <= len(bundle) and (stop := at + 2 + int.from_bytes(bundle[at : at + 2], "big")) <= len(bundle):
        found.append(bundle[at:stop])
        at = stop
    return found


class Log:
    """A log in a directory. `damage` collects (file, index, what is wrong).

    For each tile there are two witnesses: the hashes it holds, and those that follow from what lies below it. Whichever
    leads to the hash above is genuine, and the other is to blame.
    """

    def __init__(self, directory: Path, note: Note, older: Note | None) -> None:
        self.directory, self.size, self.root, self.older = directory, note.size, note.root, older
        self.damage: list[tuple[str, int | None, str]] = []
        self.opened: dict[int, object] = {}  # call id of each open intent
        self.lost = False  # leaves are missing: nothing is concluded from pairs and prefixes any more
        self.peaks: list[tuple[int, bytes]] = []  # complete subtrees over the leaves so far: (width, root)
        stated = self.read("minimum-index") or b"0\n"  # leaves before it may be gone (tlog-tiles, pruning)
        self.minimum = int(stated) if re.fullmatch(rb"(0|[1-9][0-9]{0,18})\n", stated) else note.size + 1
        if self.minimum > self.size:
            self.minimum = 0
            self.blame("minimum-index", None, "is no number of leaves")

    def blame(self, file: str, index: int | None, text: str) -> None:
        """Note a damage."""
        self.damage.append((file, index, text))

    def read(self, path: str) -> bytes | None:
        """Content of a file, or None."""
        return (self.directory / path).read_bytes() if (self.directory / path).is_file() else None

    def width(self, level: int, number: int) -> int:
        """Number of hashes in a tile."""
        return min(256, (self.size >> 8 * level) - number * 256)

    def bundle(self, number: int) -> bytes | None:
        """Bytes of a bundle; a complete one may stand in for an incomplete one."""
        width = self.width(0, number)
        found = self.read(tile_path("entries", number, width))
        whole = self.read(tile_path("entries", number, 256)) if found is None else None
        return found if whole is None else b"".join(entries(whole)[:width])

    def stored(self, level: int, number: int) -> Row | None:
        """Hashes that a tile holds; None where it is missing or has the wrong length."""
        width = self.width(level, number)
        found = self.read(tile_path(level, number, width))
        whole = self.read(tile_path(level, number, 256)) if found is None else None
        found = found if whole is None else whole[: 32 * width]
        return cut(found) if found is not None and len(found) == 32 * width else None

    def below(self, level: int, number: int) -> Row:
        """Hashes of a tile as they follow from what lies below it."""
        if level == 0:
            return [leaf_hash(entry[2:]) for entry in entries(self.bundle(number) or b"")]
        children = range(number * 256, number * 256 + self.width(level, number))
        return [root_of(self.stored(level - 1, child) or []) for child in children]

    def check(self) -> None:
        """Check all tiles and leaves against the root that was signed."""
        last = [self.size >> 8 * (level + 1) for level in range((self.size.bit_length() + 7) // 8)]
        edges = [self.stored(level, number) if self.width(level, number) else [] for level, number in enumerate(last)]
        if None in edges or root_of_edges([edge or [] for edge in edges]) != self.root:
            known = [[row for row in (edge, self.below(level, last[level])) if row] for level, edge in enumerate(edges)]
            known = [choice or [[]] for choice in known]
            right = next((each for each in product(*known) if root_of_edges(list(each)) == self.root), None)
            edges = list(right) if right else [None] * len(last)
        for level, number in reversed([*enumerate(last)]):
            if self.width(level, number):
                self.descend(level, number, None, edges[level])
        if None in edges and not self.damage:
            self.blame("checkpoint", None, "the tiles do not lead to its root")

    def descend(self, level: int, number: int, expected: bytes | None, genuine: Row | None) -> None:
        """Check a tile that must lead to `expected`, or (incomplete ones) hold `genuine`, and all that is below it."""
        path, first = tile_path(level, number, self.width(level, number)), number * 256 << 8 * level
        gone = (number + 1) << 8 * (level + 1) <= self.minimum
        stored = self.stored(level, number)
        if stored is not None and expected is not None and root_of(stored) == expected:
            genuine = stored
        if stored is None or stored != genuine:
            below = self.below(level, number)
            genuine = below if expected is not None and root_of(below) == expected else genuine
            held, right = stored or [], genuine or below
            differing = [at for at in range(max(len(held), len(right))) if held[at : at + 1] != right[at : at + 1]]
            if stored is None:
                if not gone:
                    self.blame(path, first, "is missing or has the wrong length")
            elif differing:
                self.blame(path, first + (differing[0] << 8 * level), "a hash does not follow from what lies below it")
            elif expected is not None:
                self.blame(path, first, "is not what the checkpoint commits to")
        else:
            self.forerunners(path, cut(b"".join(stored)))
        if level == 0:
            self.check_leaves(number, genuine)
            return
        for at in range(self.width(level, number)):
            self.descend(level - 1, number * 256 + at, genuine[at] if genuine else None, None)

    def forerunners(self, path: str, parts: list[bytes]) -> None:
        """Older, narrower versions of a tile, where they were kept, must be its beginnings."""
        folder = path.partition(".p/")[0] + ".p"
        for file in sorted((self.directory / folder).glob("*")):
            width = int(file.name) if file.name.isdecimal() else 0
            if 0 < width < len(parts) and file.read_bytes() != b"".join(parts[:width]):
                self.blame(f"{folder}/{width}", None, "is not a beginning of the tile that follows it")

    def check_leaves(self, number: int, genuine: Row | None) -> None:
        """Check a bundle and its leaves against their genuine hashes."""
        first, width, content = number * 256, self.width(0, number), self.bundle(number)
        path, found = tile_path("entries", number, width), entries(content or b"")
        if content is None and min(first + 256, self.size) > self.minimum:
            self.blame(path, first, "is missing")
        digests = [leaf_hash(entry[2:]) for entry in found]
        wrong = [at for at in range(width) if not genuine or digests[at : at + 1] != genuine[at : at + 1]]
        self.lost = self.lost or bool(wrong)
        if content is None or genuine is None:
            return
        if wrong:
            self.blame(path, first + wrong[0], "the leaf is missing, or not the one that was logged")
        elif b"".join(found) != content or len(found) != width:
            self.blame(path, first + width - 1, "bytes follow the last leaf")
        if not wrong:
            self.forerunners(path, found)
        for at in sorted({*range(width)} - {*wrong}):
            self.check_leaf(path, first + at, found[at][2:])
        for digest in genuine:
            self.grow(digest)

    def check_leaf(self, path: str, index: int, leaf: bytes) -> None:
        """Check what a leaf says."""
        try:  # RFC 8785 for what leaves hold: no fractions, and names in ASCII
            fields: dict[str, object] = json.loads(leaf, parse_float=lambda _: None)
            again = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            fields, again = {}, b""
        if again != leaf or not leaf.startswith(b"{"):
            self.blame(path, index, "the leaf is not canonical JSON")
            return
        kind, call, closes = fields.get("kind"), fields.get("id"), fields.get("intent")
        if kind not in KINDS or fields.get("v") != 1 or not isinstance(fields.get("ts"), str):
            self.blame(path, index, "the leaf has no known kind, time or version")
        elif kind == "intent":
            self.opened[index] = call
        elif kind in {"outcome", "in_doubt"} and isinstance(closes, int):
            self.close(path, index, closes, call)

    def close(self, path: str, index: int, intent: int, call: object) -> None:
        """Check that a leaf closes an open intent of its own call."""
        if self.opened.pop(intent, None) != call and not self.lost:
            self.blame(path, index, f"closes leaf {intent}, which is no open intent of the same call")

    def grow(self, digest: bytes) -> None:
        """Add a leaf's hash to the complete subtrees, and compare with the older checkpoint on the way."""
        self.peaks.append((1, digest))
        while len(self.peaks) > 1 and self.peaks[-2][0] == self.peaks[-1][0]:
            (width, left), (_, right) = self.peaks[-2:]
            self.peaks[-2:] = [(2 * width, node_hash(left, right))]
        if self.older and not self.lost and sum(width for width, _ in self.peaks) == self.older.size:
            current = self.peaks[-1][1]
            for _, peak in reversed(self.peaks[:-1]):
                current = node_hash(peak, current)
            if current != self.older.root:
                self.blame("checkpoint", None, f"the first {self.older.size} leaves are not those of the older one")


def check_listed(listed: str | None, keys: list[Key], note: Note) -> list[tuple[str, str]]:
    """What is wrong with the list of keys beside a log, if there is one: each must be a key, and have signed."""
    if listed is None:
        return []
    try:
        known = parse_keys(listed)
        signed = signers(note, known)
    except Damaged as error:
        return [("vkey", str(error))]
    wrong = [] if "".join(key.text + "\n" for key in known) == listed else [("vkey", "has not one key on each line")]
    missing = [key for key in known if key not in signed and key.is_usable]
    return wrong + [("checkpoint" if key in keys else "vkey", f"not signed by {key.name}") for key in missing]


def check_log(directory: Path, keys: list[Key], policy: str | None, older: str | None) -> tuple[str, Log]:
    """Check a whole log and say what it is."""
    text = (directory / "checkpoint").read_bytes().decode()
    listed = (directory / "vkey").read_bytes().decode(errors="replace") if (directory / "vkey").is_file() else None
    try:
        note = open_checkpoint(text, keys)
    except Untold:
        # The keys that the log names itself did not sign it: then the checkpoint was changed, and it is not the key.
        if {key.text for key in keys if key.is_usable} & {*(listed or "").splitlines()}:
            stop("checkpoint: is not signed by the key that is listed beside it")
        raise
    before = open_checkpoint(older, keys) if older is not None else None
    log = Log(directory, note, before)
    log.check()
    for file, wrong in check_listed(listed, keys, note):
        log.blame(file, None, wrong)
    if before and before.size > note.size:
        log.blame("checkpoint", note.size, f"the log had {before.size} leaves when the older checkpoint was signed")
    if policy is not None and not log.damage:
        check_quorum(policy, note)
    if log.minimum and not log.damage:
        stop(f"leaves before {log.minimum} may be gone; `tally audit verify` looks for the leaf that says why", Untold)
    said = f"whole: {note.origin}, {note.size} leaves, {len(log.opened)} open intents, root {note.root.hex()}"
    return f"{said}, signed by {len(signers(note, keys))} of the {len(keys)} keys that were given", log


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    for name in ("--keys", "--policy", "--older", "--proof", "--receipt"):
        parser.add_argument(name, type=Path, required=name == "--keys")
    parser.add_argument("subject", type=Path, nargs="?", help="the log's directory, or the leaf of a proof")
    given = parser.parse_args(arguments)
    if (given.subject is None) == (given.receipt is None):
        parser.error("name the log's directory, or --proof and a leaf, or --receipt")
    try:
        keys = parse_keys(given.keys.read_text())
        policy, older = (file and file.read_text() for file in (given.policy, given.older))
    except (Damaged, OSError, ValueError) as error:
        parser.error(f"{given.keys}: {error}")
    said, damage = "", list[tuple[str, int | None, str]]()
    try:
        if given.receipt is not None:
            receipt = json.loads(given.receipt.read_text())
            said = check_proof(receipt["proof"], receipt["leaf"].encode(), keys, policy)
        elif given.proof is not None:
            said = check_proof(given.proof.read_text(), given.subject.read_bytes(), keys, policy)
        else:
            said, log = check_log(given.subject, keys, policy, older)
            damage = log.damage
    except Untold as error:
        sys.stdout.write(f"NOT VERIFIED: {error}\n")
        return 3
    except (Damaged, ValueError, LookupError, TypeError, OSError) as error:
        damage.append(("checkpoint" if given.proof is given.receipt is None else "proof", None, str(error)))
    for file, index, text in damage:
        sys.stdout.write(f"DAMAGED: {file}{'' if index is None else f', leaf {index}'}: {text}\n")
    sys.stdout.write("" if damage else f"{said}\n")
    return 1 if damage else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
