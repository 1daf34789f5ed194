"""A transit engine as its HTTP API is documented (Vault and OpenBao), with real encryption inside, on loopback.

There is no build of either server to be had where these tests run, so the outside party is written here from its API
documentation: encrypt, decrypt, derived keys, associated data, key versions, `min_decryption_version`, tokens, sealing.
"""

import json
import os
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TOKEN = "s.token-of-the-tests"


class Body(msgspec.Struct):
    """What a client sends."""

    plaintext: str = ""
    ciphertext: str = ""
    context: str = ""
    associated_data: str = ""
    key_version: int = 0


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: dict[str, object]


def refused(status: int, *errors: str) -> Answer:
    """An error as the API tells it."""
    return Answer(status, {"errors": list(errors)})


@dataclass
class Engine:
    """One transit engine with its keys; `versions` of a name are newest last."""

    versions: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    derived: bool = False
    min_decryption_version: int = 1
    sealed: bool = False
    down: bool = False
    redirects_to: str = ""
    seen: list[str] = field(default_factory=list[str])

    def rotate(self, name: str) -> None:
        """Make the next version of a key."""
        self.versions.setdefault(name, []).append(AESGCM.generate_key(256))

    def answer(self, path: str, token: str, content: bytes) -> Answer:
        """Answer one request."""
        self.seen.append(path)
        if self.sealed:
            return refused(503, "Vault is sealed")
        if token != TOKEN:
            return refused(403, "permission denied")
        *mount, action, name = path.split("/")
        if mount != ["", "v1", "transit"] or action not in {"encrypt", "decrypt"}:
            return refused(404, f"no handler for route {path!r}")
        if name not in self.versions:
            return refused(400, "encryption key not found")
        body = msgspec.json.decode(content, type=Body)
        if self.derived and not body.context:
            return refused(400, "missing 'context' for key derivation; the key was created using a derived key")
        return self._encrypt(name, body) if action == "encrypt" else self._decrypt(name, body)

    def _cipher(self, name: str, version: int, body: Body) -> AESGCM:
        key = self.versions[name][version - 1]
        if self.derived:
            key = HKDF(SHA256(), 32, None, b64decode(body.context)).derive(key)
        return AESGCM(key)

    def _encrypt(self, name: str, body: Body) -> Answer:
        version, nonce = body.key_version or len(self.versions[name]), os.urandom(12)
        cipher = self._cipher(name, version, body)
        sealed = nonce + cipher.encrypt(nonce, b64decode(body.plaintext), b64decode(body.associated_data))
        text = f"vault:v{version}:{b64encode(sealed).decode()}"
        return Answer(200, {"request_id": "1", "data": {"ciphertext": text, "key_version": version}, "auth": None})

    def _decrypt(self, name: str, body: Body) -> Answer:
        kind, _, rest = body.ciphertext.partition(":v")
        number, _, text = rest.partition(":")
        if kind != "vault" or not number.isdigit() or not 0 < int(number) <= len(self.versions[name]):
            return refused(400, "invalid ciphertext: no prefix")
        if int(number) < self.min_decryption_version:
            return refused(400, "ciphertext or signature version is disallowed by policy (too old)")
        sealed = b64decode(text)
        cipher = self._cipher(name, int(number), body)
        try:
            opened = cipher.decrypt(sealed[:12], sealed[12:], b64decode(body.associated_data))
        except InvalidTag:
            return refused(400, "cipher: message authentication failed")
        return Answer(200, {"request_id": "1", "data": {"plaintext": b64encode(opened).decode()}})


@contextmanager
def serving(engine: Engine, tls: ssl.SSLContext | None = None) -> Generator[str]:
    """Serve an engine; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            if engine.down:
                self.close_connection = True
                return
            if engine.redirects_to:
                self.send_response(307)
                self.send_header("Location", engine.redirects_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            status, body = engine.answer(self.path, self.headers.get("X-Vault-Token", ""), content)
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
