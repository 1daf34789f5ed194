"""Tokens of a certified OpenID provider that nobody here wrote (npm oidc-provider), over real sockets."""

import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2
import pytest

from tallystick.identity import Authenticator, TrustedIssuer
from tallystick.terms import Caller, Reason, Refusal
from tests.identity.development import CHALLENGE, VERIFIER
from tests.identity.door import BANK

pytestmark = [pytest.mark.live, pytest.mark.anyio]
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "oidc-provider@9.13.3"
RESOURCE = "https://gateway.example/servers/bank/mcp"
CALLBACK = "http://127.0.0.1/callback"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """Install (once, into var/npm) and start the provider; yield its issuer URL."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("node and npm are needed to start oidc-provider")
    cache = ROOT / "var" / "npm"
    module = cache / "node_modules" / "oidc-provider" / "lib" / "index.js"
    if not module.exists():
        cache.mkdir(parents=True, exist_ok=True)
        arguments = [npm, "install", "--prefix", str(cache), "--no-audit", "--no-fund", "--ignore-scripts", PACKAGE]
        installed = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=300)
        if installed.returncode:
            pytest.skip(f"npm could not install {PACKAGE}: {installed.stderr[-300:]}")
    script = Path(__file__).with_name("oidc_provider.mjs")
    with subprocess.Popen([node, str(script), str(module)], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            url = next((line.strip() for line in lines if line.startswith("http://")), "")
            assert url, "oidc-provider did not start; its error is above"
            yield url
        finally:
            process.terminate()


class Web:
    """Plain HTTP with a cookie jar; also the `Fetch` of the authenticator."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def __call__(self, url: str) -> bytes | Refusal:
        """Return a 200 answer's body."""
        answer = await self.http.get(url)
        refusal = Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), f"HTTP {answer.status_code}")
        return answer.content if answer.is_success else refusal


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    """Yield a browser without history."""
    async with httpx2.AsyncClient() as http:
        yield Web(http)


def _authenticator(issuer: str, web: Web) -> Authenticator:
    return Authenticator([TrustedIssuer(issuer, tenant=BANK)], frozenset({BANK}), web, _clock)


def _clock() -> float:
    return time.clock_gettime(time.CLOCK_REALTIME)


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_an_agent_of_a_real_provider_is_known_by_its_token(issuer: str, web: Web, algorithm: str) -> None:
    resource = f"{RESOURCE}?alg={algorithm}"
    fields = {"grant_type": "client_credentials", "resource": resource, "scope": "mcp"}
    auth = httpx2.BasicAuth("nightly", "made-up")
    answer = (await web.http.post(f"{issuer}/token", data=fields, auth=auth)).json()
    header = b"Bearer " + answer["access_token"].encode()
    authenticator = _authenticator(issuer, web)
    caller = await authenticator.authenticate(header, frozenset({resource}))
    assert isinstance(caller, Caller), caller
    assert (caller.subject, caller.kind, caller.groups) == ("nightly", "agent", ("agents",))
    refused = await authenticator.authenticate(header, frozenset({RESOURCE}))
    assert isinstance(refused, Refusal)
    assert refused.reasons == (Reason.AUDIENCE_WRONG,)


async def _signed_in(issuer: str, web: Web) -> dict[str, str]:
    """Walk the provider's own login and consent pages as ada; return the callback's parameters."""
    question = {
        "client_id": "desk",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid mcp",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "resource": RESOURCE,
    }
    answer = await web.http.get(f"{issuer}/auth", params=question)
    for _ in range(10):
        location = answer.headers.get("location", "")
        if location.startswith(CALLBACK):
            return dict(parse_qsl(urlsplit(location).query))
        if location:
            answer = await web.http.get(urljoin(issuer, location))
        else:
            prompt = re.search(r'name="prompt" value="(\w+)"', answer.text)
            assert prompt is not None, answer.text
            form = {"prompt": prompt[1], "login": "ada", "password": "any"}
            answer = await web.http.post(str(answer.url), data=form)
    raise AssertionError(answer.text)


async def test_a_person_who_signs_in_at_a_real_provider_is_known_and_their_id_token_is_not(
    issuer: str, web: Web
) -> None:
    back = await _signed_in(issuer, web)
    assert back["iss"] == issuer
    fields = {"grant_type": "authorization_code", "code": back["code"], "redirect_uri": CALLBACK, "client_id": "desk"}
    answer = await web.http.post(f"{issuer}/token", data={**fields, "code_verifier": VERIFIER, "resource": RESOURCE})
    tokens = answer.json()
    authenticator = _authenticator(issuer, web)
    caller = await authenticator.authenticate(b"Bearer " + tokens["access_token"].encode(), frozenset({RESOURCE}))
    assert isinstance(caller, Caller), caller
    assert (caller.subject, caller.kind, caller.client, caller.groups) == ("ada", "person", "desk", ("analysts",))
    id_token = await authenticator.authenticate(b"Bearer " + tokens["id_token"].encode(), frozenset({"desk"}))
    assert isinstance(id_token, Refusal)
    assert id_token.reasons == (Reason.TOKEN_INVALID,)
