"""Trust policies: which logs and witnesses are known, and whose cosignatures are enough (C2SP tlog-policy).

Pure. Read strictly: whatever the format does not allow is refused, with the number of its line, and never guessed.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NoReturn

from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import (
    Checkpoint,
    NoteError,
    NotSignedError,
    Verifier,
    open_checkpoint,
    parse_vkey,
    read_checkpoint,
    read_note,
    signed_by,
)

NONE: Final = "none"
"""The quorum that nobody has to fill."""
BYTES_LIMIT: Final = 1 << 20
_OF_LOGS: Final = frozenset({ED25519, ML_DSA_44})
_OF_WITNESSES: Final = frozenset({COSIGNATURE, ML_DSA_44})
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_BLANKS = re.compile(r"[ \t]+")
_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")


class PolicyError(NoteError):
    """A policy file that is not in the form; the message names the line."""


@dataclass(frozen=True, slots=True)
class Log:
    """A log that is accepted: one of its keys, and where it is (may be empty)."""

    verifier: Verifier
    url: str


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness that is known: its name within the policy, its key, and its submission prefix (may be empty)."""

    name: str
    verifier: Verifier
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Enough of its members, each a witness or another group."""

    name: str
    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """What `parse_policy` has read."""

    logs: tuple[Log, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict[str, Group])
    quorum: str = NONE

    def satisfied(self, cosigners: Iterable[str]) -> bool:
        """Tell whether these witnesses, by their names in the policy, fill the quorum."""
        # A group is defined after its members: one pass decides it.
        reached = {NONE, *cosigners}
        for group in self.groups.values():
            if sum(member in reached for member in group.members) >= group.least:
                reached.add(group.name)
        return self.quorum in reached

    def cosigners(self, text: str) -> frozenset[str]:
        """Names of the witnesses that have cosigned a checkpoint; raises NoteError when a signature is wrong."""
        signed = {one.verifier for one in signed_by(read_note(text), [witness.verifier for witness in self.witnesses])}
        return frozenset(witness.name for witness in self.witnesses if witness.verifier in signed)

    def log_keys(self, origin: str) -> tuple[Verifier, ...]:
        """Keys of the log with this origin; empty where the policy does not know it."""
        return tuple(log.verifier for log in self.logs if log.verifier.name == origin)

    def open_checkpoint(self, text: str) -> Checkpoint:
        """Read a checkpoint that a log of the policy has signed and its quorum has cosigned; raises NoteError."""
        origin = read_checkpoint(read_note(text).body).origin
        keys = self.log_keys(origin)
        if not keys:
            msg = f"the policy knows no log {origin}"
            raise NotSignedError(msg)
        checkpoint = open_checkpoint(text, keys)
        cosigners = self.cosigners(text)
        if not self.satisfied(cosigners):
            who = ", ".join(sorted(cosigners)) or "nobody"
            msg = f"the quorum {self.quorum} is not reached: cosigned by {who}"
            raise NotSignedError(msg)
        return checkpoint


def parse_policy(content: bytes) -> Policy:
    """Read a policy file; raises PolicyError, which names the first line that is wrong."""
    if len(content) > BYTES_LIMIT:
        msg = f"a policy has at most {BYTES_LIMIT} bytes"
        raise PolicyError(msg)
    if content and not content.endswith(b"\n"):
        msg = "the last line does not end: the policy may be cut off"
        raise PolicyError(msg)
    reader = _Reader()
    for number, line in enumerate(content.split(b"\n"), 1):
        try:
            reader.read(line)
        except NoteError as error:
            msg = f"line {number}: {error.message}"
            raise PolicyError(msg) from error
    return reader.policy()


class _Reader:
    """A policy that is being read, line by line."""

    def __init__(self) -> None:
        self._logs: dict[bytes, Log] = {}
        self._witnesses: dict[bytes, Witness] = {}
        self._names: set[str] = set()
        self._groups: dict[str, Group] = {}
        self._grouped: set[str] = set()
        self._quorum: str | None = None
        self._readers: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._read_quorum,
        }

    def read(self, line: bytes) -> None:
        if _FORBIDDEN.search(line):
            _refuse("control characters are not allowed")
        # Names are octets: what is no UTF-8 stays what it is, and equal only to itself.
        text = line.decode(errors="surrogateescape").strip(" \t")
        if not text or text.startswith("#"):
            return
        kind, *words = _BLANKS.split(text)
        reader = self._readers.get(kind)
        if reader is None:
            _refuse("a line begins with log, witness, group, quorum or #")
        reader(words)

    def policy(self) -> Policy:
        if self._quorum is None:
            msg = "there is no quorum line"
            raise PolicyError(msg)
        return Policy(tuple(self._logs.values()), tuple(self._witnesses.values()), self._groups, self._quorum)

    def _log(self, words: list[str]) -> None:
        if len(words) not in {1, 2}:
            _refuse("a log reads: log <vkey> [<url>]")
        verifier = _key(words[0], _OF_LOGS, "log")
        if verifier.key in self._logs:
            _refuse("another log has the same key")
        self._logs[verifier.key] = Log(verifier, "".join(words[1:]))

    def _witness(self, words: list[str]) -> None:
        if len(words) not in {2, 3}:
            _refuse("a witness reads: witness <name> <vkey> [<url>]")
        name = self._named(words[0])
        verifier = _key(words[1], _OF_WITNESSES, "witness")
        if verifier.key in self._witnesses:
            _refuse("another witness has the same key")
        self._witnesses[verifier.key] = Witness(name, verifier, "".join(words[2:]))
        self._names.add(name)

    def _group(self, words: list[str]) -> None:
        if len(words) < len(("name", "least", "member")):
            _refuse("a group reads: group <name> <number, all or any> <name>...")
        name, least, *members = words
        self._named(name)
        for member in members:
            if member not in self._names:
                _refuse(f"{_shown(member)} is not defined above this line")
            if member in self._grouped:
                _refuse(f"{_shown(member)} is a member of a group already")
            self._grouped.add(member)
        self._groups[name] = Group(name, _least(least, len(members)), tuple(members))
        self._names.add(name)

    def _read_quorum(self, words: list[str]) -> None:
        if len(words) != 1:
            _refuse("a quorum reads: quorum <name>")
        if self._quorum is not None:
            _refuse("there is a quorum line already")
        if words[0] != NONE and words[0] not in self._names:
            _refuse(f"{_shown(words[0])} is not defined above this line")
        self._quorum = words[0]

    def _named(self, name: str) -> str:
        if name == NONE or name in self._names:
            _refuse(f"the name {_shown(name)} is taken")
        return name


def _least(text: str, members: int) -> int:
    if text in {"all", "any"}:
        return members if text == "all" else 1
    if not _NUMBER.fullmatch(text) or int(text) > members:
        _refuse(f"of {members} members, 1 to {members} can be asked for, or all, or any")
    return int(text)


def _key(text: str, kinds: frozenset[int], whose: str) -> Verifier:
    if not text.isprintable():
        _refuse("a verifier key is UTF-8 text")
    verifier = parse_vkey(text)
    if verifier.kind not in kinds:
        _refuse(f"a key of type {verifier.kind:#04x} is none of a {whose}")
    return verifier


def _shown(name: str) -> str:
    """A name as it can be printed: octets that are no UTF-8 are escaped."""
    return repr(name)


def _refuse(text: str) -> NoReturn:
    raise PolicyError(text)
