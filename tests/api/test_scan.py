"""Who may have a server asked that nobody has approved: to ask it is to start what its draft says."""

from dataclasses import replace

import pytest

from tallystick.remote.messages.asked import Dry, Step
from tallystick.remote.messages.resources import Metadata, Resource
from tests.api.stage import Stage
from tests.api.test_around import Server, ask

PROGRAM: dict[str, object] = {"stdio": {"command": ["/bin/sh", "-c", "id"]}}
INSIDE: dict[str, object] = {"http": {"url": "https://10.0.0.1/mcp", "allow_special_addresses": True}}
OUTSIDE: dict[str, object] = {"http": {"url": "https://mcp.example/mcp"}}
_TAKING = Dry(take_over=True)
OWNED = {"person": "dora", "team": "risk"}


def draft(stage: Stage, name: str, transport: dict[str, object], by: str = "developer-of-bank") -> None:
    """A draft that somebody wrote."""
    spec: dict[str, object] = {"title": name, "transport": transport, "owner": OWNED, "purpose": "rates"}
    stage.client(by).put(Resource("Server", Metadata(name=name, tenant="bank"), spec))


async def scanned(stage: Stage, name: str, by: str) -> int:
    """The status that somebody gets who has a server asked."""
    rooms = replace(stage.rooms(), definitions=Server(stage))
    return (await ask(rooms, "POST", f"/api/v1/servers/{name}/scan", stage.token(by))).status_code


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["developer", "operator", "admin"])
@pytest.mark.parametrize(("name", "transport"), [("shell", PROGRAM), ("metadata", INSIDE)])
async def test_a_draft_is_not_started_by_who_could_not_approve_it(
    stage: Stage, who: str, name: str, transport: dict[str, object]
) -> None:
    draft(stage, f"{name}-{who}", transport)
    assert await scanned(stage, f"{name}-{who}", f"{who}-of-bank") == 403


@pytest.mark.anyio
async def test_a_draft_is_not_started_by_who_wrote_it_whatever_else_they_may(stage: Stage) -> None:
    draft(stage, "own-shell", PROGRAM, "owner-of-bank")
    assert await scanned(stage, "own-shell", "owner-of-bank") == 403
    assert await scanned(stage, "own-shell", "reviewer-of-bank") == 200


@pytest.mark.anyio
async def test_who_changed_a_program_that_was_suspended_does_not_start_it(stage: Stage) -> None:
    stage.approved("patched", "bank")
    client = stage.client("owner-of-bank")
    client.step("Server", "patched", Step("suspended", "a look"))
    found = client.get("Server", "patched")
    spec = {**found.resource.spec, "transport": PROGRAM}
    wanted = Resource("Server", Metadata(name="patched", tenant="bank"), spec)
    stage.client().put(wanted, found.etag, _TAKING)
    found = client.get("Server", "patched")
    client.put(Resource("Server", Metadata(name="patched", tenant="bank"), {**spec, "title": "x"}), found.etag, _TAKING)
    assert await scanned(stage, "patched", "owner-of-bank") == 403
    assert await scanned(stage, "patched", "operator-of-bank") == 403
    assert await scanned(stage, "patched", "reviewer-of-bank") == 200


@pytest.mark.anyio
async def test_a_public_draft_is_asked_by_its_developer(stage: Stage) -> None:
    draft(stage, "public", OUTSIDE)
    assert await scanned(stage, "public", "developer-of-bank") == 200


@pytest.mark.anyio
async def test_what_is_approved_is_asked_by_whoever_may_scan(stage: Stage) -> None:
    stage.approved("known", "bank")
    assert await scanned(stage, "known", "operator-of-bank") == 200
