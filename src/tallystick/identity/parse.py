"""Authorization header and token bytes to typed parts, strictly (RFC 6750 2.1, RFC 7515 7.1); nothing is verified here.

What two parsers could read differently is refused: ambiguous JSON (`terms.strict_json`), base64 padding, critical
extensions.
"""

import binascii
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass

import msgspec

from tallystick.identity.refuse import refuse
from tallystick.terms import Reason, Refusal, strict_json

MAX_TOKEN_BYTES = 16_384
_COMPACT_JWS = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_ACCESS_TOKEN_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_TYPES = frozenset({"jwt", "application/jwt"})


@dataclass(frozen=True, slots=True)
class Unverified:
    """A well-formed token whose signature nobody has checked; only `issuer` and the key's name may be read from it."""

    token: bytes
    algorithm: str
    key_id: str | None
    is_typed: bool
    issuer: str


def read_object(raw: bytes) -> dict[str, object] | None:
    """Return the JSON object in `raw` (UTF-8), or None when it is anything else or could be read in two ways."""
    try:
        return msgspec.convert(strict_json.read(raw), dict[str, object])
    except ValueError:
        return None


def read_bearer(authorization: bytes | None) -> bytes | Refusal:
    """Return the bearer token in an Authorization header's value, or why there is none."""
    if authorization is None or not authorization.strip():
        return refuse(Reason.TOKEN_MISSING, "no Authorization header")
    scheme, _, rest = authorization.strip().partition(b" ")
    token = rest.strip(b" ")
    if scheme.lower() != b"bearer" or not token:
        return refuse(Reason.TOKEN_MISSING, "the Authorization header carries no bearer token")
    if len(token) > MAX_TOKEN_BYTES:
        return refuse(Reason.TOKEN_INVALID, f"token longer than {MAX_TOKEN_BYTES} bytes")
    return token


def read_token(token: bytes) -> Unverified | Refusal:
    """Return the parts of a compact JWS that choose the key, or the refusal of a token that is none."""
    if not _COMPACT_JWS.fullmatch(token):
        return refuse(Reason.TOKEN_INVALID, "not a compact JWS")
    head, payload, _ = token.split(b".")
    header, claims = _decoded(head), _decoded(payload)
    if header is None or claims is None:
        return refuse(Reason.TOKEN_INVALID, "header or payload is not an unambiguous JSON object")
    problem = _header_problem(header)
    if problem:
        return refuse(Reason.TOKEN_INVALID, problem)
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        return refuse(Reason.TOKEN_INVALID, "no iss claim")
    key_id = header.get("kid")
    return Unverified(
        token=token,
        algorithm=str(header["alg"]),
        key_id=key_id if isinstance(key_id, str) else None,
        is_typed=str(header.get("typ", "")).lower() in _ACCESS_TOKEN_TYPES,
        issuer=issuer,
    )


def _header_problem(header: dict[str, object]) -> str:
    # INVARIANT: no extension is understood, so a critical one (or RFC 7797's unencoded payload) is always refused.
    if "crit" in header or "b64" in header:
        return "critical header extensions are not supported"
    if not isinstance(header.get("alg"), str):
        return "no alg header"
    if not isinstance(header.get("kid", ""), str):
        return "kid is not a string"
    typ = header.get("typ", "JWT")
    if not isinstance(typ, str) or typ.lower() not in _ACCESS_TOKEN_TYPES | _PLAIN_TYPES:
        return f"typ {typ!r} is not an access token's"
    return ""


def _decoded(segment: bytes) -> dict[str, object] | None:
    try:
        return read_object(urlsafe_b64decode(segment + b"=" * (-len(segment) % 4)))
    except binascii.Error:
        return None
