"""What must never be where: the caller's token at a server, arguments and results in the record."""

from contextlib import suppress

import pytest
from mcp import Client, MCPError

from tallystick import audit
from tallystick.audit.log.files import read_commitment_key
from tests.interaction.record import leaves_of, log_of
from tests.interaction.stage import Json, Stage
from tests.interaction.ways import Way, every_way, every_way_at_once
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
@every_way_at_once
async def test_no_argument_and_no_result_is_in_the_record(stage: Stage, ways: list[Way]) -> None:
    canary = f"canary-{ways[0].era}"
    record = stage.record()
    start = await record.mark()
    for way in ways:
        async with stage.client(way.route, way.era) as client:
            await _spread(client, way.prefix, canary)
        assert canary in stage.world.journal(way.server).text()
    leaves = await record.since(start)
    assert len(leaves) >= 9 * len(ways)
    assert not [leaf for leaf in leaves if canary in str(leaf)]
    files = [file.read_bytes() for file in log_of(stage.places.state, "bank").rglob("*") if file.is_file()]
    assert not any(canary.encode() in content for content in files)


async def _spread(client: Client, prefix: str, canary: str) -> None:
    """Call tools so that a text goes in and out in every way in which a call can end."""
    await client.call_tool(f"{prefix}echo", {"text": canary})
    await client.call_tool(f"{prefix}fail", {"text": canary})
    arguments: Json = {"account": canary, "amount": 1000, "text": canary, "length": 0}
    for tool in ("refuse", "transfer", "wipe", "no_such_tool"):
        with pytest.raises(MCPError):
            await client.call_tool(f"{prefix}{tool}", arguments)
    # Some eras tell arguments that do not fit as a failed tool, some as an error.
    with suppress(MCPError):
        assert (await client.call_tool(f"{prefix}echo", {"text": [canary]})).is_error


@requirement("secrets:arguments:only-commitments")
async def test_a_commitment_of_a_leaf_can_be_checked_with_the_key_and_only_against_the_arguments(stage: Stage) -> None:
    record, key = stage.record(), read_commitment_key(stage.places.state)
    start = await record.mark()
    await stage.call("servers/desk", "echo", {"text": "committed"})
    intent = (await record.since(start))[0]
    right, wrong = (
        audit.leaf.commit(key, str(intent["id"]), "args", b'{"text":"%s"}' % text) for text in (b"committed", b"other")
    )
    assert intent["args_c"] == right
    assert intent["args_c"] != wrong


@requirement("record:verifies")
async def test_the_whole_record_of_these_tests_verifies_offline(stage: Stage) -> None:
    report = stage.record().sound()
    assert (report.damage, report.opened) == ((), ())
    assert leaves_of(log_of(stage.places.state, "bank"), range(1))[0]["v"] == 1
