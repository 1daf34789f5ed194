"""Signing in: people by authorization code and PKCE, the agent by client credentials or, for a person, by exchange.

The OAuth client is the SDK's own; only the browser is played: its one redirect is followed here, with a login hint.
"""

import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx2
from mcp import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tallystick_demo_bank.demo.model import LEGACY, DemoError, Say

CLIENT_NAME = "tally-demo"
AGENT = "nightly-reconciler"
_REDIRECT = "http://127.0.0.1:9/callback"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name, not a secret
_TIMEOUT = httpx2.Timeout(30, read=300)
# Everything is on the loopback address: no proxy of the environment, and no TLS, whose trust store takes 50 ms to load.
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@dataclass(slots=True)
class _Wallet:
    """The SDK's token storage: the tokens of one person on one route, and the registration they share."""

    registration: list[OAuthClientInformationFull]
    tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.registration[-1] if self.registration else None

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.registration.append(client_info)


@dataclass(slots=True)
class Desk:
    """Everybody who takes part, and how they connect to the gateway at `url`. `keys` holds the agent's secret."""

    url: str
    keys: Path
    say: Say
    signed_in: dict[str, str] = field(default_factory=dict[str, str])
    _wallets: dict[tuple[str, str], _Wallet] = field(default_factory=dict[tuple[str, str], _Wallet])
    _registrations: dict[str, list[OAuthClientInformationFull]] = field(
        default_factory=dict[str, list[OAuthClientInformationFull]]
    )

    def client_id(self, who: str, agent: str | None) -> str:
        """Return the OAuth client that somebody's calls come through."""
        if agent is not None or who == AGENT:
            return AGENT
        registered = self._registrations.get(who)
        return str(registered[-1].client_id) if registered else ""

    @asynccontextmanager
    async def connect(self, who: str, agent: str | None, era: str, route: str) -> AsyncGenerator[Client]:
        """Connect the official client of one era to a route, as `who`, or as `agent` acting for `who`."""
        endpoint = self._endpoint(route)
        headers = {"Authorization": f"Bearer {await self._exchanged(who, route)}"} if agent is not None else {}
        auth = None if agent is not None else self._auth(who, route)
        mode = "legacy" if era == LEGACY else era
        async with (
            _http(headers, auth) as http,
            Client(streamable_http_client(endpoint, http_client=http), mode=mode) as client,
        ):
            if agent is None:
                self._signed_in(who, "client credentials" if who == AGENT else "authorization code with PKCE")
            yield client

    async def sign_in(self, who: str, route: str) -> None:
        """Sign in before there is anything to do: connect without a token; the SDK answers the challenge."""
        async with self.connect(who, None, LEGACY, route):
            pass

    def _endpoint(self, route: str) -> str:
        return f"{self.url}/{route}/mcp"

    @property
    def _issuer(self) -> str:
        return f"{self.url}/development-issuer"

    def _secret(self, agent: str) -> str:
        return (self.keys / f"development-agent-{agent}.key").read_bytes().hex()

    def _wallet(self, who: str, route: str) -> _Wallet:
        registration = self._registrations.setdefault(who, [])
        return self._wallets.setdefault((who, route), _Wallet(registration))

    def _auth(self, who: str, route: str) -> httpx2.Auth:
        wallet = self._wallet(who, route)
        if who == AGENT:
            return ClientCredentialsOAuthProvider(
                self._endpoint(route), wallet, AGENT, self._secret(AGENT), issuer=self._issuer
            )
        answered: list[AuthorizationCodeResult] = []

        async def open_page(url: str) -> None:
            hint = urlencode({"login_hint": who})
            async with _http() as browser:
                back = await browser.get(f"{url}&{hint}")
            location = back.headers.get("location", "")
            if not location.startswith(_REDIRECT):
                message = f"the development issuer did not sign in {who}: HTTP {back.status_code} {back.text[:200]}"
                raise DemoError(message)
            answered.append(AuthorizationCodeResult.model_validate(dict(parse_qsl(urlsplit(location).query))))

        async def wait_for_answer() -> AuthorizationCodeResult:
            return answered.pop()

        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(_REDIRECT)], client_name=CLIENT_NAME)
        return OAuthClientProvider(self._endpoint(route), metadata, wallet, open_page, wait_for_answer)

    async def _exchanged(self, who: str, route: str) -> str:
        """Return a token about `who` for the agent, who is named in it as the one that acts (RFC 8693)."""
        wallet = self._wallet(who, route)
        if wallet.tokens is None:
            await self.sign_in(who, route)
        if wallet.tokens is None:
            message = f"{who} could not sign in for {route}"
            raise DemoError(message)
        form = {
            "grant_type": _EXCHANGE,
            "subject_token": wallet.tokens.access_token,
            "subject_token_type": _ACCESS_TOKEN,
            "resource": self._endpoint(route),
        }
        async with _http() as http:
            answer = await http.post(f"{self._issuer}/token", data=form, auth=(AGENT, self._secret(AGENT)))
        if not answer.is_success:
            message = f"the development issuer refused the exchange: HTTP {answer.status_code} {answer.text[:200]}"
            raise DemoError(message)
        self._signed_in(f"{AGENT} for {who}", "token exchange")
        return OAuthToken.model_validate_json(answer.content).access_token

    def _signed_in(self, who: str, how: str) -> None:
        if who not in self.signed_in:
            self.signed_in[who] = how
            self.say(f"  {who} is signed in ({how})")


def _http(headers: dict[str, str] | None = None, auth: httpx2.Auth | None = None) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(headers=headers, auth=auth, timeout=_TIMEOUT, trust_env=False, verify=_NO_TLS)
