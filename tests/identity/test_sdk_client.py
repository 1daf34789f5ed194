"""The official MCP SDK's OAuth clients, unchanged: challenge, metadata, registration, code, token."""

import json
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx2
import msgspec
import pytest
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tallystick.identity import TrustedIssuer, challenge, metadata_url, resource_metadata
from tallystick.identity.issuer_dev.messages import Receive, Scope, Send
from tallystick.terms import Caller, Refusal, TenantId
from tests.identity.development import ISSUER, MCP, REDIRECT, Desk

pytestmark = pytest.mark.anyio


class Storage:
    """The SDK's token storage, in memory."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """Return the kept tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Return the kept registration."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep a registration."""
        self.client = client_info


class ProtectedResource:
    """The least that a gateway does around this room: metadata, challenge, and an answer that names the caller."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.seen: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the metadata, the protected address, and leave the rest to the issuer."""
        path = str(scope["path"])
        self.seen.append(path)
        if path == urlsplit(metadata_url(MCP)).path:
            trusted = TrustedIssuer(ISSUER, tenant=TenantId("bank"))
            await _send(send, 200, resource_metadata(MCP, [trusted]))
        elif path == urlsplit(MCP).path:
            await self._answer(scope, send)
        else:
            await self.desk.issuer(scope, receive, send)

    async def _answer(self, scope: Scope, send: Send) -> None:
        headers = dict(msgspec.convert(scope["headers"], list[tuple[bytes, bytes]], strict=False))
        caller = await self.desk.authenticator.authenticate(headers.get(b"authorization"), frozenset({MCP}))
        if isinstance(caller, Refusal):
            await _send(send, 401, {}, {"www-authenticate": challenge(metadata_url(MCP), caller)})
        else:
            await _send(send, 200, _described(caller))


def _described(caller: Caller) -> dict[str, object]:
    return {"subject": caller.subject, "kind": caller.kind, "client": caller.client, "actors": list(caller.actors)}


async def _send(send: Send, status: int, document: dict[str, object], headers: dict[str, str] | None = None) -> None:
    raw = [(name.encode(), value.encode()) for name, value in (headers or {}).items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


async def test_the_sdk_signs_a_person_in_by_itself(tmp_path: Path) -> None:
    resource = ProtectedResource(Desk(tmp_path))
    transport = httpx2.ASGITransport(app=resource)
    answered: list[AuthorizationCodeResult] = []

    async def open_page(url: str) -> None:
        async with httpx2.AsyncClient(transport=transport) as browser:
            back = await browser.get(f"{url}&login_hint=clara")
        parameters = dict(parse_qsl(urlsplit(back.headers["location"]).query))
        answered.append(AuthorizationCodeResult.model_validate(parameters))

    async def wait_for_answer() -> AuthorizationCodeResult:
        return answered.pop()

    storage = Storage()
    provider = OAuthClientProvider(
        server_url=MCP,
        client_metadata=OAuthClientMetadata(redirect_uris=[AnyUrl(REDIRECT)], client_name="SDK client"),
        storage=storage,
        redirect_handler=open_page,
        callback_handler=wait_for_answer,
    )
    async with httpx2.AsyncClient(transport=transport, auth=provider) as client:
        first = await client.post(MCP)
        calls = len(resource.seen)
        second = await client.post(MCP)
    assert storage.client is not None
    expected: dict[str, object] = {
        "subject": "clara",
        "kind": "person",
        "client": storage.client.client_id,
        "actors": [],
    }
    assert (first.json(), second.json()) == (expected, expected)
    assert len(resource.seen) == calls + 1, "the second request needs nothing but its token"


async def test_the_sdk_signs_an_agent_in_by_itself(tmp_path: Path) -> None:
    provider = ClientCredentialsOAuthProvider(
        server_url=MCP, storage=Storage(), client_id="nightly", client_secret="s3cret:%", issuer=ISSUER
    )
    transport = httpx2.ASGITransport(app=ProtectedResource(Desk(tmp_path)))
    async with httpx2.AsyncClient(transport=transport, auth=provider) as client:
        answer = await client.post(MCP)
    assert answer.json() == {"subject": "nightly", "kind": "agent", "client": "nightly", "actors": []}
