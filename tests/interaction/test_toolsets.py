"""Virtual servers through the whole corridor: other names, narrower arguments, less of a result, prompts, resources."""

import msgspec
import pytest
from mcp import MCPError
from mcp_types import TextContent, TextResourceContents

from tallystick import audit
from tests.interaction.crossings import both_eras
from tests.interaction.legacy import Legacy
from tests.interaction.record import calls_in, told_of_calls
from tests.interaction.stage import MODERN, Json, Stage, reasons_of
from tests.interaction.ways import every_era
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

TELLER = "toolsets/teller"


def _text(content: object) -> str:
    assert isinstance(content, TextContent)
    return content.text


def _result(body: bytes) -> bytes:
    """Return the exact bytes of the result in an answer."""
    return bytes(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["result"])


@requirement("toolsets:names", "toolsets:trimmed")
@every_era
async def test_a_toolset_lists_what_it_made_of_its_tools(virtual: Stage, era: str) -> None:
    async with virtual.client(TELLER, era) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    # `echo` of desk has another name, so that of risk has its own without a collision.
    assert list(tools) == ["say", "add", "fail", "big", "transfer", "echo", "refuse"]
    assert (tools["say"].title, tools["say"].description) == ("Say", "Says it again.")
    assert tools["transfer"].input_schema["properties"].keys() == {"amount"}
    assert tools["transfer"].input_schema["properties"]["amount"]["maximum"] == 50
    assert tools["add"].output_schema is None


@requirement("toolsets:names", "record:call:names")
@every_era
async def test_a_renamed_tool_is_called_and_recorded_by_its_own_name(virtual: Stage, era: str) -> None:
    journal, record = virtual.world.journal("desk"), virtual.record()
    start = await record.mark()
    async with virtual.client(TELLER, era) as client:
        assert _text((await client.call_tool("say", {"text": f"renamed {era}"})).content[0]) == f"renamed {era}"
    assert journal.calls("echo", text=f"renamed {era}") == 1
    intent = next(leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent")
    assert (intent["route"], intent["server"], intent["tool"]) == (TELLER, "desk", "echo")


@requirement("toolsets:names")
@every_era
@pytest.mark.parametrize("name", ["desk__echo", "desk/echo", "close_account"])
async def test_what_a_toolset_does_not_publish_is_unknown_there(virtual: Stage, era: str, name: str) -> None:
    async with virtual.client(TELLER, era) as client:
        with pytest.raises(MCPError, match="There is no such tool here"):
            await client.call_tool(name, {"text": "x"})


@requirement("toolsets:arguments")
@every_era
async def test_a_fixed_argument_is_what_policy_record_and_server_see(virtual: Stage, era: str) -> None:
    journal, record = virtual.world.journal("desk"), virtual.record()
    start, before = await record.mark(), journal.calls("transfer", account="house", amount=49)
    async with virtual.client(TELLER, era) as client:
        result = await client.call_tool("transfer", {"amount": 49})
    assert _text(result.content[0]) == "49 to house"
    assert journal.calls("transfer", account="house", amount=49) == before + 1
    intent = next(leaf for leaf in calls_in(await record.since(start)) if leaf["kind"] == "intent")
    forwarded = audit.leaf.canonical({"account": "house", "amount": 49})
    assert isinstance(forwarded, bytes)
    key = virtual.gateway.rooms.commitment_key
    assert intent["args_c"] == audit.leaf.commit(key, str(intent["id"]), "args", forwarded)


BEYOND: list[tuple[Json, str]] = [
    ({"amount": 51}, '"maximum"'),
    ({"amount": 1, "account": "eve"}, "`account` is no argument here"),
    ({"amount": 1, "account": "house"}, "`account` is no argument here"),
    ({}, '"required"'),
]


@requirement("toolsets:arguments")
@every_era
async def test_an_argument_beyond_the_toolsets_rules_is_refused(virtual: Stage, era: str) -> None:
    journal, record, session = virtual.world.journal("desk"), virtual.record(), Legacy(virtual, TELLER, era)
    if era != MODERN:
        await session.open()
    start, before = await record.mark(), len(journal.entries("call", tool="transfer"))
    for arguments, said in BEYOND:
        is_modern = era == MODERN
        call = virtual.call(TELLER, "transfer", arguments) if is_modern else session.call("transfer", arguments)
        answer = await call
        assert reasons_of(answer) == ["arguments_invalid"]
        assert msgspec.json.encode(said).decode()[1:-1] in answer.text
    assert len(journal.entries("call", tool="transfer")) == before
    assert told_of_calls(await record.since(start)) == ["denial tools/call arguments_invalid"] * len(BEYOND)


@requirement("toolsets:arguments")
async def test_the_own_route_of_a_server_keeps_the_tool_as_it_is(virtual: Stage) -> None:
    answer = await virtual.call("servers/desk", "transfer", {"account": "ada", "amount": 99})
    assert "99 to ada" in answer.text


@requirement("toolsets:trimmed")
@every_era
async def test_a_trimmed_result_says_so_and_holds_no_more(virtual: Stage, era: str) -> None:
    async with virtual.client(TELLER, era) as client:
        await client.list_tools()
        added = await client.call_tool("add", {"a": 2, "b": 3})
        big = await client.call_tool("big", {"size": 100})
    assert added.structured_content == {}
    assert added.meta is not None
    assert added.meta["tallystick.dev/trimmed"] == [{"rule": "fields", "kept": 0, "of": 1}]
    assert [_text(part) for part in added.content] == [
        "{}",
        "[Trimmed by the rules of this toolset: 0 of 1 fields are shown.]",
    ]
    assert _text(big.content[0]) == "b" * 8
    assert "8 of 100 bytes" in _text(big.content[-1])


@requirement("toolsets:trimmed")
async def test_the_record_commits_to_what_was_answered(virtual: Stage) -> None:
    record = virtual.record()
    start = await record.mark()
    answer = await virtual.call(TELLER, "add", {"a": 2, "b": 3})
    outcome = next(leaf for leaf in await record.since(start) if leaf["kind"] == "outcome")
    key = virtual.gateway.rooms.commitment_key
    assert outcome["result_c"] == audit.leaf.commit(key, str(outcome["id"]), "result", _result(answer.content))
    assert outcome["status"] == "success"


@requirement("toolsets:trimmed")
@every_era
async def test_a_tools_own_error_is_cut_by_bytes_alone(virtual: Stage, era: str) -> None:
    async with virtual.client(TELLER, era) as client:
        result = await client.call_tool("fail", {"text": "no such account at all"})
    assert result.is_error
    assert len(_text(result.content[0])) == 12


@requirement("toolsets:offers")
@every_era
async def test_prompts_and_resources_of_a_toolset_are_those_that_it_selects_and_policy_allows(
    virtual: Stage, era: str
) -> None:
    async with virtual.client(TELLER, era) as client:
        # The client of the newest era asks for nothing that it was not told to.
        assert era == MODERN or client.server_capabilities.prompts is not None
        assert era == MODERN or client.server_capabilities.resources is not None
        prompts = (await client.list_prompts()).prompts
        assert [(prompt.name, prompt.description) for prompt in prompts] == [("hello", "Greets.")]
        said = await client.get_prompt("hello", {"name": "Ada"})
        assert _text(said.messages[0].content) == "Good morning, Ada"
        templates = (await client.list_resource_templates()).resource_templates
        assert [template.uri_template for template in templates] == ["desk://rates/{name}"]
        assert (await client.list_resources()).resources == []
        read = (await client.read_resource("desk://rates/public-eur")).contents[0]
        assert isinstance(read, TextResourceContents)
        assert read.text == "rate of public-eur"
    for groups in ([], ["lookers"]):
        async with virtual.client(TELLER, era, virtual.token("eve", groups=groups)) as client:
            assert (await client.list_prompts()).prompts == []
            assert (await client.list_resource_templates()).resource_templates == []


@requirement("toolsets:offers")
@every_era
async def test_what_is_not_offered_and_what_is_not_allowed_is_refused_and_recorded(virtual: Stage, era: str) -> None:
    journal, record = virtual.world.journal("desk"), virtual.record()
    start, before = await record.mark(), journal.text()
    async with virtual.client(TELLER, era) as client:
        for prompt in ("greet", "desk__greet", "insult"):
            with pytest.raises(MCPError, match="There is no such prompt or resource here"):
                await client.get_prompt(prompt, {"name": "Ada"})
        for uri in ("desk://rates/public-secret", "file:///etc/passwd"):
            with pytest.raises(MCPError, match="There is no such prompt or resource here"):
                await client.read_resource(uri)
        with pytest.raises(MCPError, match="Policy does not allow this call"):
            await client.read_resource("desk://rates/secret")
    assert journal.text() == before
    denials = [line for line in told_of_calls(await record.since(start)) if line.startswith("denial")]
    assert denials == [
        *["denial prompts/get offer_unknown"] * 3,
        *["denial resources/read offer_unknown"] * 2,
        "denial resources/read no_policy_allows",
    ]


@requirement("toolsets:offers", "record:call:names")
@every_era
async def test_a_prompt_is_asked_for_and_recorded_by_its_own_name_and_server(virtual: Stage, era: str) -> None:
    record = virtual.record()
    start = await record.mark()
    async with virtual.client(TELLER, era) as client:
        await client.get_prompt("hello", {"name": "Ada"})
    leaves = calls_in(await record.since(start))
    intent = next(leaf for leaf in leaves if leaf["kind"] == "intent")
    assert (intent["method"], intent["server"], intent["route"]) == ("prompts/get", "desk", TELLER)


@requirement("toolsets:offers")
@every_era
async def test_a_toolset_that_selects_no_prompts_knows_nothing_of_them(virtual: Stage, era: str) -> None:
    async with virtual.client("toolsets/desks", era) as client:
        assert client.server_capabilities.prompts is None
        with pytest.raises(MCPError, match="not offered on this route"):
            await client.list_prompts()


@requirement("toolsets:stays-up")
@every_era
async def test_a_toolset_stays_up_without_what_is_missing_and_the_snapshot_says_what(virtual: Stage, era: str) -> None:
    async with virtual.client("toolsets/lacking", era) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        assert names == ["desk__echo", "risk__echo"]
        assert _text((await client.call_tool("desk__echo", {"text": "up"})).content[0]) == "up"
    snapshot = virtual.gateway.holder.current
    assert snapshot is not None
    notices = "\n".join(str(notice) for notice in snapshot.notices)
    for what in ('no server "nowhere"', 'server "hasty" is suspended', 'no known tool of risk "gone"'):
        assert what in notices


@requirement("toolsets:arguments")
@both_eras
@every_era
@pytest.mark.parametrize("server", ["new", "old"])
async def test_a_fixed_argument_that_is_a_header_too_reaches_its_server_in_both_places(
    office: Stage, era: str, server: str
) -> None:
    journal = office.world.journal(server)
    async with office.client("toolsets/fixed", era) as client:
        (tool,) = [tool for tool in (await client.list_tools()).tools if tool.name == f"{server}__mirrored"]
        assert "region" not in tool.input_schema["properties"]
        assert not (await client.call_tool(tool.name, {"attempt": 7, "query": f"{era} fixed"})).is_error
    assert journal.calls("mirrored", attempt=7, query=f"{era} fixed", region="eu") == 1
    if server == "new":
        headers = [msgspec.convert(entry["headers"], dict[str, str]) for entry in journal.entries("http")]
        assert {"mcp-param-region": "eu", "mcp-param-attempt": "7"}.items() <= headers[-1].items()
