"""Verified claims to a Caller, or the reason why not: time, audience, names, actors, tenant. Pure (RFC 9068, RFC 8693).

The signature is not checked here; see `verify`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import msgspec

from tallystick.identity.model import TrustedIssuer
from tallystick.identity.refuse import refuse
from tallystick.terms import Caller, Reason, Refusal, TenantId

MAX_ACTORS = 8
_MAX_NAME = 512
_LATEST = 2**53
_CLIENT_CLAIMS = ("client_id", "azp", "cid")
_ID_TOKEN_CLAIMS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})
_VOLATILE = frozenset({"iat", "exp", "nbf", "jti"})


@dataclass(frozen=True, slots=True)
class Question:
    """What a token is held against: this resource's identifiers, the tenants that exist, the time (epoch seconds)."""

    audiences: frozenset[str]
    tenants: frozenset[TenantId]
    now: float


class _Actor(msgspec.Struct, frozen=True):
    """One `act` member (RFC 8693 4.1); other members than these are informational."""

    sub: str
    iss: str | None = None
    act: object = None


def admit(claims: dict[str, object], trusted: TrustedIssuer, question: Question, *, is_typed: bool) -> Caller | Refusal:
    """Return the Caller that verified `claims` describe. `is_typed`: the header's typ is at+jwt (RFC 9068 2.1)."""
    expires_at = _times(claims, trusted.skew_s, question.now)
    if isinstance(expires_at, Refusal):
        return expires_at
    if not is_typed and _is_other_token(claims):
        return refuse(Reason.TOKEN_INVALID, "an ID token (or security event) is not an access token")
    if not _audiences(claims.get("aud")) & question.audiences:
        return refuse(Reason.AUDIENCE_WRONG, "aud names none of this resource's identifiers")
    subject = _subject(claims.get(trusted.subject_claim))
    if isinstance(subject, Refusal):
        return subject
    tenant = _tenant(claims, trusted, question.tenants)
    if isinstance(tenant, Refusal):
        return tenant
    client = _client(claims, trusted)
    groups = _groups(claims, trusted)
    actors = read_actors(claims)
    if isinstance(client, Refusal) or isinstance(groups, Refusal) or isinstance(actors, Refusal):
        return next(part for part in (client, groups, actors) if isinstance(part, Refusal))
    kind = _kind(claims, trusted, is_own_client=subject == client)
    return Caller(
        subject=subject,
        kind=kind,
        tenant=tenant,
        issuer=trusted.issuer,
        client=client,
        authority=_authority(claims, [subject, kind, tenant, client, list(groups), list(actors)]),
        expires_at=expires_at,
        actors=actors,
        groups=groups,
        claims=MappingProxyType(claims),
    )


def _authority(claims: Mapping[str, object], derived: list[object]) -> str:
    # All verified claims but those that differ between two tokens of equal rights, and what we made of them: were a
    # claim mapping changed by a reload, the same token must not find a decision that was cached under the old one.
    lasting = {name: value for name, value in claims.items() if name not in _VOLATILE}
    text = json.dumps([lasting, derived], sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _times(claims: Mapping[str, object], skew_s: float, now: float) -> float | Refusal:
    expires_at = _instant(claims.get("exp"))
    not_before = _instant(claims.get("nbf", 0))
    issued_at = _instant(claims.get("iat", 0))
    if expires_at is None or not_before is None or issued_at is None:
        return refuse(Reason.TOKEN_INVALID, "exp is missing, or exp, nbf or iat is not a NumericDate")
    if now >= expires_at + skew_s:
        return refuse(Reason.TOKEN_EXPIRED, "exp has passed")
    if max(not_before, issued_at) > now + skew_s:
        return refuse(Reason.TOKEN_INVALID, "nbf or iat lies in the future")
    return expires_at


def _instant(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < _LATEST:
        return None
    return float(value)


def _is_other_token(claims: Mapping[str, object]) -> bool:
    # Some issuers say in the payload what the header should have said; "Bearer" there is an access token's mark.
    return claims.get("typ") != "Bearer" and (claims.get("typ") == "ID" or not _ID_TOKEN_CLAIMS.isdisjoint(claims))


def _audiences(value: object) -> frozenset[str]:
    return frozenset(_strings(value) or ())


def _subject(value: object) -> str | Refusal:
    if value is None or (isinstance(value, str) and not value.strip()):
        return refuse(Reason.SUBJECT_EMPTY, "the subject claim is missing or blank")
    return _name(value) or refuse(Reason.TOKEN_INVALID, "the subject is not a plain name")


def _tenant(claims: Mapping[str, object], trusted: TrustedIssuer, tenants: frozenset[TenantId]) -> TenantId | Refusal:
    name = trusted.tenant or claims.get(trusted.tenant_claim)
    if not isinstance(name, str) or TenantId(name) not in tenants:
        return refuse(Reason.TENANT_UNKNOWN, "the token's tenant is missing or not configured")
    return TenantId(name)


def _client(claims: Mapping[str, object], trusted: TrustedIssuer) -> str | Refusal:
    names = (trusted.client_claim,) if trusted.client_claim else _CLIENT_CLAIMS
    value = next((claims[name] for name in names if name in claims), None)
    return _name(value) or refuse(Reason.TOKEN_INVALID, "the token names no client")


def _groups(claims: Mapping[str, object], trusted: TrustedIssuer) -> tuple[str, ...] | Refusal:
    # Groups that must be asked for elsewhere (OpenID Connect 5.6.2): to see none of them would blind a `forbid`.
    elsewhere = claims.get("_claim_names")
    if isinstance(elsewhere, dict) and trusted.groups_claim in elsewhere:
        return refuse(Reason.TOKEN_INVALID, "the token's groups are distributed claims, which are not fetched")
    groups = _strings(claims.get(trusted.groups_claim, []))
    if groups is None or not all(_name(group) for group in groups):
        return refuse(Reason.TOKEN_INVALID, "the groups claim is not a list of names")
    return tuple(sorted(set(groups)))


def read_actors(claims: Mapping[str, object]) -> tuple[str, ...] | Refusal:
    """Return the names in the `act` chain (RFC 8693 4.1), outermost first; at most 8."""
    actors: list[str] = []
    node = claims.get("act")
    while node is not None:
        actor = _read_actor(node)
        # An actor of another issuer could bear the name of one of ours.
        if actor is None or actor.iss not in {None, claims.get("iss")} or len(actors) == MAX_ACTORS:
            return refuse(Reason.TOKEN_INVALID, "act is not a short chain of named actors of this issuer")
        actors.append(actor.sub)
        node = actor.act
    return tuple(actors)


def _kind(claims: Mapping[str, object], trusted: TrustedIssuer, *, is_own_client: bool) -> Literal["person", "agent"]:
    mark = claims.get(trusted.agent_claim) if trusted.agent_claim else None
    text = mark if isinstance(mark, str) else json.dumps(mark)
    return "agent" if is_own_client or (mark is not None and text == trusted.agent_value) else "person"


def _read_actor(node: object) -> _Actor | None:
    try:
        actor = msgspec.convert(node, _Actor)
    except msgspec.ValidationError:
        return None
    return actor if _name(actor.sub) else None


def _name(value: object) -> str | None:
    # Control and zero-width characters and outer blanks make two names look alike in a record or a policy.
    if not isinstance(value, str) or not value.isprintable() or value != value.strip():
        return None
    return value if 0 < len(value) <= _MAX_NAME else None


def _strings(value: object) -> list[str] | None:
    try:
        return msgspec.convert([value] if isinstance(value, str) else value, list[str])
    except msgspec.ValidationError:
        return None
