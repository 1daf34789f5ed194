"""One issuer's keys, fetched, kept and renewed: discovery (RFC 8414 3, OpenID Connect Discovery 4) and its JWK Set.

Unknown key names are an attacker's free choice: whatever arrives, the issuer is asked once per cool-down, and requests
that wait share that one answer.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import anyio

from tallystick.identity.model import Fetch, Limits, TrustedIssuer, is_safe_url
from tallystick.identity.parse import Unverified, read_object
from tallystick.identity.refuse import refuse
from tallystick.identity.verify import PublicKey, choose_keys, read_keys
from tallystick.terms import Clock, Reason, Refusal

_FETCH_S = 15
_NEVER = float("-inf")


class KeyRing:
    """The current keys of one trusted issuer; lives in one event loop."""

    def __init__(self, trusted: TrustedIssuer, fetch: Fetch, clock: Clock, limits: Limits) -> None:
        self._trusted = trusted
        self._fetch = fetch
        self._clock = clock
        self._limits = limits
        self._keys: tuple[PublicKey, ...] = ()
        self._fetched_at = _NEVER
        self._asked_at = _NEVER
        self._lock = anyio.Lock()

    async def find(self, unverified: Unverified) -> tuple[PublicKey, ...] | Refusal:
        """Return the keys that may have signed the token; TOKEN_INVALID: there is none, ISSUER_UNAVAILABLE: unknown."""
        if unverified.algorithm not in self._trusted.algorithms:
            return refuse(Reason.TOKEN_INVALID, f"algorithm {unverified.algorithm!r} is not allowed for this issuer")
        found = self._usable(unverified)
        if not found or self._age() >= self._limits.fresh_s:
            await self._renew(must_wait=not found)
            found = self._usable(unverified)
        if found:
            return found
        if self._age() >= self._limits.max_age_s:
            return refuse(Reason.ISSUER_UNAVAILABLE, f"no keys of {self._trusted.issuer} could be fetched")
        return refuse(Reason.TOKEN_INVALID, "the issuer publishes no such key")

    def _usable(self, unverified: Unverified) -> tuple[PublicKey, ...]:
        return choose_keys(self._keys, unverified) if self._age() < self._limits.max_age_s else ()

    def _age(self) -> float:
        # A clock that was set back makes keys look younger than nothing; they then count as old at once.
        age = self._clock() - self._fetched_at
        return age if age >= 0 else float("inf")

    async def _renew(self, *, must_wait: bool) -> None:
        if self._lock.locked() and not must_wait:
            return
        async with self._lock:
            # Whoever waited here finds the answer of the one before it: still inside the cool-down.
            if 0 <= self._clock() - self._asked_at < self._limits.cool_down_s:
                return
            self._asked_at = self._clock()
            # Shielded, so that clients that hang up cannot leave the cool-down behind without its answer.
            with anyio.move_on_after(_FETCH_S, shield=True):
                keys = await self._fetch_keys()
                if keys is not None:
                    self._keys, self._fetched_at = keys, self._clock()

    async def _fetch_keys(self) -> tuple[PublicKey, ...] | None:
        url = self._trusted.jwks_uri or await self._discover()
        raw = await self._fetch(url) if url else None
        return read_keys(raw, self._trusted.algorithms) if isinstance(raw, bytes) else None

    async def _discover(self) -> str | None:
        for url in discovery_urls(self._trusted.issuer):
            raw = await self._fetch(url)
            document = read_object(raw) if isinstance(raw, bytes) else None
            # INVARIANT: a document that names another issuer is never used (RFC 8414 3.3).
            if document is None or document.get("issuer") != self._trusted.issuer:
                continue
            jwks_uri = document.get("jwks_uri")
            if isinstance(jwks_uri, str) and is_safe_url(jwks_uri):
                return jwks_uri
        return None


def discovery_urls(issuer: str) -> Iterator[str]:
    """Yield the places of an issuer's metadata in the order to try; with a path, the RFC 8414 forms come first."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    if path:
        yield f"{origin}/.well-known/oauth-authorization-server{path}"
        yield f"{origin}/.well-known/openid-configuration{path}"
        yield f"{origin}{path}/.well-known/openid-configuration"
    else:
        yield f"{origin}/.well-known/openid-configuration"
        yield f"{origin}/.well-known/oauth-authorization-server"
