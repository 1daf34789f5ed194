"""What a witness answers (C2SP tlog-witness): cosign what continues what it has seen, and nothing else.

A cosignature says: this is the largest tree of this log that I have seen, and it contains every tree that I have
signed before. The rules below are in the order of the specification; each refusal has the status that it names.
"""

import re
import threading
from collections.abc import Sequence
from hashlib import sha256
from http import HTTPStatus
from typing import Final, NamedTuple

from tallystick.audit.tlog.merkle import EMPTY_ROOT, is_consistent
from tallystick.audit.tlog.note import (
    Checkpoint,
    Note,
    NoteError,
    Signed,
    decode,
    read_checkpoint,
    read_note,
    signed_by,
)
from tallystick.audit.witness.state import Refused, Seen, WitnessState
from tallystick.terms import Clock

PLAIN: Final = "text/plain; charset=utf-8"
SIZE: Final = "text/x.tlog.size"
BODY_LIMIT: Final = 64 << 10
"""Bytes of a request: 63 hashes and a checkpoint with a dozen post-quantum signatures."""
PROOF_LIMIT: Final = 63
_HASH_BYTES = 32
_SIZE_LIMIT = 2**63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class MalformedError(NoteError):
    """A request that does not have the form."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the request is malformed: {why}")


class Answer(NamedTuple):
    """An HTTP answer."""

    status: HTTPStatus
    body: str
    kind: str = PLAIN


class Request(NamedTuple):
    """A checkpoint that a log asks to be cosigned, and the proof that it continues the tree of `old` leaves."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


class Witness:
    """Answers requests out of its state. Safe for several threads."""

    def __init__(self, state: WitnessState, clock: Clock) -> None:
        self._state = state
        self._clock = clock
        # One lock for each log that is known: its requests wait for each other instead of losing in `advance`, which is
        # what keeps them apart even without a lock.
        self._locks: dict[str, threading.Lock] = {}

    def add_checkpoint(self, body: bytes) -> Answer:
        """Answer `POST add-checkpoint`."""
        try:
            request = parse_request(body)
        except NoteError as error:
            return _no(HTTPStatus.BAD_REQUEST, error.message)
        checkpoint = request.checkpoint
        keys = self._state.keys_of(checkpoint.origin)
        if not keys:
            return _no(HTTPStatus.NOT_FOUND, "this witness does not know the log")
        try:
            signed = signed_by(request.note, keys)
        except NoteError as error:
            return _no(HTTPStatus.FORBIDDEN, error.message)
        if not signed:
            return _no(HTTPStatus.FORBIDDEN, "no key of the log that this witness knows has signed the checkpoint")
        if request.old > checkpoint.size:
            return _no(HTTPStatus.BAD_REQUEST, "the old size is larger than the checkpoint's")
        with self._locks.setdefault(checkpoint.origin, threading.Lock()):
            return self._judge(request, signed)

    def latest(self, digest: str) -> Answer:
        """Answer `GET <hex of the origin's SHA-256>/checkpoint`: the newest one that was cosigned."""
        for origin in self._state.origins():
            if sha256(origin.encode()).hexdigest() == digest:
                return Answer(HTTPStatus.OK, self._state.seen(origin).note)
        return _no(HTTPStatus.NOT_FOUND, "this witness has cosigned no checkpoint of such a log")

    def _judge(self, request: Request, signed: Sequence[Signed]) -> Answer:
        checkpoint = request.checkpoint
        seen = self._state.seen(checkpoint.origin)
        if request.old != seen.size:
            return Answer(HTTPStatus.CONFLICT, f"{seen.size}\n", SIZE)
        vouched = "".join(f"{line}\n" for line in dict.fromkeys(one.line for one in signed))
        signed_text = f"{request.note.body}\n{vouched}"
        refusal = _contradiction(request, seen)
        if refusal is not None:
            self._state.refuse(Refused(checkpoint.origin, int(self._clock()), refusal.body.strip(), signed_text))
            return refusal
        # A clock that was set back does not make a later cosignature look older than an earlier one.
        at = max(int(self._clock()), seen.at, 1)
        name = self._state.name
        lines = "".join(f"{key.sign(name, request.note.body, at)}\n" for key in self._state.keys)
        new = Seen(checkpoint.size, checkpoint.root, at, signed_text + lines)
        # INVARIANT: no cosignature leaves before what it vouches for is on disk.
        if not self._state.advance(checkpoint.origin, seen, new):
            return Answer(HTTPStatus.CONFLICT, f"{self._state.seen(checkpoint.origin).size}\n", SIZE)
        return Answer(HTTPStatus.OK, lines)


def parse_request(body: bytes) -> Request:
    """Read the body of `add-checkpoint`; raises NoteError."""
    if len(body) > BODY_LIMIT:
        msg = "it is too long"
        raise MalformedError(msg)
    try:
        head, found, text = body.decode().partition("\n\n")
    except UnicodeDecodeError as error:
        msg = "it is no UTF-8 text"
        raise MalformedError(msg) from error
    first, *lines = head.split("\n")
    old = _OLD.fullmatch(first)
    if old is None or not found or len(lines) > PROOF_LIMIT:
        msg = f"it reads: old <size>, at most {PROOF_LIMIT} hashes, an empty line, a checkpoint"
        raise MalformedError(msg)
    proof = tuple(decode(line) for line in lines)
    note = read_note(text)
    checkpoint = read_checkpoint(note.body)
    if any(len(digest) != _HASH_BYTES for digest in proof) or max(int(old[1]), checkpoint.size) >= _SIZE_LIMIT:
        msg = "a hash has 32 bytes, and a size less than 64 bits"
        raise MalformedError(msg)
    return Request(int(old[1]), proof, note, checkpoint)


def _contradiction(request: Request, seen: Seen) -> Answer | None:
    """Why the checkpoint cannot be the continuation of what was seen; None when it is proven that it is."""
    checkpoint = request.checkpoint
    unproven = HTTPStatus.UNPROCESSABLE_ENTITY
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        return _no(unproven, "the root of an empty tree is another one")
    if request.proof and request.old in {0, checkpoint.size}:
        return _no(unproven, "nothing has to be proven here: the proof must be empty")
    if checkpoint.size == seen.size and checkpoint.root != seen.root:
        return _no(
            HTTPStatus.CONFLICT, "this witness has cosigned another root of this size: the log has two histories"
        )
    if request.old == 0:
        return None
    old, new = (seen.size, seen.root), (checkpoint.size, checkpoint.root)
    if not is_consistent(old, new, request.proof):
        return _no(unproven, "the proof does not lead there from the leaves that this witness has cosigned")
    return None


def _no(status: HTTPStatus, why: str) -> Answer:
    return Answer(status, f"{why}\n")
