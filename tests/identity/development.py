"""What the tests of the development issuer share: the issuer, its people and agents, a way to talk to it in process."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2

from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.identity.issuer_dev import Agent, DevelopmentIssuer, Person
from tallystick.terms import Caller, Refusal
from tests.identity.door import BANK, StandingClock

ISSUER = "http://127.0.0.1:8420/dev"
MCP = "http://127.0.0.1:8420/servers/bank/mcp"
RISK = "http://127.0.0.1:8420/servers/risk/mcp"
REDIRECT = "http://127.0.0.1:9999/callback"
VERIFIER = "v" * 43
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
PEOPLE = (Person("ada", "Ada Analyst", ("analysts",)), Person("clara", "Clara <Clerk>", ("clerks", "payments")))
AGENTS = (Agent("nightly", "s3cret:%", groups=("agents",)), Agent("planner", "p1anner"))


class Desk:
    """A development issuer in process, with a client program and a resource server that trusts it."""

    def __init__(self, folder: Path, issuer: str = ISSUER) -> None:
        self.clock = StandingClock()
        self.issuer = DevelopmentIssuer(issuer, folder / "dev.key", PEOPLE, AGENTS, self.clock)
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=self.issuer))
        trusted = TrustedIssuer(issuer, tenant=BANK, algorithms=("EdDSA",))
        self.authenticator = Authenticator([trusted], frozenset({BANK}), self.issuer.fetch, self.clock)

    async def register(self, **changes: object) -> dict[str, str]:
        """Register a client; return the answer."""
        answer = await self.http.post(f"{ISSUER}/register", json={"redirect_uris": [REDIRECT], **changes})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def question(self, client_id: str, **changes: str) -> dict[str, str]:
        """Return good authorization parameters with `changes`."""
        good = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": REDIRECT,
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "resource": MCP,
            "state": "s",
        }
        return {**good, **changes}

    async def authorize(self, client_id: str, **changes: str) -> httpx2.Response:
        """Ask for a code as a script that names the person."""
        parameters = self.question(client_id, **{"login_hint": "ada", **changes})
        return await self.http.get(f"{ISSUER}/authorize", params=parameters)

    async def code(self, client_id: str, **changes: str) -> str:
        """Return an authorization code for ada."""
        return answered(await self.authorize(client_id, **changes))["code"]

    async def token(self, fields: Mapping[str, str], auth: tuple[str, str] | None = None) -> httpx2.Response:
        """Send one token request; `auth` is the client's name and secret for HTTP Basic."""
        basic = httpx2.BasicAuth(*auth) if auth else None
        return await self.http.send(self.http.build_request("POST", f"{ISSUER}/token", data=dict(fields)), auth=basic)

    async def redeem(self, client_id: str, code: str, **changes: str) -> httpx2.Response:
        """Exchange a code for tokens."""
        good = {"code": code, "client_id": client_id, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        return await self.token({"grant_type": "authorization_code", **good, **changes})

    async def caller(self, token: str, audience: str = MCP) -> Caller | Refusal:
        """Present a token to the resource server."""
        return await self.authenticator.authenticate(b"Bearer " + token.encode(), frozenset({audience}))


def answered(response: httpx2.Response) -> Mapping[str, str]:
    """Return the parameters with which the browser was sent back to the client."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.startswith(f"{REDIRECT}?"), location
    return dict(parse_qsl(urlsplit(location).query))


def error(response: httpx2.Response) -> str:
    """Return the OAuth error code of a refused token or registration request."""
    assert response.status_code >= 400, response.text
    return json.loads(response.content)["error"]
