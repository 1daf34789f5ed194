"""The publish side: nothing without authorization, nothing but drafts, nothing that only a reviewer may say."""

import json

import pytest

from tallystick.control.model import DIRECTORY, Key, Put
from tests.api.catalog.stage import GOOD, NAMESPACE, REVIEWABLE, World, approve, listed, of_other_tenant
from tests.control.stage import RETAIL, server

SERVER = {
    "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
    "name": "com.example/quotes",
    "description": "Quotes",
    "version": "1.2.3",
    "remotes": [
        {
            "type": "streamable-http",
            "url": "https://quotes.example/mcp",
            "headers": [{"name": "X-Api-Key", "isSecret": True}],
        }
    ],
}
QUOTES = Key("Server", "quotes")
PATH = "/servers/com.example%2Fquotes/versions/1.2.3"


async def _send(world: World, method: str, path: str, body: object, token: bytes | None = GOOD) -> int:
    given = {"content-type": "application/json"} | ({"authorization": token.decode()} if token else {})
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = await world.send(path, method, raw, given)
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/publish"),
        ("PUT", PATH),
        ("PATCH", f"/servers/{NAMESPACE}%2Frisk/versions/1.0.0/status"),
        ("PATCH", f"/servers/{NAMESPACE}%2Frisk/status"),
        ("DELETE", PATH),
    ],
)
async def test_nothing_changes_for_whoever_is_not_known_or_not_allowed(world: World, method: str, path: str) -> None:
    world.put(server())
    before = world.control.head()
    assert await _send(world, method, path, SERVER, token=None) == 401
    if method != "DELETE":
        body = {"status": "deleted"} if method == "PATCH" else SERVER
        assert await _send(world, method, path, body, token=b"Bearer bad") == 401
        assert await _send(world, method, f"//wealth/v0.1{path}", body) == 403
    assert world.control.head() == before


@pytest.mark.anyio
async def test_what_is_published_is_a_draft_that_nobody_can_find_and_the_report_says_what_is_missing(
    world: World,
) -> None:
    answer = await world.send("/publish", "POST", json.dumps(SERVER).encode(), HEADS)
    assert answer.status_code == 200
    told = answer.json()
    assert told["server"] == SERVER
    governance = told["_meta"]["dev.tallystick/governance"]
    assert governance["approval"] == {"state": "draft"}
    assert any(left["place"] == "/remotes/0/headers/0" for left in governance["report"])
    made = world.control.get(QUOTES)
    assert made is not None
    assert (made.state, made.tenant) == ("draft", "retail")
    assert made.spec["transport"] == {"http": {"url": "https://quotes.example/mcp"}}
    assert await world.names() == []


HEADS = {"content-type": "application/json", "authorization": GOOD.decode()}


@pytest.mark.anyio
async def test_publishing_again_changes_the_draft_and_putting_needs_that_it_is_there(world: World) -> None:
    assert await _send(world, "PUT", PATH, SERVER) == 404
    assert await _send(world, "POST", "/publish", SERVER) == 200
    other = SERVER | {"description": "Quotes with a delay"}
    assert await _send(world, "PUT", PATH, other) == 200
    made = world.control.get(QUOTES)
    assert made is not None
    assert (made.spec["purpose"], made.version) == ("Quotes with a delay", 2)
    assert await _send(world, "PUT", PATH.replace("1.2.3", "1.2.4"), other) == 400
    assert await _send(world, "PUT", PATH.replace("quotes", "other"), other) == 400


@pytest.mark.anyio
async def test_a_server_that_the_directory_owns_is_not_published_over(
    world: World,
) -> None:
    approved = {"title": "Quotes", "transport": {"http": {"url": "https://quotes.example/mcp"}}}
    world.put(Put("Server", "quotes", RETAIL, approved, owner=DIRECTORY, state="approved"))
    assert await _send(world, "POST", "/publish", SERVER) == 409
    assert await world.names() == [f"{NAMESPACE}/quotes"]


@pytest.mark.anyio
async def test_what_is_published_over_an_approved_server_goes_to_review_and_keeps_what_its_owner_said(
    world: World,
) -> None:
    approve(world, "quotes", REVIEWABLE)
    (entry,) = listed(await world.get("/servers"))
    approval = entry.meta["dev.tallystick/governance"]["approval"]
    assert isinstance(approval, dict)
    assert approval["conditions"] == ["reads only"]
    assert approval["expires"] == "2027-06-01T00:00:00Z"
    moved = SERVER | {"remotes": [{"type": "streamable-http", "url": "https://moved.example/mcp"}]}
    assert await _send(world, "POST", "/publish", moved) == 200
    made = world.control.get(QUOTES)
    assert made is not None
    assert (made.state, made.labels) == ("in_review", {"desk": "rates"})
    said = {"purpose": "Quotes", "transport": {"http": {"url": "https://moved.example/mcp"}}}
    assert made.spec == REVIEWABLE | said
    assert await world.names() == []


@pytest.mark.anyio
async def test_a_name_of_another_tenant_is_taken(world: World) -> None:
    world.put(of_other_tenant(server("quotes")))
    assert await _send(world, "POST", "/publish", SERVER) == 409
    assert world.control.get(QUOTES) == (await world.resources())[QUOTES]


@pytest.mark.anyio
async def test_deleted_suspends_and_every_other_status_is_for_reviewers(world: World) -> None:
    world.put(server())
    path = f"/servers/{NAMESPACE}%2Frisk/versions/1.0.0/status"
    for status in ("active", "deprecated", "gone"):
        assert await _send(world, "PATCH", path, {"status": status}) == 409
    assert await _send(world, "PATCH", path, {"status": "deleted", "statusMessage": "x" * 501}) == 400
    assert await _send(world, "PATCH", path, {"status": "deleted", "unknown": 1}) == 400
    assert await _send(world, "PATCH", f"/servers/{NAMESPACE}%2Fnone/status", {"status": "deleted"}) == 404
    assert await _send(world, "PATCH", "/servers/com.other%2Frisk/status", {"status": "deleted"}) == 404
    assert await world.names() == [f"{NAMESPACE}/risk"]
    assert await _send(world, "PATCH", path, {"status": "deleted", "statusMessage": "an incident"}) == 200
    assert await world.names() == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b'{"name": "a/b", "name": "a/c"}', 400),
        (b'{"name": "a/b"}', 400),
        (b'{"name": "a/b", "remotes": ' + b"[" * 90 + b"]" * 90 + b"}", 400),
        (b" " * (1024 * 1024 + 1), 413),
    ],
)
async def test_a_body_that_is_no_server_is_refused(world: World, body: bytes, status: int) -> None:
    before = world.control.head()
    assert await _send(world, "POST", "/publish", body) == status
    assert world.control.head() == before


@pytest.mark.anyio
async def test_a_body_of_another_kind_is_refused_and_deletion_is_not_offered(world: World) -> None:
    answer = await world.send("/publish", "POST", json.dumps(SERVER).encode(), HEADS | {"content-type": "text/plain"})
    assert answer.status_code == 415
    assert await _send(world, "DELETE", PATH, b"") == 501
