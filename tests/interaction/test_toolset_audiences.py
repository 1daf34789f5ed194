"""Who finds a toolset: for everybody else there is none, until a grant lets them in, and as long as it lasts."""

from collections.abc import Generator
from contextlib import contextmanager

import anyio
import httpx2
import msgspec
import pytest
from mcp import MCPError

from tallystick.wiring.compose import clock
from tests.interaction.legacy import Legacy
from tests.interaction.record import told
from tests.interaction.stage import MODERN, Json, Stage, index_of
from tests.interaction.virtual import ENDS_AT
from tests.interaction.waiting import BOUND_S
from tests.interaction.ways import every_era
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

CLOSED = "toolsets/closed"


@contextmanager
def _at(stage: Stage, time: float) -> Generator[None]:
    """Have the gateway's clock stand near the end of the grants; tokens are checked by the real one."""
    rooms = stage.gateway.rooms
    usual, ahead = rooms.clock, time - clock()
    # Rooms are frozen; nothing but a test has a reason to exchange one.
    object.__setattr__(rooms, "clock", lambda: usual() + ahead)
    try:
        yield
    finally:
        object.__setattr__(rooms, "clock", usual)


async def _names(stage: Stage, era: str, subject: str, **claims: object) -> list[str]:
    async with stage.client(CLOSED, era, stage.token(subject, **claims)) as client:
        return [tool.name for tool in (await client.list_tools()).tools]


@requirement("toolsets:audience")
@every_era
@pytest.mark.parametrize(
    ("subject", "claims"), [("grace", {}), ("carl", {"groups": ["clerks", "chiefs"]})], ids=["person", "group"]
)
async def test_whoever_is_of_the_audience_finds_the_toolset(
    virtual: Stage, era: str, subject: str, claims: Json
) -> None:
    assert await _names(virtual, era, subject, **claims) == ["desk__echo", "desk__add"]


def _without_record(answer: httpx2.Response) -> str:
    number = f'"tallystick.dev/record":{index_of(answer)}'
    assert number in answer.text
    return answer.text.replace(number, "")


METHODS: list[tuple[str, Json]] = [
    ("server/discover", {}),
    ("tools/list", {}),
    ("tools/call", {"name": "desk__echo", "arguments": {"text": "x"}}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "desk__greet"}),
    ("resources/read", {"uri": "desk://rates/public-eur"}),
    ("subscriptions/listen", {}),
    ("ping", {}),
]


@requirement("toolsets:audience")
@pytest.mark.parametrize("subject", ["ada", "joe", "kim"], ids=["nobody's", "grant ended", "grant not approved"])
async def test_to_everybody_else_it_is_a_toolset_that_does_not_exist(virtual: Stage, subject: str) -> None:
    token, record = virtual.token(subject), virtual.record()
    start = await record.mark()
    for method, params in METHODS:
        closed = await virtual.post(CLOSED, method, params, token=token)
        nowhere = await virtual.post("toolsets/closet", method, params, token=token)
        # The number of the record is the only thing that two answers may differ in.
        texts = [_without_record(answer) for answer in (closed, nowhere)]
        assert texts[0] == texts[1]
        assert closed.status_code == nowhere.status_code == 404
        assert sorted(closed.headers) == sorted(nowhere.headers)
    leaves = await record.since(start)
    assert told(leaves) == [f"denial {method} route_unknown" for method, _ in METHODS for _ in range(2)]
    assert [leaf["route"] for leaf in leaves] == [CLOSED, "toolsets/closet"] * len(METHODS)


@requirement("toolsets:audience")
@pytest.mark.parametrize("era", ["2025-11-25", "2025-06-18"])
async def test_nobody_else_can_open_a_session_there_either(virtual: Stage, era: str) -> None:
    answers = [await Legacy(virtual, route, era).open() for route in (CLOSED, "toolsets/closet")]
    texts = [_without_record(answer) for answer in answers]
    assert texts[0] == texts[1]
    assert [answer.headers.get("mcp-session-id") for answer in answers] == [None, None]


@requirement("toolsets:grants")
@every_era
async def test_a_grant_lets_in_and_one_for_a_tool_to_that_tool_alone(virtual: Stage, era: str) -> None:
    assert await _names(virtual, era, "hal") == ["desk__echo", "desk__add"]
    async with virtual.client(CLOSED, era, virtual.token("ivy")) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["desk__echo"]
        assert not (await client.call_tool("desk__echo", {"text": "ivy"})).is_error
        with pytest.raises(MCPError, match="There is no such tool here"):
            await client.call_tool("desk__add", {"a": 1, "b": 1})
        assert (await client.list_prompts()).prompts == []
        with pytest.raises(MCPError, match="There is no such prompt or resource here"):
            await client.get_prompt("desk__greet", {"name": "Ivy"})


@requirement("toolsets:grants")
async def test_policy_still_decides_what_whoever_is_let_in_may_do(virtual: Stage) -> None:
    token = virtual.token("hal", groups=[])
    assert "There is no such tool" not in (await virtual.call(CLOSED, "desk__echo", {"text": "x"}, token=token)).text
    async with virtual.client(CLOSED, MODERN, token) as client:
        assert (await client.list_tools()).tools == []


@requirement("toolsets:grants")
async def test_a_grant_ends_at_its_time_for_new_requests_and_for_open_sessions(virtual: Stage) -> None:
    session = Legacy(virtual, CLOSED, "2025-11-25", virtual.token("hal"))
    with _at(virtual, ENDS_AT - 60):
        assert (await virtual.call(CLOSED, "desk__echo", {"text": "in"}, token=session.token)).status_code == 200
        await session.open()
        assert "result" in msgspec.json.decode((await session.call("desk__echo", {"text": "in"})).content, type=Json)
    with _at(virtual, ENDS_AT):
        late = await virtual.call(CLOSED, "desk__echo", {"text": "late"}, token=session.token)
        assert late.status_code == 404
        assert (await session.call("desk__echo", {"text": "late"})).status_code == 404
    assert virtual.world.journal("desk").calls("echo", text="late") == 0


@requirement("toolsets:grants")
async def test_a_stream_ends_with_the_grant_that_opened_it(virtual: Stage) -> None:
    asked: Json = {"notifications": {"toolsListChanged": True}}
    token = virtual.token("hal", exp=int(ENDS_AT) + 3600)
    with _at(virtual, ENDS_AT - 0.2), anyio.fail_after(BOUND_S):
        answer = await virtual.post(CLOSED, "subscriptions/listen", asked, token=token)
    assert answer.status_code == 200
    assert '"resultType":"complete"' in answer.text
