"""What a catalog shows: approved, served, not quarantined, of this tenant; in every view, whatever the states."""

from dataclasses import replace
from itertools import product

import pytest

from tallystick.api.catalog import Declined, catalog
from tallystick.control.model import DIRECTORY, Mark, Put, State
from tallystick.terms import ServerId, TenantId, ToolId
from tests.api.catalog.stage import (
    GOOD,
    NAMESPACE,
    OTHER,
    World,
    listed,
    of_other_tenant,
    quarantine,
    reached,
    suspend,
    tools,
)
from tests.control.stage import ADA, RETAIL, pin, server, toolset

STATES: tuple[State, ...] = ("draft", "in_review", "approved", "suspended", "retired")
HELD = ("free", "tool", "whole")
VIEWS = (
    "/servers",
    "/servers?limit=100",
    "/servers?limit=1",
    "/servers?version=latest",
    "/servers?search=server",
    "/servers?search=SERVER&limit=100&include_deleted=true",
    "/servers?updated_since=2020-01-01T00:00:00Z&include_deleted=true",
    "/servers?include_deleted=true",
)


def _name(state: str, held: str, tenant: str) -> str:
    return f"server-{state.replace('_', '-')}-{held}-{tenant}"


def _fill(world: World) -> set[str]:
    """Make a server of every state, quarantine and tenant; return the names that may be seen."""
    seen: set[str] = set()
    made: list[Put] = []
    marks: list[Mark] = []
    for state, held, tenant in product(STATES, HELD, ("retail", "wealth")):
        name = _name(state, held, tenant)
        owner = {"person": "ada", "team": "Market Risk"}
        put = server(name, f"Server {name}", owner=owner, purpose=f"Server {name}", tools=tools("first", "second"))
        put = Put(put.kind, put.name, put.tenant, put.spec, owner=DIRECTORY, state=state)
        pinned = pin(name, "first", "second")
        if tenant == "wealth":
            put, pinned = of_other_tenant(put), of_other_tenant(pinned)
        made += [put, pinned]
        if held != "free":
            marks.append(quarantine(name, "first" if held == "tool" else "*"))
        if (state, tenant) == ("approved", "retail") and held != "whole":
            seen.add(f"{NAMESPACE}/{name}")
    world.put(*made)
    world.put(*marks)
    return seen


@pytest.mark.anyio
async def test_only_what_is_approved_and_free_appears_in_any_view_whatever_the_states(world: World) -> None:
    seen = _fill(world)
    assert len(seen) == len(("free", "tool"))
    assert set(await world.names()) == seen
    everywhere: list[str] = []
    for view in VIEWS:
        answer = await world.get(view)
        everywhere.append(answer.text)
        team = await world.get(f"//retail/market-risk/v0.1{view}")
        everywhere.append(team.text)
    for state, held, tenant in product(STATES, HELD, ("retail", "wealth")):
        name = f"{NAMESPACE}/{_name(state, held, tenant)}"
        found = [await world.get(f"/servers/{name.replace('/', '%2F')}{rest}") for rest in _VERSIONS]
        if name in seen:
            assert {answer.status_code for answer in found} == {200}
        else:
            assert {answer.status_code for answer in found} == {404}
            assert not any(f'"{name}"' in text or _name(state, held, tenant) in text for text in everywhere)


_VERSIONS = ("/versions", "/versions/latest", "/versions/1.1.0", "/versions?include_deleted=true")


@pytest.mark.anyio
async def test_a_quarantined_tool_is_not_told_and_the_others_are(world: World) -> None:
    world.put(server(tools=tools("first", "second")), pin("risk", "first", "second"), toolset("desk", "risk"))
    world.put(quarantine("risk", "first"))
    for entry in listed(await world.get("/servers")):
        told = entry.meta["dev.tallystick/governance"]["tools"]
        assert isinstance(told, list)
        assert [tool["name"].rpartition("__")[2] for tool in told] == ["second"]  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    world.put(quarantine("risk", "*"))
    assert await world.names() == []


@pytest.mark.anyio
async def test_what_was_seen_to_differ_a_moment_ago_is_not_shown(
    world: World,
) -> None:
    world.put(server(tools=tools("first", "second")), pin("risk", "first", "second"))
    held: set[ToolId | None] = {ToolId("first")}

    def is_held(server: ServerId, tool: ToolId | None) -> bool:
        return server == "risk" and tool in held

    app = catalog(replace(world.rooms(), held=is_held))
    async with reached(app) as client:
        (entry,) = listed(await client.get("/retail/v0.1/servers"))
        assert "first" not in str(entry.meta)
        held.add(None)
        assert listed(await client.get("/retail/v0.1/servers")) == []


@pytest.mark.anyio
async def test_a_catalog_that_is_not_for_everybody_tells_nothing_without_a_token(world: World) -> None:
    async def known(authorization: bytes | None, tenant: TenantId) -> Declined | None:
        assert tenant == "retail"
        return None if authorization == GOOD else Declined(401, "Who are you?", {"www-authenticate": "Bearer"})

    world.put(server())
    async with reached(catalog(replace(world.rooms(), reader=known))) as client:
        for path in (
            "/servers",
            f"/servers/{NAMESPACE}%2Frisk/versions",
            f"/servers/{NAMESPACE}%2Frisk/versions/latest",
        ):
            refused = await client.get(f"/retail/v0.1{path}")
            assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
            assert refused.json() == {"error": "Who are you?"}
            admitted = await client.get(f"/retail/v0.1{path}", headers={"authorization": GOOD.decode()})
            assert admitted.status_code == 200


@pytest.mark.anyio
async def test_a_server_that_is_suspended_is_gone_at_the_next_request(world: World) -> None:
    world.put(server(tools=tools("pay")), pin("risk", "pay"), toolset("desk", "risk"))
    assert await world.names() == [f"{NAMESPACE}.toolsets/desk", f"{NAMESPACE}/risk"]
    world.put(suspend("risk"))
    assert await world.names() == []


@pytest.mark.anyio
async def test_what_is_not_published_yet_is_not_shown(world: World) -> None:
    outcome = world.control.commit((server(),), ADA)
    assert not isinstance(outcome, tuple)
    assert await world.names() == []


@pytest.mark.anyio
async def test_an_entry_needs_the_word_of_both_the_state_and_the_snapshot(world: World) -> None:
    world.put(replace(server(), state="draft"))
    of_the_draft = world.snapshot()
    world.put(server())
    assert await world.names() == [f"{NAMESPACE}/risk"]
    world.serves = of_the_draft
    assert await world.names() == []
    world.serves = None
    of_the_approved = world.snapshot()
    world.put(suspend("risk"))
    world.serves = of_the_approved
    assert await world.names() == []


@pytest.mark.anyio
async def test_a_toolset_with_an_audience_is_shown_to_nobody(world: World) -> None:
    world.put(server(tools=tools("pay")), pin("risk", "pay"), toolset("open", "risk"))
    closed = {"title": "closed", "members": [{"server": "risk"}], "audience": {"groups": ["secret-desk"]}}
    world.put(Put("Toolset", "closed", RETAIL, closed))
    assert await world.names() == [f"{NAMESPACE}.toolsets/open", f"{NAMESPACE}/risk"]
    assert (await world.get(f"/servers/{NAMESPACE}.toolsets%2Fclosed/versions/latest")).status_code == 404


@pytest.mark.anyio
async def test_a_team_sees_the_servers_that_it_owns_and_no_others(world: World) -> None:
    world.put(server("ours", owner={"team": "Market Risk"}), server("theirs", owner={"team": "Payments"}))
    world.put(server("nobodys"))
    assert [str(entry.server["name"]) for entry in listed(await world.get("//retail/market-risk/v0.1/servers"))] == [
        f"{NAMESPACE}/ours"
    ]
    assert listed(await world.get("//retail/unknown-team/v0.1/servers")) == []
    theirs = await world.get(f"//retail/market-risk/v0.1/servers/{NAMESPACE}%2Ftheirs/versions/latest")
    assert theirs.status_code == 404


@pytest.mark.anyio
async def test_a_tenant_that_does_not_exist_has_no_catalog_and_an_empty_one_has(world: World) -> None:
    assert (await world.get("//nobody/v0.1/servers")).status_code == 404
    assert (await world.get(f"//{OTHER}/v0.1/servers")).json() == {"servers": [], "metadata": {"count": 0}}


@pytest.mark.anyio
async def test_no_address_behind_the_gateway_and_no_person_is_in_an_entry(world: World) -> None:
    transport = {"stdio": {"command": ["/opt/ledger/run", "--internal"], "env": {"LEDGER_MODE": "inner-value"}}}
    world.put(server("ledger", transport=transport, owner={"person": "ada.lovelace", "team": "Ledger"}), server())
    text = (await world.get("/servers")).text
    for inner in ("risk.example", "/opt/ledger", "LEDGER_MODE", "inner-value", "ada.lovelace", '"bob"', '"by"'):
        assert inner not in text
