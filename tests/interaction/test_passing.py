"""Methods other than tools: passed to the one server of a server's route where policy allows, decided like calls."""

import msgspec
import pytest
from mcp import MCPError
from mcp_types import TextContent, TextResourceContents

from tallystick.terms import Refusal, ServerId
from tests.interaction.legacy import Legacy
from tests.interaction.record import told_of_calls
from tests.interaction.stage import Stage, modern, reasons_of
from tests.interaction.ways import Way, over_each_transport
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("passing:allowed", "record:call:two-leaves")
@over_each_transport
async def test_a_resource_and_a_prompt_pass_where_policy_allows_them(stage: Stage, way: Way) -> None:
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        resource = await client.read_resource("desk://rates/public-euribor")
        prompt = await client.get_prompt("greet", {"name": "Ada"})
        templates = await client.list_resource_templates()
    assert isinstance(resource.contents[0], TextResourceContents)
    assert resource.contents[0].text == "rate of public-euribor"
    assert isinstance(prompt.messages[0].content, TextContent)
    assert prompt.messages[0].content.text == "Good morning, Ada"
    assert [template.uri_template for template in templates.resource_templates] == ["desk://rates/{name}"]
    methods = ["resources/read", "prompts/get", "resources/templates/list"]
    expected = [line for method in methods for line in (f"intent {method}", "outcome success")]
    assert told_of_calls(await record.since(start)) == expected


@requirement("passing:denied", "record:denial:one-leaf")
@over_each_transport
async def test_a_method_that_no_policy_allows_never_reaches_the_server(stage: Stage, way: Way) -> None:
    journal, record = stage.world.journal(way.server), stage.record()
    start = await record.mark()
    asked = (
        len(journal.entries("request", method="resources/read")),
        len(journal.entries("request", method="prompts/get")),
    )
    async with stage.client(way.route, way.era) as client:
        with pytest.raises(MCPError, match="Policy does not allow"):
            await client.read_resource("desk://rates/secret")
        with pytest.raises(MCPError, match="Policy does not allow"):
            await client.get_prompt("insult", {"name": "Ada"})
    assert told_of_calls(await record.since(start)) == [
        "denial resources/read no_policy_allows",
        "denial prompts/get no_policy_allows",
    ]
    assert asked == (
        len(journal.entries("request", method="resources/read")),
        len(journal.entries("request", method="prompts/get")),
    )


@requirement("passing:toolset")
@pytest.mark.parametrize("method", ["resources/list", "prompts/get", "completion/complete", "made/up"])
async def test_a_toolset_offers_tools_and_no_other_method(stage: Stage, method: str) -> None:
    answer = await stage.post("toolsets/desks", method, {"name": "greet"} if method == "prompts/get" else {})
    assert (answer.status_code, reasons_of(answer)) == (404, ["method_unknown"])


@requirement("passing:denied")
@pytest.mark.parametrize("method", ["completion/complete", "made/up", "tools/CALL", "session/end"])
async def test_a_method_that_policy_does_not_name_is_denied_on_a_servers_route(stage: Stage, method: str) -> None:
    before = len(stage.world.journal("desk").entries("request"))
    answer = await stage.post("servers/desk", method)
    assert reasons_of(answer)[0] in {"no_policy_allows", "method_unknown"}
    assert len(stage.world.journal("desk").entries("request")) == before


@requirement("passing:denied")
@pytest.mark.parametrize(
    "method", ["ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", "tasks/result"]
)
async def test_a_method_that_the_newer_era_has_given_up_is_unknown_in_it(stage: Stage, method: str) -> None:
    answer = await stage.post("servers/desk", method, {"uri": "desk://rates/public", "level": "info", "taskId": "1"})
    assert (answer.status_code, reasons_of(answer)) == (404, ["method_unknown"])


@requirement("passing:notifications")
async def test_a_notification_of_a_client_stays_at_the_gateway(stage: Stage) -> None:
    before = stage.world.journal("desk").text()
    body = msgspec.json.decode(modern("notifications/roots/list_changed", {}), type=dict[str, object])
    del body["id"]
    answer = await stage.post("servers/desk", "notifications/roots/list_changed", body=msgspec.json.encode(body))
    assert (answer.status_code, answer.content) == (202, b"")
    assert stage.world.journal("desk").text() == before


@requirement("passing:notifications")
async def test_notifications_take_no_more_of_a_server_than_calls_may(stage: Stage) -> None:
    client, server = Legacy(stage, "servers/small", "2025-11-25"), ServerId("small")
    await client.open()
    assert (await client.call("echo", {"text": "a session at the server"})).status_code == 200
    journal, bulkhead = stage.world.journal("small"), stage.gateway.rooms.bulkhead
    posts = len(journal.entries("http", method="POST"))
    taken = bulkhead.admit(server, 1, "somebody else")
    assert not isinstance(taken, Refusal)
    with taken:
        assert (await client.ask("notifications/roots/list_changed", {}, None)).status_code == 202
        assert len(journal.entries("http", method="POST")) == posts
    # Nothing is on record of what it says, so nothing of that leaves.
    smuggled = {"smuggled": "x" * 1000}
    assert (await client.ask("notifications/roots/list_changed", smuggled, None)).status_code == 202
    *_, passed_on = journal.entries("http", method="POST")
    assert len(journal.entries("http", method="POST")) == posts + 1
    assert int(msgspec.convert(passed_on["headers"], dict[str, str])["content-length"]) < 200
    assert not bulkhead.at(server)
