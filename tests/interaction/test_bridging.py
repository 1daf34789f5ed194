"""A client of one era at a server of the other, or of its own: what works directly works through the gateway."""

import base64

import anyio
import msgspec
import pytest
from mcp import Client, MCPError
from mcp_types import PromptReference, TextContent, TextResourceContents

from tests.interaction.crossings import SESSIONS, Crossing, both_eras, every_crossing, over_http
from tests.interaction.legacy import Legacy
from tests.interaction.person import Person
from tests.interaction.stage import MODERN, Json, Stage, error_of, reasons_of
from tests.interaction.waiting import until
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]


@requirement("bridge:eras")
@every_crossing
async def test_a_call_reaches_a_server_of_either_era_once_and_in_its_era(office: Stage, crossing: Crossing) -> None:
    journal = office.world.journal(crossing.server)
    given = {"a": 1, "b": hash(str(crossing)) % 1000}
    async with office.client(crossing.route, crossing.era) as client:
        listed = await client.list_tools()
        result = await client.call_tool("add", given)
    assert {"add", "ask", "mirrored"} <= {tool.name for tool in listed.tools}
    assert (result.is_error, result.structured_content) == (False, {"total": 1 + given["b"]})
    assert journal.calls("add", **given) == 1
    spoken = {entry["version"] for entry in journal.entries("request", method="tools/call")}
    assert spoken == {crossing.version}


@requirement("bridge:eras")
@every_crossing
async def test_errors_of_tools_and_servers_cross_in_the_clients_own_codes(office: Stage, crossing: Crossing) -> None:
    async with office.client(crossing.route, crossing.era) as client:
        failed = await client.call_tool("fail", {"text": "no such customer"})
        codes: dict[int, int] = {}
        for code in (-32602, -32603, -32001, 7):
            with pytest.raises(MCPError, match="out of order") as refused:
                await client.call_tool("refuse", {"code": code, "text": "out of order"})
            codes[code] = refused.value.code
        with pytest.raises(MCPError) as nothing:
            await client.read_resource("clerk://desk/none")
    assert failed.is_error
    assert isinstance(failed.content[0], TextContent)
    assert failed.content[0].text == "no such customer"
    assert codes == {code: code for code in codes}
    # 2025-11-25 has a code of its own for a resource that is not there; 2026-07-28 forbids it.
    assert nothing.value.code == (-32602 if crossing.is_modern else -32002)


@requirement("bridge:eras")
@every_crossing
async def test_progress_crosses_in_order_and_before_the_result(office: Stage, crossing: Crossing) -> None:
    seen: list[tuple[float, float | None, str | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total, message))

    async with office.client(crossing.route, crossing.era) as client:
        await client.call_tool("steps", {"count": 4}, progress_callback=note)
    assert seen == [(step, 4, f"step {step}") for step in range(1, 5)]


@requirement("bridge:logging")
@every_crossing
async def test_a_client_gets_the_log_messages_that_it_wants_and_no_others(office: Stage, crossing: Crossing) -> None:
    person = Person(answers=False, level="warning")
    async with office.client(crossing.route, crossing.era, person=person) as client:
        if not crossing.is_modern:
            await client.set_logging_level("warning")  # pyright: ignore[reportDeprecated] - this is its era
        await client.call_tool("log", {"text": "till"})
    assert person.logged == ["warning: till warning", "error: till error"]


@requirement("bridge:logging")
@over_http
async def test_a_new_client_that_wants_no_log_messages_gets_none(office: Stage, crossing: Crossing) -> None:
    person = Person(answers=False)
    async with office.client(crossing.route, MODERN, person=person) as client:
        await client.call_tool("log", {"text": "till"})
    assert person.logged == []


@requirement("bridge:methods")
@every_crossing
async def test_prompts_resources_and_completion_cross(office: Stage, crossing: Crossing) -> None:
    async with office.client(crossing.route, crossing.era) as client:
        prompts = await client.list_prompts()
        prompt = await client.get_prompt("greet", {"name": "Ada"})
        resource = await client.read_resource("clerk://desk/a")
        templates = await client.list_resource_templates()
        completion = await client.complete(
            PromptReference(type="ref/prompt", name="greet"), {"name": "name", "value": "Ad"}
        )
    assert [entry.name for entry in prompts.prompts] == ["greet", "asking"]
    assert isinstance(prompt.messages[0].content, TextContent)
    assert prompt.messages[0].content.text == "Good morning, Ada"
    assert isinstance(resource.contents[0], TextResourceContents)
    assert resource.contents[0].text == "text of clerk://desk/a"
    assert [entry.uri_template for entry in templates.resource_templates] == ["clerk://desk/{name}"]
    assert completion.completion.values == ["Ada", "Adam"]


@requirement("bridge:pages")
@every_crossing
async def test_a_list_is_read_page_by_page_with_cursors_that_are_not_the_servers(
    office: Stage, crossing: Crossing
) -> None:
    names: list[str] = []
    cursors: list[str | None] = [None]
    async with office.client(crossing.route, crossing.era) as client:
        while len(names) < 4:
            page = await client.list_resources(cursor=cursors[-1])
            names += [entry.name for entry in page.resources]
            cursors.append(page.next_cursor)
        with pytest.raises(MCPError) as refused:
            await client.list_resources(cursor="page two")
    assert (names, cursors[-1], len(cursors)) == (["a", "b", "c", "d"], None, 4)
    assert not any("page" in cursor for cursor in cursors if cursor)
    assert refused.value.code == -32602


@requirement("bridge:headers")
@over_http
async def test_the_headers_that_a_tool_asks_for_are_made_for_every_client(office: Stage, crossing: Crossing) -> None:
    journal, mark = office.world.journal(crossing.server), f"mirrored {crossing}"
    before = len(journal.entries("http"))
    async with office.client(crossing.route, crossing.era) as client:
        await client.list_tools()
        await client.call_tool("mirrored", {"region": "Zürich", "attempt": 3, "query": mark})
        await client.call_tool("mirrored", {"region": "Bern", "query": mark})
    sent = [msgspec.convert(entry["headers"], dict[str, str]) for entry in journal.entries("http")[before:]]
    params = [
        {name: value for name, value in headers.items() if name.startswith("mcp-param-")}
        for headers in sent
        if "mcp-param-region" in headers
    ]
    assert journal.entries("call", tool="mirrored")
    if crossing.speaks == "old":
        assert params == []
    else:
        encoded = f"=?base64?{base64.b64encode('Zürich'.encode()).decode()}?="
        assert params == [{"mcp-param-region": encoded, "mcp-param-attempt": "3"}, {"mcp-param-region": "Bern"}]


@requirement("envelope:param-headers", "envelope:nothing-forwarded")
@pytest.mark.parametrize("region", ["Basel", None], ids=["another", "none"])
@pytest.mark.parametrize("speaks", ["new", "old"])
async def test_a_header_that_contradicts_its_argument_reaches_no_server(
    office: Stage, speaks: str, region: str | None
) -> None:
    journal = office.world.journal(speaks)
    params: Json = {"name": "mirrored", "arguments": {"region": "Bern", "query": f"contradicted {region}"}}
    refused = await office.post(f"servers/{speaks}", "tools/call", params, headers={"mcp-param-region": region})
    assert (refused.status_code, reasons_of(refused)) == (400, ["header_mismatch"])
    assert journal.calls("mirrored", **msgspec.convert(params["arguments"], Json)) == 0


@requirement("bridge:meta")
@every_crossing
async def test_what_a_client_says_in_meta_reaches_the_server(office: Stage, crossing: Crossing) -> None:
    journal, text = office.world.journal(crossing.server), f"meta {crossing}"
    meta: Json = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "bank.example/key": [1]}
    params: Json = {"name": "echo", "arguments": {"text": text}, "_meta": meta}
    if crossing.is_modern:
        await office.post(crossing.route, "tools/call", params)
    else:
        legacy = Legacy(office, crossing.route, SESSIONS)
        await legacy.open()
        await legacy.ask("tools/call", params)
    calls = [msgspec.convert(entry["params"], Json) for entry in journal.entries("request", method="tools/call")]
    heard = next(call for call in calls if call.get("arguments") == {"text": text})
    assert msgspec.convert(heard["_meta"], Json).items() >= meta.items()


@requirement("bridge:cancel")
@every_crossing
async def test_a_cancelled_call_stops_at_a_server_of_either_era(office: Stage, crossing: Crossing) -> None:
    journal, key = office.world.journal(crossing.server), f"cancel {crossing}"
    async with office.client(crossing.route, crossing.era) as client:
        await _cancelled(client, key, lambda: bool(journal.entries("holding", key=key)))
        await until(lambda: journal.entries("cancelled", key=key))
        # And the way to the server is as good as before.
        assert not (await client.call_tool("echo", {"text": "after"})).is_error


async def _cancelled(client: Client, key: str, held: object) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(client.call_tool, "hold", {"key": key})
        await until(held if callable(held) else lambda: True)
        # The SDK closes the stream in the era where that cancels, and sends notifications/cancelled in the other.
        group.cancel_scope.cancel()


@requirement("bridge:cancel")
@every_crossing
async def test_a_lost_connection_cancels_in_the_clients_era_only(office: Stage, crossing: Crossing) -> None:
    journal, key = office.world.journal(crossing.server), f"lost {crossing}"
    legacy = Legacy(office, crossing.route, SESSIONS)
    await legacy.open()
    async with anyio.create_task_group() as group:
        if crossing.is_modern:
            group.start_soon(office.call, crossing.route, "hold", {"key": key})
        else:
            group.start_soon(legacy.call, "hold", {"key": key})
        await until(lambda: journal.entries("holding", key=key))
        group.cancel_scope.cancel()
    if crossing.is_modern:
        await until(lambda: journal.entries("cancelled", key=key))
    else:
        await legacy.call("release", {"key": key})
        await until(lambda: journal.entries("let go", key=key))
        assert not journal.entries("cancelled", key=key)
    await until(lambda: not office.gateway.rooms.bulkhead.in_flight())


@requirement("bridge:deadline")
@over_http
async def test_a_deadline_ends_a_call_in_every_era_and_the_server_is_told(office: Stage, crossing: Crossing) -> None:
    journal, key = office.world.journal(crossing.server), f"deadline {crossing}"
    async with office.client(f"servers/{crossing.speaks}-hasty", crossing.era) as client:
        with pytest.raises(MCPError, match="did not answer in time"):
            await client.call_tool("hold", {"key": key})
    await until(lambda: journal.entries("cancelled", key=key))


@requirement("bridge:toolset")
@pytest.mark.parametrize("era", [MODERN, SESSIONS])
@pytest.mark.parametrize("toolset", ["mixed", "lines"])
async def test_a_toolset_mixes_servers_of_both_eras(office: Stage, era: str, toolset: str) -> None:
    servers = ("old", "new") if toolset == "mixed" else ("old-line", "new-line")
    person = Person()
    async with office.client(f"toolsets/{toolset}", era, person=person) as client:
        listed = {tool.name for tool in (await client.list_tools()).tools}
        for number, server in enumerate(servers):
            result = await client.call_tool(f"{server}__add", {"a": number, "b": 40})
            assert result.structured_content == {"total": 40 + number}
            asked = await client.call_tool(f"{server}__ask", {"kinds": ["form"], "mark": f"{server} {era}"})
            assert isinstance(asked.content[0], TextContent)
            assert asked.content[0].text == "accept {'name': 'Ada'}"
    assert {f"{server}__add" for server in servers} <= listed
    assert person.asked == [f"form {server} {era}" for server in servers]


@requirement("bridge:opening")
@every_crossing
async def test_a_client_is_greeted_in_its_own_era(office: Stage, crossing: Crossing) -> None:
    if crossing.is_modern:
        answer = await office.post(crossing.route, "server/discover")
        said = _result(answer.content)
        assert {MODERN, SESSIONS} <= set(msgspec.convert(said["supportedVersions"], list[str]))
    else:
        legacy = Legacy(office, crossing.route, SESSIONS)
        said = _result((await legacy.open()).content)
        assert said["protocolVersion"] == SESSIONS
    assert said["instructions"] == "clerk under test"
    told = msgspec.convert(said["capabilities"], dict[str, Json])
    assert {"tools", "prompts", "resources", "completions", "logging"} <= set(told)
    assert told["resources"]["subscribe"] is True
    assert ("resultType" in said, "protocolVersion" in said) == (crossing.is_modern, not crossing.is_modern)


@requirement("bridge:results")
@every_crossing
async def test_results_have_the_members_of_the_clients_era_and_no_others(office: Stage, crossing: Crossing) -> None:
    legacy = Legacy(office, crossing.route, SESSIONS)
    if not crossing.is_modern:
        await legacy.open()
    for method, params in (
        ("tools/list", {}),
        ("tools/call", {"name": "echo", "arguments": {"text": "x"}}),
        ("resources/list", {}),
        ("resources/read", {"uri": "clerk://desk/a"}),
        ("prompts/get", {"name": "greet", "arguments": {"name": "x"}}),
    ):
        if crossing.is_modern:
            result = _result((await office.post(crossing.route, method, params)).content)
            assert result["resultType"] == "complete", method
            cached = method in ("tools/list", "resources/list", "resources/read")
            assert (result.get("cacheScope") == "private") == cached, method
            assert ("ttlMs" in result) == cached, method
        else:
            result = _result((await legacy.ask(method, params)).content)
            assert not {"resultType", "ttlMs", "cacheScope"} & set(result), method


@requirement("bridge:methods")
@over_http
async def test_methods_of_the_servers_era_alone_are_not_offered_to_a_client_of_the_other(
    office: Stage, crossing: Crossing
) -> None:
    journal = office.world.journal(crossing.server)
    before = len(journal.entries("request"))
    if crossing.is_modern:
        answer = await office.post(crossing.route, "resources/subscribe", {"uri": "clerk://desk/a"})
        assert answer.status_code == 404
    else:
        legacy = Legacy(office, crossing.route, SESSIONS)
        await legacy.open()
        answer = await legacy.ask("server/discover", {})
    assert (error_of(answer)["code"], reasons_of(answer)) == (-32601, ["method_unknown"])
    assert len(journal.entries("request")) == before


def _result(body: bytes) -> Json:
    return msgspec.convert(msgspec.json.decode(body, type=Json)["result"], Json)


@requirement("bridge:headers")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"mcp-param-region": "Bern"},
        {"mcp-param-region": "Basel", "mcp-param-attempt": "4"},
        {"mcp-param-region": "Basel", "mcp-param-attempt": "3"},
    ],
    ids=["none", "another", "another number", "the same"],
)
async def test_a_header_that_contradicts_its_argument_stops_at_the_gateway(
    office: Stage, headers: dict[str, str | None]
) -> None:
    mark = f"contradicted {headers}"
    params: Json = {"name": "mirrored", "arguments": {"region": "Basel", "attempt": 3, "query": mark}}
    answer = await office.post("servers/new", "tools/call", params, headers=headers)
    sent = [entry for entry in office.world.journal("new").entries("call", tool="mirrored") if mark in str(entry)]
    if headers.get("mcp-param-attempt") == "3":
        assert (answer.status_code, len(sent)) == (200, 1)
    else:
        assert (answer.status_code, reasons_of(answer), sent) == (400, ["header_mismatch"], [])
