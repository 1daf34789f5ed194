"""A remote authorization server in memory: real keys, real signatures, its documents served through the Fetch protocol.

It signs with `cryptography` directly, so that what verifies the tokens is not also what made them.
"""

import json
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tallystick.terms import Reason, Refusal

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
NOW = 1_800_000_000.0
RESOURCE = "https://gateway.example/servers/bank/mcp"


def b64(raw: bytes) -> str:
    """Return unpadded base64url (RFC 7515 2)."""
    return urlsafe_b64encode(raw).decode().rstrip("=")


def compact(value: object) -> str:
    """Return base64url of the compact JSON of `value`."""
    return b64(json.dumps(value, separators=(",", ":")).encode())


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return the RSA key called `name`, made once per run: making one is slow."""
    assert name
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Return the JWS signature of `message` (RFC 7518 3.3, 3.4; RFC 8037 3.1)."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(message)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), hashes.SHA256())
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def jwk(key: PrivateKey, key_id: str | None) -> dict[str, object]:
    """Return the public half as a JWK (RFC 7517)."""
    named: dict[str, object] = {"use": "sig"} if key_id is None else {"use": "sig", "kid": key_id}
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public_key().public_bytes_raw()), **named}
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
        return {"kty": "RSA", "n": b64(modulus), "e": b64(numbers.e.to_bytes(3, "big")), **named}
    point = key.public_key().public_numbers()
    x, y = point.x.to_bytes(32, "big"), point.y.to_bytes(32, "big")
    return {"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y), **named}


class RemoteIssuer:
    """One issuer with a key per algorithm. `documents` is what it serves: URL to body; `asked` what was fetched."""

    def __init__(self, issuer: str = "https://id.example") -> None:
        self.issuer = issuer
        self.jwks_uri = f"{issuer}/keys"
        self.keys: dict[str, PrivateKey] = {}
        self.algorithm_of: dict[str, str] = {}
        self.is_down = False
        self.asked: list[str] = []
        self.wait: Callable[[], Awaitable[object]] | None = None
        self.rotate("1")

    def rotate(self, generation: str) -> None:
        """Replace every key by a fresh one, named `<algorithm>-<generation>`, and publish them."""
        fresh: dict[str, PrivateKey] = {
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "RS256": rsa_key(generation),
        }
        self.keys = {f"{algorithm}-{generation}": key for algorithm, key in fresh.items()}
        self.algorithm_of = {f"{algorithm}-{generation}": algorithm for algorithm in fresh}
        self.publish([jwk(key, name) for name, key in self.keys.items()])

    def publish(self, members: list[dict[str, object]]) -> None:
        """Serve discovery and these keys."""
        metadata = {"issuer": self.issuer, "jwks_uri": self.jwks_uri}
        self.documents = {
            f"{self.issuer}/.well-known/openid-configuration": json.dumps(metadata).encode(),
            self.jwks_uri: json.dumps({"keys": members}).encode(),
        }

    def claims(self, **changes: object) -> dict[str, object]:
        """Return the claims of a good token with `changes`; a change to None removes the claim."""
        good: dict[str, object] = {
            "iss": self.issuer,
            "aud": RESOURCE,
            "sub": "ada",
            "client_id": "desk-client",
            "iat": NOW - 10,
            "exp": NOW + 3600,
            "groups": ["clerks", "analysts"],
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(self, key_id: str = "EdDSA-1", header: Mapping[str, object] | None = None, **changes: object) -> str:
        """Return a signed token: good, but for the `header` members and claims that are changed."""
        return self.token_of(changes, key_id, header)

    def token_of(
        self, changes: Mapping[str, object], key_id: str = "EdDSA-1", header: Mapping[str, object] | None = None
    ) -> str:
        """Return a signed token: good, but for the claims and `header` members that are changed."""
        return self.sign_parts(key_id, compact(self.header(key_id, header)), compact(self.claims(**changes)))

    def header(self, key_id: str, changes: Mapping[str, object] | None = None) -> dict[str, object]:
        """Return the header of a good token with `changes`."""
        good: dict[str, object] = {"alg": self.algorithm_of[key_id], "typ": "at+jwt", "kid": key_id}
        return {name: value for name, value in {**good, **(changes or {})}.items() if value is not None}

    def sign_parts(self, key_id: str, header: str, payload: str) -> str:
        """Return header.payload.signature of two ready segments."""
        return f"{header}.{payload}.{b64(sign(self.keys[key_id], f'{header}.{payload}'.encode()))}"

    async def __call__(self, url: str) -> bytes | Refusal:
        """Answer one GET as the outbound connector would."""
        self.asked.append(url)
        if self.wait is not None:
            await self.wait()
        body = self.documents.get(url)
        if self.is_down or body is None:
            return Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "no answer")
        return body
