"""A log's side of its witnesses: all are asked at once, the policy says whose word is enough (C2SP tlog-policy).

Whoever is down, slow or wrong is left alone for a while and holds up nobody else. Only lines that were verified come
back.
"""

import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tallystick.audit.model import Cosigned
from tallystick.audit.tlog.note import read_checkpoint, read_note
from tallystick.audit.tlog.policy import NONE, Policy, Witness, parse_policy
from tallystick.audit.witness.ask import Peer, Prove, UnwillingError
from tallystick.audit.witness.state import WitnessError

PATIENCE_SECONDS: Final = 8.0
"""How long a round waits for answers."""
GRACE_SECONDS: Final = 0.2
"""How long it waits for the others once the quorum is there."""
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0
"""Between two requests to a witness that fails: twice as long each time."""


class Round:
    """One checkpoint that is being cosigned, and what has come of it."""

    def __init__(self, text: str, prove: Prove) -> None:
        self.note = read_note(text)
        self.checkpoint = read_checkpoint(self.note.body)
        self.prove = prove
        self.lines: dict[str, str] = {}
        self.asked = 0
        self.changed = threading.Condition()

    def answer(self, lines: dict[str, str]) -> None:
        """Take what one witness has given, which may be nothing."""
        with self.changed:
            self.lines |= lines
            self.asked -= 1
            self.changed.notify_all()


class _Asking(threading.Thread):
    """The thread of one witness server: it asks for the newest round that it was given, and remembers failures."""

    def __init__(self, peer: Peer, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        super().__init__(daemon=True, name=f"witness {peer.url}")
        self._peer = peer
        self._clock = clock
        self._say = say
        self._given: Round | None = None
        self._wake = threading.Semaphore(0)
        self._closing = False
        self._pause = 0.0
        self._resume = 0.0
        self._trouble = ""
        self.busy = False

    @property
    def is_ready(self) -> bool:
        """Tell whether it may be asked now."""
        return not self.busy and self._clock() >= self._resume

    def ask(self, asked: Round) -> None:
        """Ask for a round's checkpoint; `is_ready` said that it may be."""
        self.busy, self._given = True, asked
        self._wake.release()

    def close(self) -> None:
        """End after what is under way."""
        self._closing = True
        self._wake.release()

    def run(self) -> None:
        """Ask until closed."""
        while not self._closing:
            self._wake.acquire()
            given, self._given = self._given, None
            if given is not None:
                lines: dict[str, str] = {}
                try:
                    lines = self._ask(given)
                finally:
                    # INVARIANT: a round hears of every witness that it has asked, whatever happened.
                    self.busy = False
                    given.answer(lines)
        self._peer.close()

    def _ask(self, given: Round) -> dict[str, str]:
        try:
            lines = self._peer.cosign(given.checkpoint, given.note, given.prove)
        except UnwillingError as error:
            self._pause = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, 2 * self._pause))
            self._resume = self._clock() + self._pause
            # Told when it begins or changes, not each time.
            if str(error) != self._trouble:
                self._say(f"witness {self._peer.url}: {error}")
            self._trouble = str(error)
            return {}
        if self._trouble:
            self._say(f"witness {self._peer.url}: cosigns again")
        self._pause, self._resume, self._trouble = 0.0, 0.0, ""
        return lines


class Witnesses:
    """A `model.Cosigner` over the witnesses of a policy that have an address."""

    def __init__(
        self,
        policy: Policy,
        *,
        authorities: Path | None = None,
        say: Callable[[str], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = PATIENCE_SECONDS,
    ) -> None:
        """`authorities` is a file of certificates (PEM) that vouch for the witnesses' servers; default: the system's.

        Raises WitnessError for an address that is none, or OSError.
        """
        self._policy = policy
        self._patience = patience_s
        by_url: dict[str, list[Witness]] = {}
        for witness in policy.witnesses:
            if witness.url:
                by_url.setdefault(witness.url.rstrip("/"), []).append(witness)
        named = [witness.name for group in by_url.values() for witness in group]
        if policy.quorum != NONE and not policy.satisfied(named):
            message = f"the witnesses that have an address cannot fill the quorum {policy.quorum!r}"
            raise WitnessError(message)
        trust = ssl.create_default_context(cafile=None if authorities is None else str(authorities))
        trust.minimum_version = ssl.TLSVersion.TLSv1_2
        peers = [Peer(url, group, trust) for url, group in by_url.items()]
        self._asking = [_Asking(peer, clock, say or _say) for peer in peers]
        for asking in self._asking:
            asking.start()

    def cosign(self, origin: str, checkpoint: str, prove: Prove) -> Cosigned:
        """Ask every witness that may be asked now; returns once enough have answered, or none is left to wait for."""
        given = Round(checkpoint, prove)
        if given.checkpoint.origin != origin:
            message = f"the checkpoint is of {given.checkpoint.origin}, not of {origin}"
            raise WitnessError(message)
        ready = [asking for asking in self._asking if asking.is_ready]
        given.asked = len(ready)
        for asking in ready:
            asking.ask(given)
        with given.changed:
            given.changed.wait_for(lambda: not given.asked or self._policy.satisfied(given.lines), self._patience)
            given.changed.wait_for(lambda: not given.asked, GRACE_SECONDS)
            lines = dict(given.lines)
        return Cosigned(tuple(lines.values()), self._policy.satisfied(lines))

    def close(self) -> None:
        """Ask nobody any more."""
        for asking in self._asking:
            asking.close()


def open_witnesses(policy: Path, authorities: Path | None = None) -> Witnesses:
    """Witnesses of a policy file; raises OSError, NoteError (with the line) or WitnessError."""
    return Witnesses(parse_policy(policy.read_bytes()), authorities=authorities)


def _say(text: str) -> None:
    line = "".join(letter if letter.isprintable() else "\ufffd" for letter in text)
    sys.stderr.write(f"audit writer: {line}\n")
