"""An issuer's published keys (RFC 7517) and the check of one signature with them (RFC 7515), over PyJWT.

A key is bound to one algorithm when it is read, by its type and curve; a token's header can only choose among keys of
the algorithm it names, so an RSA public key never serves as an HMAC secret. Keys that a token itself brings or points
to (jwk, jku, x5u, x5c) are ignored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jwt
import msgspec

from tallystick.identity.model import Algorithm
from tallystick.identity.parse import Unverified, read_object

_MAX_KEYS = 64
_ALGORITHM_OF: Mapping[tuple[str, str], Algorithm] = {
    ("OKP", "Ed25519"): "EdDSA",
    ("EC", "P-256"): "ES256",
    ("RSA", ""): "RS256",
}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "k"})
# INVARIANT: an RSA key shorter than 2048 bits (NIST SP 800-131A) verifies nothing.
_JWS = jwt.PyJWS(options={"verify_signature": True, "enforce_minimum_key_length": True})


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A verification key, bound to one algorithm. `key_id` is its `kid`, if it has one."""

    key_id: str | None
    algorithm: Algorithm
    key: jwt.PyJWK


def read_keys(raw: bytes, allowed: Sequence[Algorithm]) -> tuple[PublicKey, ...] | None:
    """Return the usable signature keys of a JWK Set (RFC 7517 5), None when `raw` is no JWK Set at all.

    As the RFC asks, members of an unknown or unwanted kind are passed over: encryption keys, other curves, private
    keys (an issuer that publishes one has lost it).
    """
    document = read_object(raw)
    if document is None:
        return None
    try:
        members = msgspec.convert(document.get("keys"), list[dict[str, object]])
    except msgspec.ValidationError:
        return None
    read = (_read_key(member, allowed) for member in members[:_MAX_KEYS])
    return tuple(key for key in read if key is not None)


def choose_keys(keys: Sequence[PublicKey], unverified: Unverified) -> tuple[PublicKey, ...]:
    """Return the keys of the token's algorithm and kid; without a kid, the only key of that algorithm."""
    fitting = tuple(key for key in keys if key.algorithm == unverified.algorithm)
    if unverified.key_id is None:
        return fitting if len(fitting) == 1 else ()
    return tuple(key for key in fitting if key.key_id == unverified.key_id)


def verify(unverified: Unverified, keys: Sequence[PublicKey]) -> dict[str, object] | None:
    """Return the claims when one of `keys` signed the token, else None. The claims' meaning is not checked here."""
    for key in keys:
        try:
            signed = _JWS.decode_complete(unverified.token, key.key, algorithms=[key.algorithm])
        except jwt.PyJWTError:
            continue
        payload: object = signed["payload"]
        return read_object(payload) if isinstance(payload, bytes) else None
    return None


def _read_key(member: Mapping[str, object], allowed: Sequence[Algorithm]) -> PublicKey | None:
    algorithm = _ALGORITHM_OF.get((str(member.get("kty")), str(member.get("crv", ""))))
    if algorithm is None or algorithm not in allowed or not _is_for_signatures(member, algorithm):
        return None
    key_id = member.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        return None
    try:
        return PublicKey(key_id, algorithm, jwt.PyJWK(dict(member), algorithm))
    except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
        return None


def _is_for_signatures(member: Mapping[str, object], algorithm: Algorithm) -> bool:
    operations = member.get("key_ops", ["verify"])
    return (
        member.get("use", "sig") == "sig"
        and member.get("alg", algorithm) == algorithm
        and isinstance(operations, list)
        and "verify" in operations
        and not _PRIVATE_MEMBERS & member.keys()
    )
