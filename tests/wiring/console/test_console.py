"""What is changed at the console is in force at the gateway, also after a restart, and never before it is on record."""

import json
import os
import signal
import stat
from pathlib import Path

import pytest

from tallystick.remote import RemoteError
from tallystick.wiring.worker import console_socket
from tests.interaction.configuration import copy_configuration
from tests.interaction.processes import children
from tests.interaction.stage import Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.wiring.console.desk import ask, document, is_writer, may, operator, person, server, step, take

pytestmark = pytest.mark.anyio
CALL = ("echo", {"text": "console"})
STOP = document(
    "Policy", "stop", {"cedar": '@id("stop") forbid (principal, action == Action::"desk/echo", resource);'}, ""
)


async def test_a_policy_that_is_put_decides_the_next_call_and_those_after_a_restart(
    world: World, tmp_path: Path
) -> None:
    config, state = copy_configuration(world.config, tmp_path / "config"), tmp_path / "state"
    async with open_stage(world, config, state) as first:
        assert text_of(await first.call("servers/desk", *CALL)) == "console"
        await ask(operator(first).put, STOP)
        await until(lambda: _in_force(first, "stop"))
        assert reasons_of(await first.call("servers/desk", *CALL)) == ["policy_forbids"]
    async with open_stage(world, config, state) as second:
        assert reasons_of(await second.call("servers/desk", *CALL)) == ["policy_forbids"]


def _in_force(stage: Stage, policy: str) -> bool:
    snapshot = stage.gateway.holder.current
    route = None if snapshot is None else snapshot.routes.get("servers/desk")
    return route is not None and policy in route.tools["echo"].part.policy_ids


async def test_a_suspended_server_is_gone_from_lists_and_calls(stage: Stage) -> None:
    await ask(operator(stage).step, "Server", "desk", step("suspended", comment="it looks odd"))
    await until(lambda: "servers/desk" not in stage.gateway.routes)
    assert reasons_of(await stage.call("servers/desk", *CALL)) == ["route_unknown"]
    listed = await stage.post("toolsets/desks", "tools/list")
    assert not [tool for tool in json.loads(listed.text)["result"]["tools"] if tool["name"].startswith("desk__")]


async def test_what_the_directory_owns_is_not_changed_over_the_console(stage: Stage) -> None:
    found = await ask(operator(stage).get, "Tenant", "bank")
    assert found.resource.metadata.owner == "directory"
    with pytest.raises(RemoteError) as refused:
        await ask(operator(stage).put, document("Tenant", "bank", {"title": "Ours"}, "bank"), found.etag)
    assert refused.value.reasons == ("owned_elsewhere",)


async def test_the_socket_is_for_this_user_alone(stage: Stage) -> None:
    socket = console_socket(stage.places.state)
    assert stat.S_IMODE(socket.stat().st_mode) & 0o077 == 0 or stat.S_IMODE(socket.parent.stat().st_mode) & 0o077 == 0
    assert (await ask(operator(stage).whoami)).kind == "operator"


async def test_a_token_is_good_on_one_side_only(stage: Stage) -> None:
    await ask(operator(stage).put, may("owner", "olga"))
    await until(lambda: _roles(stage) == {"owners"})
    assert (await ask(person(stage, "olga").whoami)).name == "olga"
    gateways = stage.token("olga")
    assert (
        await stage.http.get(f"{stage.console}/api/v1/whoami", headers={"authorization": f"Bearer {gateways}"})
    ).status_code == 401
    console = stage.token("olga", aud=stage.console)
    assert reasons_of(await stage.call("servers/desk", *CALL, token=console)) == ["audience_wrong"]


def _roles(stage: Stage) -> set[str]:
    snapshot = stage.gateway.holder.current
    return set() if snapshot is None else set(snapshot.registry.roles)


async def test_a_new_server_is_served_after_its_review_by_somebody_else(stage: Stage) -> None:
    await ask(operator(stage).put, may("developer", "dora"))
    await ask(operator(stage).put, may("reviewer", "rolf", "dora"))
    await ask(operator(stage).put, document("Role", "overseers", {"role": "reviewer", "people": ["rita"]}, ""))
    await until(lambda: _roles(stage) == {"developers", "reviewers", "overseers"})
    dora, rita, rolf = person(stage, "dora"), person(stage, "rita"), person(stage, "rolf")
    await ask(dora.put, document("Server", "fresh", server(f"{stage.world.origin}/desk/mcp")))
    await until(lambda: "fresh" in stage.gateway.upstreams)
    # Not dora: what nobody has approved is not started, nor reached inside, for who wrote it.
    seen = await ask(rita.scan, "fresh")
    await ask(take, dora, "fresh", step("in_review"))
    digest = seen.observed_digest
    assert digest is not None
    # Dora wrote it; and it reaches inside, beside another tenant, which is not for somebody of this one to let in.
    for somebody, gate in ((dora, "four_eyes"), (rolf, "inside")):
        with pytest.raises(RemoteError) as refused:
            await ask(take, somebody, "fresh", step("approved", comment="mine", definition=digest))
        assert refused.value.reasons == ("gate_unmet",)
        assert refused.value.problem is not None
        assert gate in refused.value.problem.unmet
    assert "servers/fresh" not in stage.gateway.routes
    await ask(take, rita, "fresh", step("approved", comment="looked at", definition=digest))
    await until(lambda: "servers/fresh" in stage.gateway.routes)
    assert text_of(await stage.call("servers/fresh", *CALL)) == "console"


async def test_nothing_changes_while_the_record_cannot_be_written(stage: Stage) -> None:
    writer = next(pid for pid in children(os.getpid()) if is_writer(pid, stage.places.state))
    os.kill(writer, signal.SIGKILL)
    await until(lambda: not stage.gateway.recording)
    with pytest.raises(RemoteError) as refused:
        await ask(operator(stage).put, STOP)
    assert refused.value.reasons == ("record_unwritable",)
    with pytest.raises(RemoteError, match="policy/stop"):
        await ask(operator(stage).get, "Policy", "stop")
