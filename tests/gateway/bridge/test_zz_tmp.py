import anyio, pytest
from tallystick.gateway.upstream import Wanted
from tests.gateway.bridge.peer import MODERN, SESSIONS
from tests.gateway.bridge.script import notification, scripted
from tests.gateway.bridge.stage import Party, listening
pytestmark = pytest.mark.anyio
PROMPTS = "notifications/prompts/list_changed"
RES = "notifications/resources/list_changed"
async def test_x() -> None:
    async def tell(asked, wire):
        await wire.stream_events()
        for depth in range(900, 1000):
            await wire.event(b'{"jsonrpc":"2.0","method":"%b","params":{"a":%b%b}}' % (PROMPTS.encode(), b"["*depth, b"]"*depth))
        await wire.event(notification(RES))
        await anyio.sleep_forever()
    party = Party(SESSIONS)
    async with scripted(MODERN, tell) as (bridge, _), listening(bridge, (party, Wanted(prompts_list=True, resources_list=True))):
        await party.hear(RES)
