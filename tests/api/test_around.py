"""What stands around control state: who one is, the record, servers, webhooks, floods."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import httpx2
import pytest

from tallystick import audit
from tallystick.api import ConsoleRooms, application
from tallystick.control import model, webhooks
from tallystick.guard import Flood
from tallystick.remote import RemoteError
from tallystick.remote.messages.resources import Metadata, Resource
from tallystick.terms import Reason, Refusal
from tests.api.stage import GATEWAY, Stage

HOST = {"host": "console.example"}
UNSIGNED = Refusal("unauthenticated", (Reason.TOKEN_INVALID,), "The signature is missing or wrong.")


class Server:
    """A server whose definition can be asked for; it marks what it saw, as a gateway does."""

    def __init__(self, stage: Stage) -> None:
        self._control = stage.control

    async def scan(self, server: str) -> Refusal | None:
        """Say what changed, or that nobody is there."""
        if server == "gone":
            return Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "The server cannot be reached.")
        tool = {"name": "pay", "description": "Pays whomever it likes.", "inputSchema": {"type": "object"}}
        pin = {"pinned_at": "2026-01-02T00:00:00Z", "eras": dict[str, object](), "tools": [tool]}
        seen = {"digest": "sha256:" + "b" * 64, "at": "2026-01-02T00:00:00Z", "spec": pin}
        held = {"pay": {"since": "2026-01-02T00:00:00Z", "digest": "sha256:" + "b" * 64, "why": "description"}}
        mark = model.Mark(model.Key("Pin", server), {"observed": seen, "quarantined": held})
        assert isinstance(
            self._control.commit([mark], model.Actor("tallystick/drift", "tallystick/drift")), model.Committed
        )
        return None


class Archive:
    """The leaves of a console, by kind."""

    def __init__(self, stage: Stage) -> None:
        self._record = stage.record

    async def search(self, query: audit.index.Query) -> Sequence[Mapping[str, object]]:
        """Return what fits, newest first."""
        found = [leaf for leaf in self._record.of(str(query.kind)) if query.tenant in {None, leaf["tenant"]}]
        return found[::-1][: query.limit]


class Hooks:
    """Takes one message."""

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> webhooks.Heard | Refusal | model.Refused:
        """Take what is signed."""
        del name, body
        return webhooks.Heard("m1", None) if headers.get("webhook-signature") == "good" else UNSIGNED


async def ask(rooms: ConsoleRooms, method: str, path: str, token: str | None = None, **headers: str) -> httpx2.Response:
    """Ask an application of its own."""
    named = {**HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
    if token is not None:
        named["authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=application(rooms))) as client:
        return await client.request(method, f"https://console.example{path}", headers=named)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": GATEWAY}, "audience_wrong"),
        ({"aud": f"{GATEWAY}/servers/ledger/mcp"}, "audience_wrong"),
        ({"exp": 1}, "token_expired"),
        ({"iss": "https://evil.example"}, "issuer_unknown"),
        ({"tid": "nowhere"}, "tenant_unknown"),
        ({"sub": ""}, "subject_empty"),
    ],
)
def test_a_token_that_is_not_for_the_console_is_refused_and_on_record(
    stage: Stage, claims: dict[str, object], reason: str
) -> None:
    answer = stage.send("GET", "/api/v1/agents", stage.token("owner-of-bank", "bank", **claims))
    assert answer.status == 401
    denial = stage.record.of("denial")[-1]
    assert denial["refusal"] == {"code": "unauthenticated", "policies": [], "reasons": [reason]}
    assert (denial["method"], denial["caller"], denial["tenant"]) == ("GET /api/v1/agents", None, "platform")


def test_a_name_of_another_tenants_issuer_is_somebody_else(stage: Stage) -> None:
    impostor = stage.other.token_of({"aud": "https://console.example", "sub": "owner-of-bank", "iat": 0, "exp": 2**40})
    assert stage.send("GET", "/api/v1/agents", impostor).status == 403


@pytest.mark.anyio
async def test_a_flood_of_strangers_is_answered_without_filling_the_record(stage: Stage) -> None:
    rooms = replace(stage.rooms(), flood=Flood(per_address=3, in_all=100))
    before = len(stage.record.of("denial"))
    statuses = [(await ask(rooms, "GET", "/api/v1/agents")).status_code for _ in range(10)]
    assert statuses == [401] * 3 + [429] * 7
    assert len(stage.record.of("denial")) == before + 3
    known = await ask(rooms, "GET", "/api/v1/agents", stage.token("owner-of-bank"))
    assert known.status_code == 200


@pytest.mark.anyio
async def test_a_scan_shows_how_a_server_differs_from_what_was_approved(stage: Stage) -> None:
    stage.approved("shifty", "bank")
    rooms = replace(stage.rooms(), definitions=Server(stage))
    token = stage.token("developer-of-bank")
    before = (await ask(rooms, "GET", "/api/v1/servers/shifty/definition", token)).json()
    assert (before["observed"], before["diff"], before["quarantined"]) == (None, [], {})
    scanned = await ask(rooms, "POST", "/api/v1/servers/shifty/scan", token)
    assert scanned.status_code == 200
    assert "pay" in scanned.json()["quarantined"]
    assert [found for found in scanned.json()["diff"] if "description" in found["place"]]
    assert "tools/pay" in scanned.json()["text"]


@pytest.mark.anyio
async def test_a_server_that_is_not_there_is_said_not_to_be(stage: Stage) -> None:
    stage.approved("gone", "bank")
    rooms, token = replace(stage.rooms(), definitions=Server(stage)), stage.token("operator-of-bank")
    assert (await ask(rooms, "POST", "/api/v1/servers/gone/scan", token)).status_code == 502
    assert (await ask(stage.rooms(), "POST", "/api/v1/servers/gone/scan", token)).json()["reasons"] == ["not_offered"]


@pytest.mark.anyio
async def test_an_auditor_reads_what_was_refused_and_an_owner_does_not(stage: Stage) -> None:
    rooms = replace(stage.rooms(), archive=Archive(stage))
    stage.send("DELETE", "/api/v1/agents/x", stage.token("reviewer-of-bank"), if_match="*")
    stage.send("PUT", "/api/v1/secrets/x", stage.token("reviewer-of-bank"), b"{}", content_type="application/json")
    found = await ask(rooms, "GET", "/api/v1/denials?tenant=bank", stage.token("auditor-of-bank"))
    assert {item["tenant"] for item in found.json()["items"]} <= {"bank"}
    assert (await ask(rooms, "GET", "/api/v1/denials?tenant=bank", stage.token("owner-of-bank"))).status_code == 403
    assert (await ask(rooms, "GET", "/api/v1/denials", stage.token("auditor-of-bank"))).status_code == 403
    assert (await ask(rooms, "GET", "/api/v1/record?tenant=fund", stage.token("auditor-of-bank"))).status_code == 403


@pytest.mark.anyio
async def test_a_message_to_a_webhook_counts_by_its_signature_alone(stage: Stage) -> None:
    rooms = replace(stage.rooms(), hooks=Hooks())
    taken = await ask(rooms, "POST", "/api/v1/hooks/jira", webhook_signature="good")
    assert (taken.status_code, taken.json()) == (200, {"state": None, "revision": None})
    refused = await ask(rooms, "POST", "/api/v1/hooks/jira", stage.token("owner-of-bank"))
    assert refused.status_code == 401
    assert stage.record.of("denial")[-1]["method"] == "POST /api/v1/hooks/jira"


@pytest.mark.anyio
async def test_what_failed_inside_is_not_told_outside(stage: Stage) -> None:
    def broken() -> None:
        message = "the password is hunter2"
        raise RuntimeError(message)

    rooms = replace(stage.rooms(), issuers=broken)
    answer = await ask(rooms, "GET", "/.well-known/oauth-protected-resource")
    assert (answer.status_code, answer.json()["reasons"]) == (500, ["internal"])
    assert "hunter2" not in answer.text


def test_whoever_has_no_role_learns_who_they_are_and_nothing_else(stage: Stage) -> None:
    client = stage.client("visitor")
    assert (client.whoami().name, client.whoami().roles) == ("visitor", [])
    with pytest.raises(RemoteError) as refused:
        client.revision()
    assert refused.value.reasons == ("role_missing",)


def test_a_person_is_the_same_person_with_a_role_in_two_tenants(stage: Stage) -> None:
    name = f"{stage.issuer.issuer}#chair"
    stage.put("Role", "oversight", "bank", {"role": "auditor", "people": [name]})
    chair = stage.client("chair", "group")
    assert [(held.role, held.tenant) for held in chair.whoami().roles] == [("auditor", "bank")]
    assert list(chair.every("Role"))
    sibling = stage.client("chair", "fund")
    assert sibling.whoami().roles == []


def test_a_policy_of_the_firm_forbids_at_the_console(stage: Stage) -> None:
    text = '@id("no-deletes") forbid (principal, action == Action::"console/agent:delete", resource);'
    stage.put("Policy", "no-deletes", "", {"cedar": text})
    client = stage.client("owner-of-bank")
    put = client.put(Resource("Agent", Metadata("lasting", "bank"), {"title": "Lasting"}))
    with pytest.raises(RemoteError) as refused:
        client.delete("Agent", "lasting", put.etag)
    assert refused.value.reasons == ("policy_forbids",)
    assert refused.value.problem is not None
    assert refused.value.problem.policies == ["no-deletes"]
    operator = stage.client()
    operator.delete("Policy", "no-deletes", operator.get("Policy", "no-deletes").etag)
    client.delete("Agent", "lasting", put.etag)


def test_the_catalog_is_read_without_a_token_and_shows_what_is_approved(stage: Stage) -> None:
    stage.approved("listed", "bank")
    answer = stage.send("GET", "/registry/bank/v0.1/servers?limit=1", origin="https://vscode.example")
    assert answer.status == 200, answer.data
    assert answer.headers["access-control-allow-origin"] == "*"
    assert GATEWAY.encode() in answer.data


@pytest.mark.anyio
async def test_nobody_keeps_answers_under_a_key(stage: Stage) -> None:
    rooms = replace(stage.rooms(), hooks=Hooks())
    asked = [
        await ask(rooms, "POST", "/api/v1/hooks/jira", idempotency_key="one", webhook_signature=signature)
        for signature in ("good", "bad")
    ]
    assert [answer.status_code for answer in asked] == [200, 401]
