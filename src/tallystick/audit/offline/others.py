"""Holds a log against what others keep of it: older checkpoints, and those that witnesses have cosigned."""

from collections.abc import Sequence
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from ssl import create_default_context
from typing import Final, NamedTuple
from urllib.request import urlopen

from tallystick.audit.offline.content.story import Story
from tallystick.audit.offline.read import Files, UnreadableError
from tallystick.audit.tlog.merkle import consistency, is_consistent
from tallystick.audit.tlog.note import Checkpoint, NoteError, NotSignedError, Verifier, open_checkpoint
from tallystick.audit.tlog.policy import Policy
from tallystick.audit.tlog.tiles import tile_node

PATIENCE_S: Final = 10.0
"""Seconds that a witness has for its answer."""
COSIGNED: Final = "cosigned"
"""File of a log with the newest checkpoint that a quorum has cosigned; the newest of all may be waiting for that."""
_CHECKPOINT_LIMIT: Final = 1 << 20


class Heard(NamedTuple):
    """What others say: up to which leaf a quorum has cosigned (None: nobody was asked), and what cannot be told."""

    cosigned: int | None = None
    untold: tuple[str, ...] = ()


def ask_witness(url: str, origin: str, ca_file: Path | None = None) -> str:
    """Newest checkpoint of a log that a witness shows under its monitoring URL (C2SP tlog-witness).

    `ca_file`: whose certificate it must have, if not one of the system's. Raises UnreadableError: a witness that does
    not answer proves nothing.
    """
    where = f"{url.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
    try:
        trust = create_default_context(cafile=ca_file)
        with urlopen(where, timeout=PATIENCE_S, context=trust) as answer:  # noqa: S310 - who calls lets http and https pass
            return answer.read(_CHECKPOINT_LIMIT).decode()
    except (OSError, HTTPException, ValueError) as error:
        message = f"the witness at {url} shows no checkpoint of {origin}: {error}"
        raise UnreadableError(message) from error


def hear(
    files: Files,
    own: tuple[str, Checkpoint],
    keys: Sequence[Verifier],
    others: tuple[Sequence[str], Policy | None],
    story: Story,
) -> Heard:
    """Check that the log continues every other signed checkpoint, and how much of it the policy's quorum has cosigned.

    A checkpoint that the log does not continue is damage: it was rewritten, cut off, or shown differently to others.
    """
    (text, checkpoint), (texts, policy) = own, others
    untold: list[str] = []
    sizes: dict[str, int] = {}
    kept = files.read(COSIGNED)
    # A log that is being written may have gone on since its checkpoint was read.
    still = kept is not None and files.read("checkpoint") == text.encode()
    beside = (kept.decode(errors="replace"),) if kept is not None and still else ()
    named = [("checkpoint", text)] if policy is not None else []
    named += [(COSIGNED, other) for other in beside] + [("other checkpoint", other) for other in texts]
    for name, other in named:
        try:
            seen = checkpoint if other == text else open_checkpoint(other, keys)
            cosigners = frozenset[str]() if policy is None else policy.cosigners(other)
        except NotSignedError as error:
            # A key that is trusted now need not have signed what was cosigned before a rotation.
            if name != COSIGNED:
                untold.append(f"the other checkpoint is {error.message}")
            continue
        except NoteError as error:
            story.blame(name, None, error.message)
            continue
        wrong = _disagreement(files, checkpoint, seen)
        if wrong is not None:
            index = checkpoint.size if seen.size > checkpoint.size else None
            who = ", ".join(sorted(cosigners)) or name
            story.blame("checkpoint", index, f"{who}: {wrong}")
            continue
        sizes |= {one: max(seen.size, sizes.get(one, 0)) for one in cosigners}
    if policy is None:
        return Heard(None, tuple(untold))
    cosigned = _covered(sizes, policy, checkpoint.size)
    if cosigned is None:
        who = ", ".join(sorted(sizes)) or "nobody"
        untold.append(f"the quorum {policy.quorum} is not reached: cosigned by {who}")
    elif cosigned < checkpoint.size:
        story.find("witness", cosigned, f"the quorum has cosigned the {cosigned} leaves before this one, none after")
    return Heard(cosigned, tuple(untold))


def _covered(sizes: dict[str, int], policy: Policy, size: int) -> int | None:
    """The most leaves that a quorum has seen; None where there is none."""
    if policy.satisfied(()):
        return size
    for least in sorted(set(sizes.values()), reverse=True):
        if policy.satisfied(name for name, seen in sizes.items() if seen >= least):
            return least
    return None


def _disagreement(files: Files, checkpoint: Checkpoint, seen: Checkpoint) -> str | None:
    if seen.size > checkpoint.size:
        return f"has seen {seen.size} leaves under the log's own signature, and here are {checkpoint.size}"
    if seen.size in {0, checkpoint.size}:
        same = seen.size == 0 or seen.root == checkpoint.root
    else:
        try:
            proof = consistency(seen.size, checkpoint.size, tile_node(files.read, checkpoint.size))
        except LookupError:
            proof = []
        same = is_consistent((seen.size, seen.root), (checkpoint.size, checkpoint.root), proof)
    return None if same else f"the first {seen.size} leaves are others than it has seen: the log was rewritten"
