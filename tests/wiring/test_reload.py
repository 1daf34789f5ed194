"""Changes of the configuration: whole or not at all, in force for the next call, without touching calls under way."""

from pathlib import Path

import anyio
import httpx2
import pytest

from tallystick.terms import TallyError
from tests.interaction.configuration import copy_configuration, http, write_server
from tests.interaction.stage import Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
ROUTE = "servers/desk"
CALL = ("echo", {"text": "reload"})


def _digest(stage: Stage) -> str:
    snapshot = stage.gateway.holder.current
    assert snapshot is not None
    return snapshot.digest


async def _changed(stage: Stage, name: str, text: str) -> None:
    """Replace a file and wait until another snapshot is in force."""
    before = _digest(stage)
    (stage.places.config / name).write_text(text)
    await until(lambda: _digest(stage) != before)


@requirement("reload:enforced")
async def test_a_changed_policy_decides_the_next_call_in_open_sessions_too(stage: Stage) -> None:
    policies = stage.places.config / "policies" / "bank.cedar"
    old = policies.read_text()
    async with stage.client(ROUTE, "2025-11-25") as client:
        assert (await client.call_tool(*CALL)).is_error is False
        await _changed(
            stage, "policies/bank.cedar", old + '@id("stop") forbid (principal, action in Action::"read", resource);\n'
        )
        denied = await stage.call(ROUTE, *CALL)
        assert reasons_of(denied) == ["policy_forbids"]
        assert "echo" not in [tool.name for tool in (await client.list_tools()).tools]
        await _changed(stage, "policies/bank.cedar", old)
        assert (await client.call_tool(*CALL)).is_error is False


@requirement("reload:refused")
@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("policies/bank.cedar", "permit (principal", "policies/bank.cedar"),
        ("policies/extra.cedar", '@id("x") permit (principal, action == Action::"desk/nosuch", resource);', "nosuch"),
        ("servers/desk.yaml", "tenant: nobodys\n", "servers/desk.yaml"),
        ("toolsets/desks.yaml", "tenant: nobodys\nmembers: [{server: desk}]\n", "toolsets/desks.yaml"),
        ("tenants/bank.yaml", "title: [\n", "tenants/bank.yaml"),
    ],
)
async def test_a_broken_change_is_refused_with_a_message_and_the_old_stays(
    stage: Stage, capsys: pytest.CaptureFixture[str], file: str, text: str, said: str
) -> None:
    before = _digest(stage)
    (stage.places.config / file).write_text(text)
    heard: list[str] = []

    def refused() -> bool:
        heard.append(capsys.readouterr().err)
        return "the changed configuration is refused, the old one stays in force" in "".join(heard)

    await until(refused)
    assert said in "".join(heard)
    assert _digest(stage) == before
    assert text_of(await stage.call(ROUTE, *CALL)) == "reload"


@requirement("reload:in-flight")
async def test_a_call_under_way_ends_as_it_was_decided(stage: Stage) -> None:
    journal, answers = stage.world.journal("desk"), list[httpx2.Response]()

    async def hold() -> None:
        answers.append(await stage.call(ROUTE, "hold", {"key": "reload"}))

    async with anyio.create_task_group() as group:
        group.start_soon(hold)
        await until(lambda: journal.entries("holding", key="reload"))
        releasing = '@id("only-release") permit (principal, action == Action::"desk/release", resource);\n'
        await _changed(stage, "policies/bank.cedar", releasing)
        await stage.call(ROUTE, "release", {"key": "reload"})
    assert text_of(answers[0]) == "released reload"


@requirement("reload:enforced")
async def test_a_server_that_is_added_and_taken_away_comes_and_goes(stage: Stage) -> None:
    assert reasons_of(await stage.call("servers/late", *CALL)) == ["route_unknown"]
    pin = (stage.places.config / "pins" / "desk.json").read_text().replace('"server": "desk"', '"server": "late"')
    (stage.places.config / "pins" / "late.json").write_text(pin)
    before = _digest(stage)
    rest = 'tools: {"*": {operation: read, risk: low}}\n'
    write_server(stage.places.config, "late", http(f"{stage.world.origin}/desk/mcp"), rest)
    await until(lambda: "servers/late" in stage.gateway.routes)
    assert text_of(await stage.call("servers/late", *CALL)) == "reload"
    assert _digest(stage) != before
    (stage.places.config / "servers" / "late.yaml").unlink()
    (stage.places.config / "pins" / "late.json").unlink()
    await until(lambda: "servers/late" not in stage.gateway.routes)
    assert reasons_of(await stage.call("servers/late", *CALL)) == ["route_unknown"]


@requirement("reload:start")
async def test_a_gateway_never_starts_on_a_broken_configuration(world: World, tmp_path: Path) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    (config / "policies" / "bank.cedar").write_text("permit (")
    with pytest.raises(TallyError, match=r"bank\.cedar"):
        async with open_stage(world, config, tmp_path / "state"):
            pytest.fail("it started")


@requirement("reload:tokens")
async def test_a_changed_issuer_voids_the_tokens_it_had_verified(stage: Stage) -> None:
    token = stage.token()
    assert text_of(await stage.call(ROUTE, *CALL, token=token)) == "reload"
    await _changed(stage, "issuers/test.yaml", "issuer: https://other.example\ntenant: bank\n")
    answer = await stage.call(ROUTE, *CALL, token=token)
    assert (answer.status_code, reasons_of(answer)) == (401, ["issuer_unknown"])


async def test_a_port_that_is_taken_is_named(world: World, tmp_path: Path) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    port = int(world.origin.rpartition(":")[2])
    (config / "tally.yaml").write_text(f"gateway: {{listen_port: {port}}}\n")
    with pytest.raises(TallyError, match=rf"cannot listen at 127\.0\.0\.1:{port}: Address already in use"):
        async with open_stage(world, config, tmp_path / "state"):
            pytest.fail("it started")
