"""What must never be where: the caller's token at a server, arguments and results in the record, one in another's answer."""

import pytest
from mcp import MCPError

from tallystick import audit
from tallystick.audit.store import read_commitment_key
from tests.interaction.record import leaves_of, log_of
from tests.interaction.stage import Stage
from tests.interaction.ways import Way, every_way
from tests.requirements import requirement

pytestmark = pytest.mark.anyio


@requirement("secrets:token:never-forwarded")
@every_way
async def test_no_part_of_the_callers_token_reaches_a_server(stage: Stage, way: Way) -> None:
    token = stage.token(jti=f"token of {way}")
    async with stage.client(way.route, way.era, token) as client:
        await client.list_tools()
        await client.call_tool(f"{way.prefix}echo", {"text": "token"})
        if way.kind == "server":
            await client.read_resource("desk://rates/public-token")
    seen = stage.world.journal(way.server).text()
    assert seen
    assert not any(part in seen for part in token.split("."))
    assert "authorization" not in seen.lower()
    assert "Bearer" not in seen


@requirement("secrets:arguments:only-commitments")
@every_way
async def test_no_argument_and_no_result_is_in_the_record(stage: Stage, way: Way) -> None:
    canary = f"canary-{way.era}-{way.transport}-{way.kind}"
    record = stage.record()
    start = await record.mark()
    async with stage.client(way.route, way.era) as client:
        await client.call_tool(f"{way.prefix}echo", {"text": canary})
        await client.call_tool(f"{way.prefix}fail", {"text": canary})
        for tool in ("refuse", "transfer", "wipe", "echo", canary):
            arguments = {"account": canary, "amount": 1000, "text": canary, "length": 0}
            with pytest.raises(MCPError):
                await client.call_tool(f"{way.prefix}{tool}", arguments | ({"text": [canary]} if tool == "echo" else {}))
    leaves = await record.since(start)
    assert len(leaves) >= 10
    assert canary in stage.world.journal(way.server).text()
    assert not [leaf for leaf in leaves if canary in str(leaf)]
    files = [file.read_bytes() for file in log_of(stage.places.state, "bank").rglob("*") if file.is_file()]
    assert not any(canary.encode() in content for content in files)


@requirement("secrets:arguments:only-commitments")
async def test_a_commitment_of_a_leaf_can_be_checked_with_the_key_and_only_against_the_arguments(stage: Stage) -> None:
    record, key = stage.record(), read_commitment_key(stage.places.state)
    start = await record.mark()
    await stage.call("servers/desk", "echo", {"text": "committed"})
    intent = (await record.since(start))[0]
    right, wrong = (audit.commit(key, str(intent["id"]), "args", b'{"text":"%s"}' % text) for text in (b"committed", b"other"))
    assert intent["args_c"] == right
    assert intent["args_c"] != wrong


@requirement("record:verifies")
async def test_the_whole_record_of_these_tests_verifies_offline(stage: Stage) -> None:
    report = stage.record().sound()
    assert (report.damage, report.opened) == ((), ())
    assert leaves_of(log_of(stage.places.state, "bank"), range(1))[0]["v"] == 1
