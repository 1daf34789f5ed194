"""Authenticated encryption of small values that clients carry: AES-256-GCM (NIST SP 800-38D), base64url (RFC 4648)."""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

Kind = Literal["session", "state", "cursor", "task"]

MAX_CHARACTERS: Final = 1 << 20
"""Longest text that is tried: what a server gives out to be repeated is smaller, and the cipher costs by length."""

_NONCE_BYTES: Final = 12


class Seal:
    """Seals and opens values with one 32-byte key."""

    __slots__ = ("_cipher",)

    def __init__(self, key: bytes) -> None:
        """Take the key; it is shared by all replicas and never leaves them."""
        self._cipher = AESGCM(key)

    def close(self, kind: Kind, value: bytes) -> str:
        """Return `value` as text that only `open` of the same kind reads."""
        nonce = os.urandom(_NONCE_BYTES)
        # INVARIANT: the kind is authenticated, so a cursor never opens as a session.
        sealed = nonce + self._cipher.encrypt(nonce, value, kind.encode())
        return urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, kind: Kind, text: str) -> bytes | None:
        """Return the value behind a text, or None when it is none of ours, or of another kind."""
        if len(text) > MAX_CHARACTERS:
            return None
        try:
            sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
            # One value has one text: no other spelling of it passes for it in a log or a list.
            if urlsafe_b64encode(sealed).decode().rstrip("=") != text:
                return None
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], kind.encode())
        except (ValueError, InvalidTag):
            return None


def about(*parts: bytes | str) -> str:
    """Return the digest of what a value is about or bound to, such as the method, the tool and its arguments."""
    digest = sha256()
    # Each part with its length: no choice of one part can pass for a choice of two.
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        digest.update(len(raw).to_bytes(8, "big") + raw)
    return urlsafe_b64encode(digest.digest()[:18]).decode()
