"""When a change counts as in force: not before the record has it, whatever numbers there were before."""

from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.api.http import Trouble
from tallystick.api.live import Live
from tallystick.control import Sqlite
from tallystick.control.model import Committed, Put
from tallystick.terms import Reason, TenantId
from tests.api.stage import LAB, Stage
from tests.control.stage import opened, tenant


@pytest.mark.anyio
async def test_after_a_restore_no_change_is_in_force_because_its_number_was(stage: Stage, tmp_path: Path) -> None:
    with opened(Sqlite(tmp_path / "control.db")) as control:
        live = Live(replace(stage.rooms(), control=control, recording=lambda: True, publish_s=0.05))
        # The database had come that far before an older copy of it was brought back.
        live.published.newest = 1000
        told = await live.commit([tenant()], LAB)
        assert isinstance(told, Trouble)
        assert told.refusal.reasons == (Reason.RECORD_UNWRITABLE,)
        control.recorded([row.number for row in control.outbox(10)])
        assert isinstance(await live.commit([tenant()], LAB), Committed)
        assert await live.published.reach(1, 5.0) == 1


def test_what_is_not_on_record_is_told_to_nobody_who_reads_the_changes(stage: Stage) -> None:
    stage.client().get("Tenant", "bank")
    after = stage.control.published()
    stage.record.is_away = True
    try:
        agent = Put("Agent", "unheard", TenantId("bank"), {"title": "Unheard", "purpose": "waits"})
        done = stage.control.commit([agent], LAB)
        assert isinstance(done, Committed)
        path = f"/api/v1/changes?after={after}"
        assert stage.send("GET", path, stage.token("auditor-of-bank")).json()["items"] == []
    finally:
        stage.record.is_away = False
    assert stage.control.wait(done.revision - 1, 20) >= done.revision
    told = stage.send("GET", path, stage.token("auditor-of-bank")).json()["items"]
    assert [change["name"] for change in told] == ["unheard"]
