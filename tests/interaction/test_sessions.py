"""Sessions of the 2025 eras: sealed values that serve one caller on one route, and outlive a restart of the gateway."""

import msgspec
import pytest

from tallystick.gateway.local import END
from tests.interaction.legacy import Legacy
from tests.interaction.record import told
from tests.interaction.stage import Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.ways import with_sessions
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = [pytest.mark.anyio, with_sessions]


async def _opened(stage: Stage, era: str, route: str = "servers/desk", token: str | None = None) -> Legacy:
    client = Legacy(stage, route, era, token)
    answer = await client.open()
    assert answer.status_code == 200
    assert client.session
    return client


@requirement("session:required")
async def test_a_request_without_a_session_is_refused(stage: Stage, era: str) -> None:
    answer = await stage.post(
        "servers/desk", "tools/list", headers={"mcp-protocol-version": era, "mcp-method": None}, body=_LIST
    )
    assert (answer.status_code, reasons_of(answer)) == (400, ["session_required"])


@requirement("session:binding:caller")
@pytest.mark.parametrize("change", [{"subject": "mallory"}, {"client_id": "other-client"}, {"act": {"sub": "agent-7"}}])
async def test_a_session_serves_nobody_but_the_caller_who_opened_it(
    stage: Stage, era: str, change: dict[str, object]
) -> None:
    client = await _opened(stage, era)
    record, before = stage.record(), stage.world.journal("desk").text()
    start = await record.mark()
    changed = dict(change)
    client.token = stage.token(str(changed.pop("subject", "ada")), **changed)
    for answer in (await client.call("echo", {"text": "stolen"}), await client.end()):
        assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])
    assert stage.world.journal("desk").text() == before
    assert told(await record.since(start)) == [
        "denial tools/call session_unknown",
        f"denial {END} session_unknown",
    ]


@requirement("session:binding:route")
@pytest.mark.parametrize("other", ["servers/risk", "toolsets/desks"])
async def test_a_session_serves_no_route_but_the_one_that_opened_it(stage: Stage, era: str, other: str) -> None:
    client = await _opened(stage, era)
    client.route = other
    answer = await client.call("echo", {"text": "elsewhere"})
    assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])


@requirement("session:binding:caller")
@pytest.mark.parametrize("forged", ["", "abc", "A" * 200, "../../etc"])
async def test_a_session_id_that_the_gateway_did_not_make_is_unknown(stage: Stage, era: str, forged: str) -> None:
    headers = {"mcp-protocol-version": era, "mcp-method": None, "mcp-session-id": forged}
    answer = await stage.post("servers/desk", "tools/list", headers=headers, body=_LIST)
    assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])


@requirement("session:required")
async def test_a_session_is_spoken_to_in_the_version_that_it_was_opened_in(stage: Stage, era: str) -> None:
    client = await _opened(stage, era)
    (client.era,) = {"2025-06-18", "2025-11-25"} - {era}
    answer = await client.call("echo", {"text": "in other words"})
    assert (answer.status_code, reasons_of(answer)) == (400, ["version_unsupported"])


@requirement("session:new-token")
async def test_a_renewed_token_of_the_same_caller_keeps_the_session(stage: Stage, era: str) -> None:
    client = await _opened(stage, era)
    client.token = stage.token(jti="renewed")
    assert text_of(await client.call("echo", {"text": "again"})) == "again"


@requirement("session:delete")
async def test_delete_ends_the_session_here_and_at_the_server(stage: Stage, era: str) -> None:
    client = await _opened(stage, era)
    journal = stage.world.journal("desk")
    assert text_of(await client.call("echo", {"text": "before"})) == "before"
    ended = len(journal.entries("http", method="DELETE"))
    assert (await client.end()).status_code == 204
    answer = await client.call("echo", {"text": "after"})
    assert (answer.status_code, reasons_of(answer)) == (404, ["session_unknown"])
    assert journal.calls("echo", text="after") == 0
    await until(lambda: len(journal.entries("http", method="DELETE")) == ended + 1)


@requirement("session:isolation:upstream")
async def test_each_session_has_a_session_of_its_own_at_the_server(stage: Stage, era: str) -> None:
    journal = stage.world.journal("desk")
    before = len(journal.entries("http"))
    first, second = await _opened(stage, era), await _opened(stage, era)
    for client, text in ((first, "one"), (second, "two"), (first, "three")):
        assert text_of(await client.call("echo", {"text": text})) == text
    sent = [msgspec.convert(entry["headers"], dict[str, str]) for entry in journal.entries("http")[before:]]
    ids = {headers["mcp-session-id"] for headers in sent if "mcp-session-id" in headers}
    assert len(ids) == 2
    assert not ids & {first.session, second.session}


@pytest.mark.live
@requirement("session:restart")
async def test_a_session_survives_a_restart_of_the_gateway(world: World, era: str) -> None:
    state = world.folder / f"restart-{era}"
    async with open_stage(world, world.config, state) as before:
        client = await _opened(before, era)
        assert text_of(await client.call("echo", {"text": "before"})) == "before"
    async with open_stage(world, world.config, state) as after:
        client.stage, client.token = after, after.token()
        assert text_of(await client.call("echo", {"text": "after"})) == "after"
        assert after.record().sound().ok


_LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}'
