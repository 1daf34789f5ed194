"""What clients are told unasked: subscriptions of 2026-07-28, and the stream of a session of 2025-11-25."""

import json
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise

import anyio
import msgspec
import pytest
from mcp import Client
from mcp.server.subscriptions import PromptsListChanged, ResourcesListChanged, ResourceUpdated, ServerEvent

from tallystick.gateway.target import RESOURCES
from tallystick.wiring.compose import clock
from tests.interaction.configuration import copy_configuration
from tests.interaction.crossings import SESSIONS, Crossing, both_eras, every_crossing, over_http
from tests.interaction.hearing import Heard, listening_to, session_stream
from tests.interaction.legacy import Legacy
from tests.interaction.office import POLICIES
from tests.interaction.person import Person
from tests.interaction.stage import MODERN, Json, Stage, open_stage, reasons_of
from tests.interaction.waiting import BOUND_S, until
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, both_eras]

_ACK = "notifications/subscriptions/acknowledged"
_PROMPTS = "notifications/prompts/list_changed"
_RESOURCES = "notifications/resources/list_changed"
_UPDATED = "notifications/resources/updated"
_TOOLS = "notifications/tools/list_changed"
_ID = "io.modelcontextprotocol/subscriptionId"


async def _until_heard(act: Callable[[], Awaitable[object]], heard: Callable[[], object]) -> None:
    """Do something again and again until it is heard of: nobody tells when a stream at the server stands."""
    with anyio.fail_after(BOUND_S):
        while not heard():
            await act()


def _params(message: Json) -> Json:
    return msgspec.convert(message.get("params", {}), Json)


def _tag(message: Json) -> object:
    return msgspec.convert(_params(message).get("_meta", {}), Json).get(_ID)


async def _call(office: Stage, server: str, tool: str, **arguments: object) -> None:
    answer = await office.call(f"servers/{server}", tool, arguments)
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def _told(client: Client, crossing: Crossing, person: Person, uri: str) -> AsyncGenerator[list[str]]:
    """Have the SDK's client told of a resource and of the lists; yields the news as they come."""
    if not crossing.is_modern:
        await client.subscribe_resource(uri)  # pyright: ignore[reportDeprecated] - this is its era
        yield person.news
        return
    asked = client.listen(prompts_list_changed=True, resources_list_changed=True, resource_subscriptions=[uri])
    async with asked as subscription, anyio.create_task_group() as group:
        assert subscription.honored.resource_subscriptions == [uri]

        async def follow() -> None:
            async for event in subscription:
                person.news.append(_short(event))

        group.start_soon(follow)
        yield person.news
        group.cancel_scope.cancel()


def _short(event: ServerEvent) -> str:
    match event:
        case ResourceUpdated():
            return f"updated {event.uri}"
        case PromptsListChanged():
            return "prompts"
        case ResourcesListChanged():
            return "resources"
        case _:
            return "tools"


@requirement("streams:resources", "streams:lists")
@every_crossing
async def test_a_client_is_told_of_what_it_subscribed_to_whatever_is_spoken(office: Stage, crossing: Crossing) -> None:
    uri, person = f"clerk://desk/{crossing}", Person(answers=False)
    async with (
        office.client(crossing.route, crossing.era, person=person) as client,
        _told(client, crossing, person, uri) as news,
    ):
        await _until_heard(lambda: client.call_tool("touch", {"uri": uri}), lambda: f"updated {uri}" in news)
        await _until_heard(lambda: client.call_tool("announce", {"what": "prompts"}), lambda: "prompts" in news)
        await _until_heard(lambda: client.call_tool("announce", {"what": "resources"}), lambda: "resources" in news)
        await client.call_tool("touch", {"uri": "clerk://desk/of-nobody"})
        before = news.count("prompts")
        await _until_heard(
            lambda: client.call_tool("announce", {"what": "prompts"}), lambda: news.count("prompts") > before
        )
    assert set(news) == {f"updated {uri}", "prompts", "resources"}


@requirement("streams:resources")
@pytest.mark.parametrize("server", ["old", "new", "old-line", "new-line"])
async def test_whoever_unsubscribes_is_told_no_more(office: Stage, server: str) -> None:
    uri, other = f"clerk://desk/once-{server}", f"clerk://desk/still-{server}"
    person = Person(answers=False)
    async with office.client(f"servers/{server}", SESSIONS, person=person) as client:
        for each in (uri, other):
            await client.subscribe_resource(each)  # pyright: ignore[reportDeprecated] - this is its era
            await _heard_of(office, server, each, person)
        await client.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated] - this is its era
        await _call(office, server, "release", key="settled")
        person.news.clear()
        await _call(office, server, "touch", uri=uri)
        await _heard_of(office, server, other, person)
    assert f"updated {uri}" not in person.news


async def _heard_of(office: Stage, server: str, uri: str, person: Person) -> None:
    await _until_heard(lambda: _call(office, server, "touch", uri=uri), lambda: f"updated {uri}" in person.news)


@requirement("streams:acknowledged")
@over_http
@pytest.mark.parametrize("subscription", ["a name", 42])
async def test_a_subscription_begins_with_what_is_honoured_and_every_message_carries_its_id(
    office: Stage, crossing: Crossing, subscription: int | str
) -> None:
    wanted: Json = {"promptsListChanged": True}
    async with listening_to(office, crossing.route, wanted, request_id=subscription) as heard:
        await _until_heard(
            lambda: _announced(office, crossing.server, "resources", "prompts"), lambda: heard.of(_PROMPTS)
        )
    assert heard.messages[0]["method"] == _ACK
    assert _params(heard.messages[0])["notifications"] == wanted
    tags = [_tag(message) for message in heard.messages]
    assert [(tag, type(tag)) for tag in tags] == [(subscription, type(subscription))] * len(tags)
    # It asked for prompts, so it hears of nothing else.
    assert {str(message["method"]) for message in heard.messages} == {_ACK, _PROMPTS}


async def _announced(office: Stage, server: str, *whats: str) -> None:
    for what in whats:
        await _call(office, server, "announce", what=what)


@requirement("streams:policy")
@pytest.mark.parametrize("server", ["old", "new"])
async def test_only_what_policy_allows_is_honoured(office: Stage, server: str) -> None:
    junior = office.token("june", groups=["juniors"])
    secret, public = f"clerk://desk/secret-{server}", f"clerk://desk/public-{server}"
    wanted: Json = {"toolsListChanged": True, "promptsListChanged": True, "resourcesListChanged": True}
    wanted["resourceSubscriptions"] = [secret, public]
    async with listening_to(office, f"servers/{server}", wanted, token=junior) as heard:
        await _until_heard(lambda: _touched(office, server, secret, public), lambda: heard.of(_UPDATED))
        await _until_heard(
            lambda: _announced(office, server, "resources", "prompts"), lambda: len(heard.of(_PROMPTS)) > 1
        )
    assert _params(heard.of(_ACK)[0])["notifications"] == {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourceSubscriptions": [public],
    }
    assert {_params(message)["uri"] for message in heard.of(_UPDATED)} == {public}
    assert not heard.of(_RESOURCES)
    asked = office.world.journal(server).entries("request")
    assert not [entry for entry in asked if secret in json.dumps(entry) and entry["method"] != "tools/call"]


async def _touched(office: Stage, server: str, *uris: str) -> None:
    for uri in uris:
        await _call(office, server, "touch", uri=uri)


@requirement("streams:policy")
async def test_whoever_may_not_listen_is_refused(office: Stage) -> None:
    nobody = office.token("eve", groups=[])
    answer = await office.post(
        "servers/new", "subscriptions/listen", {"notifications": {"promptsListChanged": True}}, token=nobody
    )
    assert reasons_of(answer) == ["no_policy_allows"]


@requirement("streams:limit")
async def test_nobody_listens_to_more_than_can_be_decided_while_others_wait(office: Stage) -> None:
    wanted: Json = {"resourceSubscriptions": [f"clerk://desk/{number}" for number in range(RESOURCES + 1)]}
    answer = await office.post("servers/new", "subscriptions/listen", {"notifications": wanted})
    assert (answer.status_code, reasons_of(answer)) == (413, ["too_large"])


@requirement("streams:shared", "streams:limit")
@pytest.mark.parametrize("server", ["old", "new"])
async def test_many_listeners_share_one_stream_and_one_caller_has_only_so_many(office: Stage, server: str) -> None:
    journal, uri = office.world.journal(server), f"clerk://desk/crowd-{server}"
    token = office.token(f"crowd-{server}")
    gets = len(journal.entries("http", method="GET"))
    wanted: Json = {"resourceSubscriptions": [uri]}
    async with AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(listening_to(office, f"servers/{server}", wanted, token=token))
            for _ in range(40)
        ]
        assert all(heard.status == 200 for heard in crowd)
        one_more = await office.post(
            f"servers/{server}", "subscriptions/listen", {"notifications": wanted}, token=token
        )
        assert reasons_of(one_more) == ["calls_in_flight"]
        await _until_heard(lambda: _call(office, server, "touch", uri=uri), lambda: crowd[0].of(_UPDATED))
        for heard in crowd:
            await heard.until(_UPDATED)
        # A stream takes no place of a call.
        assert not office.gateway.rooms.bulkhead.in_flight()
    concerned = [entry for entry in journal.entries("request") if uri in json.dumps(entry["params"])]
    asked = [entry["method"] for entry in concerned if entry["method"] != "tools/call"]
    if server == "old":
        assert (asked, len(journal.entries("http", method="GET")) - gets) == (["resources/subscribe"], 1)
    else:
        assert asked == ["subscriptions/listen"]
    await until(lambda: not office.gateway.rooms.streams.bulkhead.in_flight())
    assert not office.gateway.rooms.streams.open


@requirement("streams:session")
@over_http
async def test_the_stream_of_a_session_opens_to_its_caller_only_and_tells_without_ids(
    office: Stage, crossing: Crossing
) -> None:
    client = Legacy(office, crossing.route, SESSIONS)
    await client.open()
    thief = Legacy(office, crossing.route, SESSIONS, office.token("mallory"))
    thief.session = client.session
    async with session_stream(thief) as refused:
        await refused.over()
    assert refused.status == 404
    async with session_stream(client) as heard:
        assert (heard.status, heard.kind) == (200, "text/event-stream")
        await _until_heard(lambda: _announced(office, crossing.server, "prompts"), lambda: heard.of(_PROMPTS))
    assert {str(message["method"]) for message in heard.messages} <= {_PROMPTS}
    assert [_tag(message) for message in heard.messages] == [None] * len(heard.messages)


@requirement("streams:token")
async def test_a_stream_ends_with_the_token_that_opened_it(office: Stage) -> None:
    short = office.token(exp=math.ceil(clock()) + 1)
    client = Legacy(office, "servers/new", SESSIONS, short)
    await client.open()
    wanted: Json = {"promptsListChanged": True}
    async with (
        listening_to(office, "servers/new", wanted, token=short) as listening,
        session_stream(client) as stream,
        listening_to(office, "servers/new", wanted) as longer,
    ):
        await listening.over()
        await stream.over()
        assert not longer.ended
    assert listening.messages[0]["method"] == _ACK
    assert _result(listening) == {"resultType": "complete", "_meta": {_ID: "l"}}


def _result(heard: Heard) -> Json:
    return msgspec.convert(heard.end["result"], Json)


@requirement("streams:storm")
async def test_a_server_whose_streams_end_at_once_is_asked_again_later_and_later(
    office: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = (0.05, 0.1, 0.2, 0.4)
    monkeypatch.setattr("tallystick.gateway.bridge.feeds.wanted.WAITS_S", waits)
    journal = office.world.journal("curt")
    wanted: Json = {"promptsListChanged": True}
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(listening_to(office, "servers/curt", wanted))
        await until(lambda: len(journal.entries("request", method="subscriptions/listen")) >= 5)
    times = [float(str(entry["at"])) for entry in journal.entries("request", method="subscriptions/listen")]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    # However many listen, there is one stream; it is opened again after at least half of each wait.
    assert all(gap >= wait / 2 for gap, wait in zip(gaps, waits, strict=False)), gaps


@requirement("streams:storm")
async def test_a_server_without_streams_is_asked_once_and_its_clients_stay(office: Stage) -> None:
    journal = office.world.journal("mute")
    async with listening_to(office, "servers/mute", {"promptsListChanged": True, "toolsListChanged": True}) as heard:
        await until(lambda: journal.entries("request", method="subscriptions/listen"))
        for _ in range(10):
            await _call(office, "mute", "plain")
        assert not heard.ended
    assert len(journal.entries("request", method="subscriptions/listen")) == 1
    assert [message["method"] for message in heard.messages] == [_ACK]


@pytest.fixture
async def own(office_world: World, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Stage]:
    """A gateway whose configuration a test may change."""
    folder = tmp_path_factory.mktemp("changing")
    config = copy_configuration(office_world.config, folder / "config")
    async with open_stage(office_world, config, folder / "state") as running:
        yield running


@requirement("streams:tools", "streams:withdrawn")
async def test_a_changed_configuration_is_told_to_whom_it_concerns_and_ends_what_it_forbids(own: Stage) -> None:
    junior, clerk = own.token("june", groups=["juniors"]), own.token("ada")
    session = Legacy(own, "servers/new", SESSIONS, junior)
    await session.open()
    wanted: Json = {"toolsListChanged": True}
    async with (
        listening_to(own, "servers/new", wanted, token=junior) as junior_new,
        session_stream(session) as junior_old,
        listening_to(own, "servers/new", wanted, token=clerk) as clerk_new,
        listening_to(own, "toolsets/mixed", wanted, token=clerk) as clerk_set,
    ):
        await _in_force(own, "policies/more.cedar", _JUNIORS_ADD)
        for heard in (junior_new, junior_old):
            await heard.until(_TOOLS)
        await _in_force(own, "pins/new.json", _with_tool(own))
        for heard in (clerk_new, clerk_set):
            await heard.until(_TOOLS)
        # Each was told of what it may see, and of nothing else.
        told = [len(heard.of(_TOOLS)) for heard in (junior_new, junior_old, clerk_new, clerk_set)]
        assert told == [1, 1, 1, 1]
        assert [_tag(heard.of(_TOOLS)[0]) for heard in (junior_new, junior_old, clerk_set)] == ["l", None, "l"]
        await _in_force(own, "policies/bank.cedar", POLICIES.replace('Action::"mcp/subscriptions/listen", ', ""))
        await junior_new.over()
        assert _result(junior_new)["resultType"] == "complete"
        assert not any(heard.ended for heard in (junior_old, clerk_new, clerk_set))
        await _in_force(
            own, "policies/bank.cedar", POLICIES.replace("when { principal.tenant", "unless { principal.tenant")
        )
        for heard in (junior_old, clerk_set):
            await heard.over()
    await until(lambda: not own.gateway.rooms.streams.bulkhead.in_flight())


_JUNIORS_ADD = """
@id("juniors-add")
permit (principal in Group::"juniors", action == Action::"new/add", resource);
"""


def _with_tool(stage: Stage) -> str:
    pin = msgspec.json.decode((stage.places.config / "pins/new.json").read_bytes(), type=Json)
    tools = msgspec.convert(pin["tools"], list[Json])
    return json.dumps({**pin, "tools": [*tools, {"name": "fresh", "inputSchema": {"type": "object"}}]})


async def _in_force(stage: Stage, name: str, text: str) -> None:
    """Change one file and wait until the gateway goes by it."""
    before = stage.gateway.holder.current
    (stage.places.config / name).write_text(text)
    await until(lambda: stage.gateway.holder.current is not before)


@requirement("streams:session")
async def test_an_era_without_sessions_has_no_such_stream(office: Stage) -> None:
    answer = await office.http.get(
        office.endpoint("servers/new"),
        headers={"authorization": f"Bearer {office.token()}", "mcp-protocol-version": MODERN},
    )
    assert answer.status_code == 405
