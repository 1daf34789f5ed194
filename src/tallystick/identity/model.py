"""What the room is told: which issuers to trust, how to read their claims, and how to fetch from them."""

from collections.abc import Awaitable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal, Protocol
from urllib.parse import urlsplit

from tallystick.terms import Refusal, TallyError, TenantId

Algorithm = Literal["EdDSA", "ES256", "RS256"]
"""Signature algorithms (RFC 7518, RFC 8037) that may ever be allowed; symmetric ones and `none` cannot be named."""

ALGORITHMS: tuple[Algorithm, ...] = ("EdDSA", "ES256", "RS256")
_MAX_SKEW_S = 300


class Fetch(Protocol):
    """One outbound GET. The implementation pins addresses, follows no redirect and bounds time and size."""

    def __call__(self, url: str) -> Awaitable[bytes | Refusal]:
        """Return the body of a 200 answer, or a Refusal for everything else; never raises for what the network does."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How long what was fetched and verified is believed (seconds), and how much of it is kept.

    `fresh_s`: older keys are fetched again, so a withdrawn key stops working after `fresh_s` + `cache_s` at most.
    `max_age_s`: how long the last good keys serve while the issuer is unreachable. `cool_down_s`: least time between
    two fetches, whatever tokens arrive. `cache_s`, `cache_entries`: verified headers believed without a second look.
    """

    fresh_s: float = 600
    max_age_s: float = 21_600
    cool_down_s: float = 10
    cache_s: float = 300
    cache_entries: int = 8_192


@dataclass(frozen=True, slots=True)
class TrustedIssuer:
    """One authorization server (RFC 8414, OpenID Connect Discovery) whose access tokens are accepted.

    Exactly one of `tenant` (every token belongs to it) and `tenant_claim` (the claim's value names the tenant) is set.
    `client_claim` empty: the first present of client_id, azp, cid. `agent_claim` names a claim that marks an autonomous
    agent when its value, as text, equals `agent_value` (JSON true reads "true"); a subject that equals its client is
    always an agent. `jwks_uri` replaces discovery. `skew_s`: tolerated clock difference in seconds.
    """

    issuer: str
    tenant: TenantId | None = None
    tenant_claim: str = ""
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    subject_claim: str = "sub"
    groups_claim: str = "groups"
    client_claim: str = ""
    agent_claim: str = ""
    agent_value: str = "true"
    jwks_uri: str = ""
    skew_s: float = 30

    def __post_init__(self) -> None:
        """Refuse a description that could admit more than its author meant; raises TallyError("invalid")."""
        problem = _problem(self)
        if problem:
            raise TallyError(code="invalid", message=f"issuer {self.issuer!r}: {problem}")


def is_loopback(host: str) -> bool:
    """Return whether `host` (a URL's hostname, no brackets) can only mean this machine: 127.0.0.0/8, ::1, localhost."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe_url(url: str) -> bool:
    """Return whether keys may be fetched from `url`: https, or http on loopback; no credentials, no fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in url or not url.isascii() or not url.isprintable() or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def _problem(trusted: TrustedIssuer) -> str:
    if not is_safe_url(trusted.issuer) or urlsplit(trusted.issuer).query:
        return "must be an https URL (or http on loopback) without credentials, query and fragment"
    if bool(trusted.tenant) == bool(trusted.tenant_claim):
        return "set exactly one of tenant and tenant_claim"
    if not trusted.algorithms or not set(trusted.algorithms) <= set(ALGORITHMS):
        return f"algorithms must be some of {', '.join(ALGORITHMS)}"
    if trusted.jwks_uri and not is_safe_url(trusted.jwks_uri):
        return "jwks_uri must be an https URL (or http on loopback)"
    if not trusted.subject_claim or not trusted.groups_claim:
        return "subject_claim and groups_claim must not be empty"
    return "" if 0 <= trusted.skew_s <= _MAX_SKEW_S else f"skew_s must be between 0 and {_MAX_SKEW_S}"
