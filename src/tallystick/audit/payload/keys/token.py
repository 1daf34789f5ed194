"""A hardware token as key provider (PKCS#11): AES-256-GCM inside the token, under a key that never leaves it.

The only module that imports pkcs11, and only when this provider is chosen (extra `pkcs11`). The newest key is the one
with the highest id among the secret keys of the label. The nonce is ours: a token that insists on its own does not fit.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TypeVar

from tallystick.audit.payload.model import Locked

if TYPE_CHECKING:
    from pkcs11 import SecretKey, Session

_NONCE: Final = 12
_TAG_BITS: Final = 128
_Result = TypeVar("_Result")


class TokenProvider:
    """Wraps by a secret key of a token. Logs in for each use and out again."""

    name = "pkcs11"

    def __init__(self, module: str, token: str, key: str, pin_file: Path) -> None:
        self._module = module
        self._token = token
        self._key = key
        self._pin_file = pin_file

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt under the key with the highest id."""
        nonce = os.urandom(_NONCE)

        def encrypt(session: "Session") -> bytes:
            from pkcs11 import GCMParams, Mechanism  # noqa: PLC0415 - optional
            from pkcs11.types import EncryptMixin  # noqa: PLC0415 - optional

            found = self._keys(session)
            newest = max(found)
            with_key = found[newest]
            if not isinstance(with_key, EncryptMixin):
                self._fail(f"its key {newest.hex()} must not encrypt", "make a key with the attribute CKA_ENCRYPT")
            gcm = GCMParams(nonce, context, _TAG_BITS)
            sealed = with_key.encrypt(key, mechanism=Mechanism.AES_GCM, mechanism_param=gcm)
            return f"pkcs11:{newest.hex()}:".encode() + nonce + _whole(sealed)

        return self._use(encrypt)

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt with the key of the id that is named."""
        _, identity, sealed = wrapped.split(b":", 2)

        def decrypt(session: "Session") -> bytes:
            from pkcs11 import GCMParams, Mechanism  # noqa: PLC0415 - optional
            from pkcs11.types import DecryptMixin  # noqa: PLC0415 - optional

            found = self._keys(session).get(bytes.fromhex(identity.decode()))
            if not isinstance(found, DecryptMixin):
                what = f"the token has no key {self._key!r} with id {identity.decode()} that may decrypt"
                self._fail(what, f"pkcs11-tool --module {self._module} --list-objects --type secrkey --login")
            gcm = GCMParams(sealed[:_NONCE], context, _TAG_BITS)
            return _whole(found.decrypt(sealed[_NONCE:], mechanism=Mechanism.AES_GCM, mechanism_param=gcm))

        return self._use(decrypt)

    def version(self, wrapped: bytes) -> str:
        """Id of the token's key, in hex."""
        return wrapped.split(b":")[1].decode(errors="replace")

    def _keys(self, session: "Session") -> dict[bytes, "SecretKey"]:
        from pkcs11 import Attribute, ObjectClass, SecretKey  # noqa: PLC0415 - optional

        template = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: self._key}
        found = {one.id: one for one in session.get_objects(template) if isinstance(one, SecretKey)}
        if not found:
            remedy = (
                f"pkcs11-tool --module {self._module} --token-label {self._token} --login --keygen "
                f"--key-type AES:32 --label {self._key} --id 01"
            )
            self._fail(f"the token has no secret key {self._key!r}", remedy)
        return found

    def _use(self, work: Callable[["Session"], _Result]) -> _Result:
        try:
            import pkcs11  # noqa: PLC0415 - optional
        except ImportError:
            remedy = "pip install 'tallystick[pkcs11]'"
            self._fail("the library python-pkcs11 is not installed", remedy)
        pin = self._pin()
        try:
            token = pkcs11.lib(self._module).get_token(token_label=self._token)
            with token.open(user_pin=pin) as session:
                return work(session)
        except pkcs11.PKCS11Error as error:
            what = f"{type(error).__name__} {error}".strip()
            remedy = f"pkcs11-tool --module {self._module} --list-token-slots"
            self._fail(what, remedy)

    def _pin(self) -> str:
        try:
            return self._pin_file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            what = f"its PIN cannot be read: {error}"
            self._fail(what, f"write the PIN to {self._pin_file} with mode 0600")

    def _fail(self, what: str, remedy: str) -> NoReturn:
        provider = f"pkcs11 ({self._module}, token {self._token})"
        raise Locked(provider, what, remedy)


def _whole(content: bytes | Iterator[bytes]) -> bytes:
    return content if isinstance(content, bytes) else b"".join(content)
