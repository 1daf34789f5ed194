"""A control database that went back: to a backup, or to a copy that was behind when it took over."""

import sqlite3
from pathlib import Path

import pytest

from tests.interaction.configuration import copy_configuration
from tests.interaction.stage import Stage, open_stage, reasons_of, text_of
from tests.interaction.waiting import until
from tests.interaction.world import World
from tests.wiring.console.desk import ask, document, operator, step

pytestmark = pytest.mark.anyio
CALL = ("echo", {"text": "again"})


def copied(source: Path, to: Path) -> None:
    """Copy a database as a whole, over the one that is there."""
    taken, given = sqlite3.connect(source), sqlite3.connect(to)
    try:
        taken.backup(given)
    finally:
        taken.close()
        given.close()


async def test_a_running_gateway_enforces_what_a_restored_database_says_and_what_is_changed_in_it(
    world: World, tmp_path: Path
) -> None:
    config, state = copy_configuration(world.config, tmp_path / "config"), tmp_path / "state"
    async with open_stage(world, config, state) as stage:
        copied(state / "control.db", tmp_path / "backup.db")
        stop = '@id("stop") forbid (principal, action == Action::"desk/echo", resource);'
        await ask(operator(stage).put, document("Policy", "stop", {"cedar": stop}, ""))
        for number in range(3):
            await ask(operator(stage).put, document("Agent", f"a{number}", {"title": "A", "purpose": "a"}))
        await until(lambda: _has(stage, "stop"))
        assert reasons_of(await stage.call("servers/desk", *CALL)) == ["policy_forbids"]
        copied(tmp_path / "backup.db", state / "control.db")
        await until(lambda: not _has(stage, "stop"))
        assert text_of(await stage.call("servers/desk", *CALL)) == "again"
        # Its revision is one that the gateway has seen before, with another content.
        await ask(operator(stage).step, "Server", "desk", step("suspended", comment="it looks odd"))
        await until(lambda: "servers/desk" not in stage.gateway.routes)
        assert reasons_of(await stage.call("servers/desk", *CALL)) == ["route_unknown"]


def _has(stage: Stage, policy: str) -> bool:
    snapshot = stage.gateway.holder.current
    route = None if snapshot is None else snapshot.routes.get("servers/desk")
    return route is not None and policy in route.tools["echo"].part.policy_ids
