"""The form of what is answered: the published schemas, paging, search, and what Copilot asks of every answer."""

import random
from dataclasses import replace

import msgspec
import pytest

from tallystick.api.catalog import namespace_of
from tests.api.catalog.stage import GATEWAY, NAMESPACE, REVIEWABLE, List, World, listed, schema, tools
from tests.control.stage import pin, server, toolset


@pytest.mark.anyio
async def test_an_entry_is_what_the_published_schemas_say_and_its_remote_is_the_gateway(world: World) -> None:
    own = {
        "transport": server().spec["transport"],
        "purpose": "In every book " * 12,
        "tools": tools("limit", "move", risk="high"),
    }
    rich = replace(server(), spec=REVIEWABLE | own)
    world.put(rich, pin("risk", "limit", "move"))
    world.put(server("bare", "\u202eB" + "x" * 300), toolset("desk", "risk"))
    answer = await world.get("/servers")
    schema("ServerList").validate(answer.json())
    bare, desk, risk = sorted(listed(answer), key=lambda entry: str(entry.server["name"]).rpartition("/")[2])
    for entry in (bare, desk, risk):
        schema("ServerDetail").validate(entry.server)
    assert risk.server["remotes"] == [{"type": "streamable-http", "url": f"{GATEWAY}/servers/risk/mcp"}]
    assert desk.server["remotes"] == [{"type": "streamable-http", "url": f"{GATEWAY}/toolsets/desk/mcp"}]
    assert len(str(risk.server["description"])) == len(str(bare.server["title"])) == 100
    assert "\u202e" not in str(bare.server["title"])
    governance = risk.meta["dev.tallystick/governance"]
    assert governance["owner"] == {"team": "Market Risk", "legalEntity": "Bank AG"}
    assert governance["classification"] == "confidential"
    assert governance["riskTier"] == "high"
    assert governance["securityReview"] == {"date": "2026-01-10", "next": "2027-01-10"}
    assert governance["gateway"] == {"url": f"{GATEWAY}/servers/risk/mcp", "server": "risk"}
    assert bare.meta["dev.tallystick/governance"]["classification"] == "restricted"
    assert "wiki.internal" not in answer.text


@pytest.mark.anyio
async def test_meta_is_always_there(world: World) -> None:
    world.put(server())
    for path in ("/servers", f"/servers/{NAMESPACE}%2Frisk/versions"):
        for entry in listed(await world.get(path)):
            assert set(entry.meta) == {"io.modelcontextprotocol.registry/official", "dev.tallystick/governance"}
            assert entry.meta["io.modelcontextprotocol.registry/official"]["status"] == "active"
    one = (await world.get(f"/servers/{NAMESPACE}%2Frisk/versions/latest")).json()
    schema("ServerResponse").validate(one)
    assert set(one) == {"server", "_meta"}


@pytest.mark.anyio
async def test_paging_shows_every_entry_once_whatever_the_length_of_a_page(world: World) -> None:
    names = [f"s{number:03d}" for number in range(37)]
    random.Random(7).shuffle(names)  # noqa: S311 - choices of a test
    world.put(*[server(name) for name in names])
    for limit in (1, 5, 36, 37, 38, 5000):
        seen: list[str] = []
        cursor = ""
        while True:
            answer = await world.get(f"/servers?limit={limit}" + (f"&cursor={cursor}" if cursor else ""))
            page = msgspec.json.decode(answer.content, type=List)
            assert page.metadata.count == len(page.servers) <= min(limit, 100)
            seen += [str(entry.server["name"]) for entry in page.servers]
            cursor = page.metadata.nextCursor
            if not cursor:
                break
        assert seen == sorted(f"{NAMESPACE}/{name}" for name in names)


@pytest.mark.anyio
async def test_an_entry_that_comes_or_goes_between_two_pages_moves_no_other(world: World) -> None:
    world.put(*[server(f"s{number}") for number in range(4)])
    first = msgspec.json.decode((await world.get("/servers?limit=2")).content, type=List)
    world.put(server("a-new-one"), server("s1b"))
    second = listed(await world.get(f"/servers?limit=9&cursor={first.metadata.nextCursor}"))
    assert [str(entry.server["name"])[-3:] for entry in second] == ["s1b", "/s2", "/s3"]


@pytest.mark.anyio
async def test_search_looks_in_name_title_and_description_whatever_the_case(world: World) -> None:
    world.put(server("fx", "Foreign Exchange", purpose="Spot rates"), server("ledger", "General ledger"))
    for word, found in {"FOREIGN": ["fx"], "spot": ["fx"], "led": ["ledger"], "none": [], "": ["fx", "ledger"]}.items():
        assert await world.names(f"/servers?search={word}") == [f"{NAMESPACE}/{name}" for name in found]


@pytest.mark.anyio
async def test_updated_since_shows_what_changed_from_then_on(world: World) -> None:
    world.put(server("early"))
    world.put(server("late"))
    entries = {str(each.server["name"]): each.meta for each in listed(await world.get("/servers"))}
    since = entries[f"{NAMESPACE}/late"]["io.modelcontextprotocol.registry/official"]["updatedAt"]
    assert await world.names(f"/servers?updated_since={since}") == [f"{NAMESPACE}/late"]
    world.put(pin("early", "tool"))
    assert len(await world.names(f"/servers?updated_since={since}")) == len(entries)


@pytest.mark.anyio
async def test_a_version_changes_with_every_change_and_only_the_latest_is_there(world: World) -> None:
    path = f"/servers/{NAMESPACE}%2Frisk/versions/"
    seen: list[str] = []
    for change in (server(), pin("risk", "a"), server(title="Another"), pin("risk", "a", "b")):
        world.put(change)
        entry = (await world.get(path + "latest")).json()
        seen.append(entry["server"]["version"])
        assert (await world.get(path + seen[-1])).json() == entry
    assert [tuple(map(int, version.split("."))) for version in seen] == [(1, 0, 0), (1, 1, 0), (2, 1, 0), (2, 2, 0)]
    for gone in (*seen[:-1], "9.9.9", "latest2"):
        assert (await world.get(path + gone)).status_code == 404
    assert len(await world.names(f"/servers?version={seen[-1]}")) == 1
    assert await world.names("/servers?version=1.0.0") == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=1&limit=2",
        "cursor=%00",
        "cursor=!!",
        "cursor=abc=",
        "updated_since=yesterday",
        "updated_since=2026-01-01T00:00:00",
        "include_deleted=perhaps",
        "limit=\u0661",
    ],
)
async def test_a_query_that_cannot_be_meant_is_refused_in_the_form_of_the_api(world: World, query: str) -> None:
    answer = await world.get(f"/servers?{query}")
    assert answer.status_code == 400
    schema("Error").validate(answer.json())


@pytest.mark.anyio
async def test_every_answer_may_be_read_by_pages_of_any_origin_and_none_redirects(world: World) -> None:
    world.put(server())
    for method, path, status in [
        ("GET", "/servers", 200),
        ("GET", "/servers/", 200),
        ("HEAD", "/servers", 200),
        ("OPTIONS", "/servers", 204),
        ("OPTIONS", f"/servers/{NAMESPACE}%2Frisk/versions/latest", 204),
        ("GET", f"/servers/{NAMESPACE}%2Frisk/versions/", 200),
        ("GET", f"/servers/{NAMESPACE}/risk/versions/latest/", 200),
        ("GET", "/servers?limit=x", 400),
        ("GET", f"/servers/{NAMESPACE}%2Fnone/versions/latest", 404),
        ("GET", "/nothing", 404),
        ("GET", "//retail/v0/servers", 404),
        ("GET", "//RETAIL/v0.1/servers", 404),
        ("GET", f"/servers/{NAMESPACE}%2Frisk", 404),
        ("GET", "/servers/%2e%2e%2f%2e%2e/versions/latest", 404),
        ("POST", "/servers", 405),
        ("DELETE", "/servers", 405),
        ("GET", "/publish", 405),
    ]:
        answer = await world.get(path, method, origin="https://anywhere.example")
        assert answer.status_code == status, (method, path)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["access-control-allow-methods"] == "GET, OPTIONS"
        assert answer.headers["access-control-allow-headers"] == "Authorization, Content-Type"
        if status >= 400 and method != "HEAD":
            schema("Error").validate(answer.json())


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://gw.bank.example", "example.bank.gw"),
        ("https://gw.bank.example:8443/base", "example.bank.gw"),
        ("http://localhost:8080", "localhost"),
        ("http://127.0.0.1:8080", "dev.tallystick.local"),
        ("http://[::1]:8080", "dev.tallystick.local"),
    ],
)
def test_names_begin_with_the_gateways_host_in_reverse(url: str, name: str) -> None:
    assert namespace_of(url) == name
