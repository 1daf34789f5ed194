"""Session ids of the eras that have sessions, as sealed values: any replica with the key can open one, nobody else can
make one.

AES-256-GCM (NIST SP 800-38D) over the session's facts. A session id never authenticates: it must be opened by the
same caller on the same route (advisories GHSA-mvgg-jvj2-4frq, GHSA-hqg7-qjgg-q779).
"""

import hashlib
import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.terms import Caller

LIFETIME_S: Final = 24 * 3600.0
"""Seconds until a session must be opened anew."""

OPEN_KEPT: Final = 10_000
"""Opened ids remembered, so that the cipher runs once per session and not once per request."""


class Session(NamedTuple):
    """One open session. `binding` names the caller it belongs to; `key` is unique to it."""

    key: str
    route: str
    binding: str
    version: str
    opened: float


class Sealer:
    """Seals and opens session ids with one 32-byte key."""

    def __init__(self, key: bytes) -> None:
        """Take the key; it is shared by all replicas and never leaves them."""
        self._cipher = AESGCM(key)
        self._opened: OrderedDict[str, Session] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()

    def seal(self, route: str, caller: Caller, version: str, now: float) -> str:
        """Return the id of a new session."""
        session = Session(os.urandom(12).hex(), route, binding_of(caller), version, now)
        nonce = os.urandom(12)
        sealed = nonce + self._cipher.encrypt(nonce, msgspec.json.encode(session), b"session")
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, session_id: str, now: float) -> Session | None:
        """Return the session behind an id, or None when it is no id of ours, too old, or ended here."""
        session = self._opened.get(session_id)
        if session is None:
            session = self._decrypt(session_id)
            if session is None:
                return None
            self._opened[session_id] = session
            if len(self._opened) > OPEN_KEPT:
                self._opened.popitem(last=False)
        return None if session.key in self._ended or now - session.opened > LIFETIME_S else session

    def end(self, session: Session) -> None:
        """Remember that a session is over; other replicas learn it when its age runs out."""
        self._ended[session.key] = None
        if len(self._ended) > OPEN_KEPT:
            self._ended.popitem(last=False)

    def _decrypt(self, session_id: str) -> Session | None:
        try:
            sealed = urlsafe_b64decode(session_id + "=" * (-len(session_id) % 4))
            plain = self._cipher.decrypt(sealed[:12], sealed[12:], b"session")
        except (ValueError, InvalidTag):
            return None
        return msgspec.json.decode(plain, type=Session)


def binding_of(caller: Caller) -> str:
    """Return what ties a session to its caller: the whole identity, but not rights: a new token may change those."""
    parts = (caller.issuer, caller.tenant, caller.subject, caller.client, *caller.actors)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
