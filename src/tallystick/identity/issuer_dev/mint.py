"""The development issuer's key and the access tokens it signs: RFC 9068 JWTs, Ed25519 (RFC 8037), one hour."""

import hashlib
import json
import os
import secrets
from base64 import urlsafe_b64encode
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tallystick.identity.issuer_dev.model import Grant
from tallystick.identity.parse import read_token
from tallystick.identity.verify import PublicKey, choose_keys, verify
from tallystick.terms import Clock, Refusal, TallyError

LIFETIME_S = 3600
MARK = "tallystick_development"


class Mint:
    """Signs tokens of one issuer with one persisted key, and recognises them again."""

    def __init__(self, issuer: str, key_file: Path, clock: Clock) -> None:
        self.issuer = issuer
        self._clock = clock
        self._key = load_or_create(key_file)
        thumbprint = {"crv": "Ed25519", "kty": "OKP", "x": _b64(self._key.public_key().public_bytes_raw())}
        canonical = json.dumps(thumbprint, sort_keys=True, separators=(",", ":")).encode()
        key_id = _b64(hashlib.sha256(canonical).digest())  # RFC 7638
        self.jwk: dict[str, object] = {**thumbprint, "kid": key_id, "use": "sig", "alg": "EdDSA"}
        self._public = PublicKey(key_id, "EdDSA", jwt.PyJWK(dict(self.jwk), "EdDSA"))

    def access_token(self, grant: Grant) -> tuple[str, int]:
        """Return a signed access token for `grant` and its life in seconds."""
        now = int(self._clock())
        life = int(min(LIFETIME_S, grant.not_after - now))
        claims: dict[str, object] = {
            **grant.who.claims,
            "iss": self.issuer,
            "sub": grant.subject,
            "aud": grant.audiences[0] if len(grant.audiences) == 1 else list(grant.audiences),
            "client_id": grant.client_id,
            "iat": now,
            "exp": now + life,
            "jti": secrets.token_urlsafe(16),
            "name": grant.who.title or grant.subject,
            "groups": list(grant.who.groups),
            MARK: True,
        }
        optional = {"scope": grant.scope, "act": dict(grant.act) if grant.act else None}
        claims |= {name: value for name, value in optional.items() if value}
        headers = {"typ": "at+jwt", "kid": self._public.key_id}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), self._key, algorithm="EdDSA", headers=headers), life

    def read(self, token: str) -> dict[str, object] | None:
        """Return the claims of an unexpired access token that this issuer signed, for whatever audience, else None."""
        unverified = read_token(token.encode("utf-8", "replace"))
        if isinstance(unverified, Refusal) or unverified.issuer != self.issuer:
            return None
        claims = verify(unverified, choose_keys((self._public,), unverified))
        expires_at = claims.get("exp") if claims else None
        return claims if isinstance(expires_at, int) and self._clock() < expires_at else None


def load_or_create(path: Path) -> Ed25519PrivateKey:
    """Return the key in `path` (PEM, mode 0600), made at the first call; raises TallyError when others can read it."""
    if not path.exists():
        _create(path)
    if path.stat().st_mode & 0o077:
        message = f"{path} can be read by others: chmod 600 it, or delete it to get a new key"
        raise TallyError(code="invalid", message=message)
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TallyError(code="invalid", message=f"{path} holds no Ed25519 key: delete it to get a new one")
    return key


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    try:
        # A link, not a rename: of two processes that start together the first one's key stays.
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")
