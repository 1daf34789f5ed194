"""What the tests of this room share: a clock that stands still, and one way to ask."""

from collections.abc import Sequence

from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.terms import Caller, Reason, Refusal, TenantId
from tests.identity.remote_issuer import NOW, RESOURCE, RemoteIssuer

AUDIENCES = frozenset({RESOURCE})
BANK = TenantId("bank")


class StandingClock:
    """A clock that moves only when told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        """Return the set time."""
        return self.now


class Door:
    """An Authenticator in front of one remote issuer, and its clock."""

    def __init__(self, remote: RemoteIssuer | None = None, trusted: TrustedIssuer | None = None) -> None:
        self.remote = remote or RemoteIssuer()
        self.clock = StandingClock()
        self.trusted = trusted or TrustedIssuer(self.remote.issuer, tenant=BANK)
        self.authenticator = Authenticator([self.trusted], frozenset({BANK}), self.remote, self.clock)

    async def ask(self, token: str, audiences: frozenset[str] = AUDIENCES) -> Caller | Refusal:
        """Present `token` as a bearer token."""
        return await self.authenticator.authenticate(b"Bearer " + token.encode(), audiences)

    async def caller(self, token: str) -> Caller:
        """Present `token`, which must be accepted."""
        outcome = await self.ask(token)
        assert isinstance(outcome, Caller), outcome
        return outcome

    async def reasons(self, token: str) -> Sequence[Reason]:
        """Present `token`, which must be refused; return why."""
        outcome = await self.ask(token)
        assert isinstance(outcome, Refusal), outcome
        return outcome.reasons
