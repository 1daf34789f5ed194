"""Values of secrets, sealed: AES-256-GCM under the key of this installation, bound to the secret's name."""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.terms import TallyError

KEY_BYTES: Final = 32
LONGEST: Final = 64 << 10
"""Bytes of a secret: a long private key with its chain has a few thousand."""
_NONCE: Final = 12


class Seal:
    """Seals and opens values. A sealed value is of no use under another name or in another installation."""

    def __init__(self, key: bytes) -> None:
        """`key` is 32 random bytes; raises ValueError for any other length."""
        if len(key) != KEY_BYTES:
            message = f"the key of control state has {KEY_BYTES} bytes, this one {len(key)}"
            raise ValueError(message)
        self._cipher = AESGCM(key)

    def seal(self, name: str, value: bytes, nonce: bytes) -> bytes:
        """Return the sealed value; `nonce` is 12 random bytes that were never used before."""
        return nonce + self._cipher.encrypt(nonce, value, _bound(name))

    def open(self, name: str, sealed: bytes) -> bytes:
        """Return the value; raises `TallyError` for one that was changed, renamed or sealed with another key."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], _bound(name))
        except (InvalidTag, ValueError) as error:
            message = (
                f'the secret "{name}" cannot be opened: it was sealed with another key, or changed. '
                "Bring back the key of this installation, or set the secret anew"
            )
            raise TallyError(code="unavailable", message=message) from error


def _bound(name: str) -> bytes:
    return b"tallystick control secret\0" + name.encode()
