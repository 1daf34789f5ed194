"""The transit engine of HashiCorp Vault or OpenBao as key provider, over its HTTP API.

Two requests are used, `POST <mount>/encrypt/<key>` and `POST <mount>/decrypt/<key>`, so that a policy may allow nothing
else. The context goes as `context`, which derived keys need, and as `associated_data`, which binds it for all others.
"""

import json
import os
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from ipaddress import ip_address
from pathlib import Path
from stat import S_IMODE
from typing import Final, NoReturn
from urllib.parse import quote, urlsplit

import msgspec
import urllib3

from tallystick.audit.payload.model import Locked

_TIMEOUT: Final = urllib3.Timeout(connect=5, read=10)
_ANSWER_LIMIT: Final = 64 << 10
_ANYBODY: Final = 0o007
_OK, _BAD, _FORBIDDEN, _ABSENT, _SEALED = 200, 400, 403, 404, 503


class _Sealed(msgspec.Struct):
    ciphertext: str = ""
    plaintext: str = ""


class _Answer(msgspec.Struct):
    found: _Sealed | None = msgspec.field(default=None, name="data")
    errors: list[str] = []


class TransitProvider:
    """Wraps by a named key of a transit engine. Raises Locked for an address that would send the token in clear."""

    name = "transit"

    def __init__(self, url: str, key: str, token_file: Path, *, mount: str = "transit", ca_file: str = "") -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._mount = mount.strip("/")
        self._token_file = token_file
        parts = urlsplit(self._url)
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(parts.hostname or "")):
            self._fail("its address is not https, and another machine's", "write audit.keys.url with https")
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, ca_certs=ca_file or None)

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt under the newest version of the key, or the one its configuration names."""
        found = self._ask("encrypt", {"plaintext": _text(key)}, context).ciphertext
        if not found.startswith("vault:v"):
            self._fail(f"it answered no ciphertext: {found[:40]!r}", "check that audit.keys.url is a transit engine")
        return found.encode()

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Decrypt; versions below the key's `min_decryption_version` are refused by the engine."""
        found = self._ask("decrypt", {"ciphertext": wrapped.decode(errors="replace")}, context).plaintext
        try:
            return b64decode(found, validate=True)
        except Base64Error:
            self._fail("its answer is no key", "check that audit.keys.url is a transit engine")

    def version(self, wrapped: bytes) -> str:
        """Version of the transit key."""
        return wrapped.split(b":")[1].decode(errors="replace")

    def _ask(self, action: str, fields: dict[str, str], context: bytes) -> _Sealed:
        url = f"{self._url}/v1/{self._mount}/{action}/{quote(self._key, safe='')}"
        body = json.dumps({**fields, "context": _text(context), "associated_data": _text(context)})
        headers = {"X-Vault-Token": self._token(), "X-Vault-Request": "true", "Content-Type": "application/json"}
        try:
            # No redirect is followed: the token is for this address only.
            answer = self._pool.request(
                "POST", url, body=body.encode(), headers=headers, redirect=False, preload_content=False
            )
            content = answer.read(_ANSWER_LIMIT)
            answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            self._fail(f"it cannot be reached: {error}", f"check with: bao status -address={self._url}")
        told = _decoded(content)
        if answer.status != _OK or told.found is None:
            self._refused(action, answer.status, "; ".join(told.errors))
        return told.found

    def _refused(self, action: str, status: int, said: str) -> NoReturn:
        engine = f"{self._mount}/{action}/{self._key}"
        what = f"it answered {status} to {action}" + (f" ({said})" if said else "")
        if status == _FORBIDDEN:
            self._fail(what, f"renew the token in {self._token_file}; its policy needs update on {engine}")
        if status == _BAD and "too old" in said:
            remedy = (
                f"bao write {self._mount}/keys/{self._key}/config min_decryption_version=1; then rewrap, and raise it"
            )
            self._fail(what, remedy)
        if status == _SEALED:
            self._fail(what, "bao operator unseal")
        self._fail(what, f"check with: bao read {self._mount}/keys/{self._key}")

    def _token(self) -> str:
        try:
            with self._token_file.open("rb") as file:
                mode, text = S_IMODE(os.fstat(file.fileno()).st_mode), file.read(_ANSWER_LIMIT).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            what = f"its token cannot be read: {error}"
            self._fail(what, f"write a token to {self._token_file} with mode 0600")
        if mode & _ANYBODY:
            self._fail(f"anybody may read its token (mode {mode:04o})", f"chmod 600 {self._token_file}")
        if not text or not text.isascii() or not text.isprintable():
            self._fail("the file of its token holds none", f"write a token to {self._token_file}")
        return text

    def _fail(self, what: str, remedy: str) -> NoReturn:
        provider = f"transit ({self._url}/v1/{self._mount}, key {self._key})"
        raise Locked(provider, what, remedy)


def _text(content: bytes) -> str:
    return b64encode(content).decode()


def _decoded(content: bytes) -> _Answer:
    try:
        return msgspec.json.decode(content, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _Answer(errors=["no JSON that a transit engine writes"])


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
