"""What an auditor reads, what a ticketing system says, and what is found: through the real record and receiver."""

import hashlib
import hmac
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from tallystick.remote import RemoteError
from tallystick.remote.messages import asked, told
from tallystick.wiring.compose import clock
from tests.interaction.stage import Json, Stage, index_of, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import listening
from tests.wiring.console.desk import ask, document, eventually, may, operator, person, server, step, take

pytestmark = pytest.mark.anyio
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
JIRA: Json = {
    "format": "jira",
    "secret": "signing",
    "allow_special_addresses": True,
    "ticketing": {
        "project": "RISK",
        "approve": ["Approved"],
        "reject": ["Declined"],
        "people": {"557058:rita": "rita"},
    },
}


async def test_an_auditor_finds_calls_and_denials_where_they_are_recorded(stage: Stage) -> None:
    await ask(operator(stage).put, may("auditor", "aude"))
    await ask(operator(stage).put, may("owner", "olga"))
    await stage.call("servers/desk", "echo", {"text": "on record"}, token=stage.token("carl"))
    denied = await stage.call("servers/desk", "wipe", {}, token=stage.token("carl"))
    assert reasons_of(denied) == ["policy_forbids"]
    aude = person(stage, "aude")

    def denials() -> list[dict[str, object]]:
        return aude.ask("GET", "/denials", told.Records, query=asked.Denied("bank", person="carl")).items

    (found,) = await eventually(denials, len)
    assert (found["tool"], found["index"], found["reasons"]) == ("wipe", index_of(denied), ["policy_forbids"])
    query = asked.Record("bank", "intent", person="carl", server="desk", tool="echo")
    (call,) = (await ask(aude.ask, "GET", "/record", told.Records, query=query)).items
    assert (call["kind"], call["outcome"]) == ("intent", "success")
    elsewhere = asked.Record("branch", person="carl")
    with pytest.raises(RemoteError) as refused:
        await ask(aude.ask, "GET", "/record", told.Records, query=elsewhere)
    assert refused.value.reasons == ("role_missing",)
    with pytest.raises(RemoteError) as refused:
        await ask(person(stage, "olga").ask, "GET", "/denials", told.Records, query=asked.Denied("bank"))
    assert refused.value.reasons == ("role_missing",)

    # What the console itself refused is on the same record.
    def refusals() -> list[dict[str, object]]:
        return aude.ask("GET", "/denials", told.Records, query=asked.Denied("bank", person="olga")).items

    (by_the_console,) = await eventually(refusals, len)
    assert (by_the_console["method"], by_the_console["reasons"]) == ("GET /api/v1/denials", ["role_missing"])


async def test_what_is_searched_is_what_is_in_force(stage: Stage) -> None:
    client = operator(stage)
    await ask(client.scan, "desk")
    tools = await ask(client.ask, "GET", "/tools", told.Findings, query=asked.ToolSearch("wipe", operation="execute"))
    found = next(one for one in tools.items if one.server == "desk")
    assert (found.tool, found.operation, found.risk, found.state) == ("wipe", "execute", "critical", "approved")
    await ask(client.step, "Server", "desk", step("suspended", comment="it looks odd"))
    await until(lambda: "servers/desk" not in stage.gateway.routes)
    again = await ask(client.search, asked.Search("desk", of="servers", state="approved"))
    assert "desk" not in {one.server for one in again.items}
    suspended = await ask(client.search, asked.Search("desk", of="servers", state="suspended"))
    assert {one.server for one in suspended.items} == {"desk"}


class Jira:
    """Opens an issue for whoever asks."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request as Jira does."""
        await receive()
        body = b'{"id":"10000","key":"RISK-24","self":"https://jira.example/rest/api/3/issue/10000"}'
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 201, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def _jira() -> AsyncGenerator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with listening(Jira(), listener):
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"


async def test_a_yes_from_jira_puts_a_server_in_force_and_a_forged_one_is_on_record(stage: Stage) -> None:
    client = operator(stage)
    # A ticket says nothing of the whole installation: what is inside is let in so only where one tenant is alone.
    (stage.places.config / "tenants" / "branch.yaml").unlink()
    await until(lambda: _tenants(stage) == {"bank"})
    oversight = document("Role", "oversight", {"role": "auditor", "people": ["aude"]}, "")
    for role in (may("developer", "dora"), may("reviewer", "rita"), oversight):
        await ask(client.put, role)
    async with _jira() as url:
        await ask(client.put, document("Secret", "signing", {"value": SECRET}))
        await ask(client.put, document("Webhook", "jira", {**JIRA, "url": url}))
        dora = person(stage, "dora")
        await ask(dora.put, document("Server", "fresh", server(f"{stage.world.origin}/desk/mcp")))
        await until(lambda: "fresh" in stage.gateway.upstreams)
        await ask(person(stage, "rita").scan, "fresh")
        await ask(take, dora, "fresh", step("in_review"))
        await eventually(lambda: client.get("Server", "fresh").resource.status, lambda said: "RISK-24" in str(said))
        forged = await _moved(stage, b"whsec_AAAAAAAAAAAAAAAA")
        assert (forged.status_code, forged.json()["reasons"]) == (401, ["hook_unsigned"])
        assert "servers/fresh" not in stage.gateway.routes
        taken = await _moved(stage, SECRET.encode())
        assert (taken.status_code, taken.json()["state"]) == (200, "approved")
    await until(lambda: "servers/fresh" in stage.gateway.routes)
    assert text_of(await stage.call("servers/fresh", "echo", {"text": "approved"})) == "approved"
    (*_, review) = await ask(client.reviews, "Server", "fresh")
    assert (review.actor, review.to, review.comment) == ("rita", "approved", "RISK-24 became Approved")
    aude = person(stage, "aude")

    def denied() -> list[tuple[object, object]]:
        found = aude.ask("GET", "/denials", told.Records, query=asked.Denied())
        return [(one["tenant"], one["method"]) for one in found.items if one["reasons"] == ["hook_unsigned"]]

    assert await eventually(denied, len) == [("platform", "POST /api/v1/hooks/jira")]


def _tenants(stage: Stage) -> set[str]:
    snapshot = stage.gateway.holder.current
    return set() if snapshot is None else set(snapshot.registry.tenants)


async def _moved(stage: Stage, secret: bytes) -> httpx2.Response:
    """Send what Jira sends when an issue was moved."""
    body = json.dumps(
        {
            "timestamp": int(clock() * 1000),
            "webhookEvent": "jira:issue_updated",
            "user": {"accountId": "557058:rita"},
            "issue": {"id": "10000", "key": "RISK-24"},
            "changelog": {"id": "1", "items": [{"field": "status", "fromString": "Open", "toString": "Approved"}]},
        }
    ).encode()
    signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
    headers = {"x-hub-signature": f"sha256={signature}", "content-type": "application/json"}
    return await stage.http.post(f"{stage.console}/api/v1/hooks/jira", content=body, headers=headers)
