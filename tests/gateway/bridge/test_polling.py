"""A server of the official SDK that closes its stream whenever it has to wait, for clients of both eras."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from tallystick.gateway.bridge import Bridge, Park, Setting, drawn
from tallystick.gateway.upstream.stdio import supervision
from tests.gateway.bridge.peer import MODERN, SESSIONS
from tests.gateway.bridge.stage import BOUND_S, PINNED, Json, Party, call
from tests.gateway.upstream.test_official import way

pytestmark = pytest.mark.anyio
NAMED: dict[str, Json] = {"Who are you?": {"action": "accept", "content": {"name": "Ada"}}}


@asynccontextmanager
async def _bridged() -> AsyncGenerator[Bridge]:
    """Give a bridge to the server, in the only era that has such streams."""
    with anyio.fail_after(2 * BOUND_S):
        async with way("http") as transport, supervision() as supervising:
            bridge = Bridge("official", transport, {SESSIONS: PINNED}, supervising, Setting(Park(drawn)))
            yield bridge
            bridge.close()


@pytest.mark.parametrize("era", [MODERN, SESSIONS])
async def test_a_question_and_the_answer_of_a_call_come_after_its_stream_was_closed(era: str) -> None:
    party = Party(era, answers=NAMED)
    async with _bridged() as bridge:
        assert await call(bridge, party, "poll", times=2) == "hello Ada"
        assert bridge.health.failures == 0
    # A client without sessions answers in another request; meanwhile the call is parked, its stream closed once more.
    assert party.asked == ["Who are you?"]
