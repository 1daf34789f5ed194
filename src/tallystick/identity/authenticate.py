"""The OAuth 2.1 resource server (RFC 9068, RFC 6750): an Authorization header to a Caller, cached by its full hash."""

from collections.abc import Sequence
from hashlib import sha256

from tallystick.identity.admit import Question, admit
from tallystick.identity.keyring import KeyRing
from tallystick.identity.model import Fetch, Limits, TrustedIssuer
from tallystick.identity.parse import Unverified, read_bearer, read_token
from tallystick.identity.refuse import refuse
from tallystick.identity.verify import verify
from tallystick.terms import Caller, Clock, Reason, Refusal, TallyError, TenantId

_DEFAULT = Limits()


class Authenticator:
    """Verifies access tokens of the trusted issuers; one per process and event loop.

    Changed issuers or tenants mean a new Authenticator (see `replace`): no verdict of the old ones survives.
    """

    def __init__(
        self,
        issuers: Sequence[TrustedIssuer],
        tenants: frozenset[TenantId],
        fetch: Fetch,
        clock: Clock,
        limits: Limits = _DEFAULT,
    ) -> None:
        """Trust `issuers`. Raises TallyError("invalid") when two of them share a name."""
        self._issuers = {trusted.issuer: trusted for trusted in issuers}
        if len(self._issuers) != len(issuers):
            raise TallyError(code="invalid", message="two trusted issuers have the same issuer identifier")
        self._tenants = tenants
        self._fetch = fetch
        self._clock = clock
        self._limits = limits
        self._rings = {name: KeyRing(trusted, fetch, clock, limits) for name, trusted in self._issuers.items()}
        self._cache: dict[tuple[bytes, frozenset[str]], tuple[float, Caller]] = {}

    def replace(self, issuers: Sequence[TrustedIssuer], tenants: frozenset[TenantId]) -> "Authenticator":
        """Return an Authenticator for a new configuration that keeps the fetched keys of unchanged issuers."""
        successor = Authenticator(issuers, tenants, self._fetch, self._clock, self._limits)
        for name, trusted in successor._issuers.items():
            if self._issuers.get(name) == trusted:
                successor._rings[name] = self._rings[name]
        return successor

    def lookup(self, authorization: bytes | None, audiences: frozenset[str]) -> Caller | None:
        """Return the Caller of a header already verified for exactly these audiences, or None: ask `authenticate`."""
        if authorization is None:
            return None
        # INVARIANT: the key is the hash of the whole header value, never of a part of it, together with the audiences.
        entry = self._cache.get((sha256(authorization).digest(), audiences))
        return entry[1] if entry is not None and self._clock() < entry[0] else None

    async def authenticate(self, authorization: bytes | None, audiences: frozenset[str]) -> Caller | Refusal:
        """Return who sends this header to a resource known by `audiences`; no failure ever becomes "anonymous"."""
        known = self.lookup(authorization, audiences)
        if known is not None:
            return known
        token = read_bearer(authorization)
        if isinstance(token, Refusal):
            return token
        unverified = read_token(token)
        if isinstance(unverified, Refusal):
            return unverified
        outcome = await self._verified(unverified, audiences)
        if isinstance(outcome, Caller) and authorization is not None:
            self._remember(authorization, audiences, outcome)
        return outcome

    async def _verified(self, unverified: Unverified, audiences: frozenset[str]) -> Caller | Refusal:
        trusted = self._issuers.get(unverified.issuer)
        if trusted is None:
            return refuse(Reason.ISSUER_UNKNOWN, f"issuer {unverified.issuer[:200]!r} is not configured")
        keys = await self._rings[trusted.issuer].find(unverified)
        if isinstance(keys, Refusal):
            return keys
        claims = verify(unverified, keys)
        if claims is None:
            return refuse(Reason.TOKEN_INVALID, "the signature does not verify")
        question = Question(audiences, self._tenants, self._clock())
        return admit(claims, trusted, question, is_typed=unverified.is_typed)

    def _remember(self, authorization: bytes, audiences: frozenset[str], caller: Caller) -> None:
        if len(self._cache) >= self._limits.cache_entries:
            # Oldest first; only verified tokens get here, so an outsider cannot push others out.
            del self._cache[next(iter(self._cache))]
        skew_s = self._issuers[caller.issuer].skew_s
        until = min(caller.expires_at + skew_s, self._clock() + self._limits.cache_s)
        key = (sha256(authorization).digest(), audiences)
        self._cache.pop(key, None)
        self._cache[key] = (until, caller)
