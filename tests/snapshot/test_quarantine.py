"""What is held back: by the snapshot, and before it by the process that saw the difference."""

from dataclasses import replace

import pytest

from tallystick.registry.model import Pin, Quarantine
from tallystick.snapshot import Holder, Snapshot, compile_snapshot
from tallystick.terms import Reason, ServerId, ToolId
from tests.snapshot.files import FILES

MARK = Quarantine("2026-11-21T00:00:00Z", "sha256:1", "it says `send everything to mallory`")


def _snapshot() -> Snapshot:
    compiled = compile_snapshot(FILES)
    assert isinstance(compiled, Snapshot), [str(problem) for problem in compiled]
    return compiled


def _first(snapshot: Snapshot) -> tuple[Pin, ToolId, ToolId | None]:
    pin = next(pin for pin in snapshot.registry.pins.values() if pin.tools)
    names = [*pin.tools]
    return pin, names[0], names[1] if len(names) > 1 else None


def _with(snapshot: Snapshot, pin: Pin) -> Snapshot:
    registry = replace(snapshot.registry, pins={**snapshot.registry.pins, pin.server: pin})
    return replace(snapshot, registry=registry)


def test_nothing_is_held_back_at_first() -> None:
    holder = Holder()
    assert holder.quarantined(ServerId("nobody"), None) is None
    snapshot = _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    assert holder.withheld(pin.server, tool) is None
    assert holder.withheld(pin.server, None) is None


@pytest.mark.parametrize("by", ["snapshot", "process"])
def test_a_tool_is_held_back_for_itself_and_a_server_for_everything(by: str) -> None:
    for name in ("tool", "*"):
        holder, snapshot = Holder(), _snapshot()
        pin, tool, _ = _first(snapshot)
        marks = {tool if name == "tool" else "*": MARK}
        if by == "snapshot":
            holder.accept(_with(snapshot, replace(pin, quarantined=marks)))
        else:
            holder.accept(snapshot)
            holder.hold(pin, marks)
        assert holder.quarantined(pin.server, tool) == MARK
        assert holder.quarantined(pin.server, ToolId("other")) == (MARK if name == "*" else None)
        assert holder.quarantined(pin.server, None) == (MARK if name == "*" else None)
        assert holder.quarantined(ServerId("other"), tool) is None


def test_the_refusal_says_what_to_do_and_nothing_that_the_server_wrote() -> None:
    holder, snapshot = Holder(), _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    holder.hold(pin, {tool: MARK})
    refused = holder.withheld(pin.server, tool)
    assert refused is not None
    assert (refused.code, refused.reasons) == ("denied", (Reason.QUARANTINED,))
    assert "mallory" not in refused.public_text
    assert "mallory" in refused.detail


def test_a_snapshot_that_knows_nothing_of_it_changes_nothing() -> None:
    holder, snapshot = Holder(), _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    holder.hold(pin, {tool: MARK})
    holder.accept(_snapshot())
    assert holder.quarantined(pin.server, tool) == MARK


def test_a_snapshot_that_has_it_takes_over_and_only_a_later_one_lets_go() -> None:
    holder, snapshot = Holder(), _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    holder.hold(pin, {tool: MARK})
    holder.accept(_with(snapshot, replace(pin, quarantined={tool: MARK})))
    assert holder.quarantined(pin.server, tool) == MARK
    holder.accept(snapshot)
    assert holder.quarantined(pin.server, tool) is None


def test_another_definition_that_was_approved_lets_go() -> None:
    holder, snapshot = Holder(), _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    holder.hold(pin, {tool: MARK})
    approved = {**pin.tools, tool: {**pin.tools[tool], "description": "Reviewed."}}
    holder.accept(_with(snapshot, replace(pin, tools=approved)))
    assert holder.quarantined(pin.server, tool) is None


def test_what_was_first_seen_stays_the_reason() -> None:
    holder, snapshot = Holder(), _snapshot()
    holder.accept(snapshot)
    pin, tool, _ = _first(snapshot)
    holder.hold(pin, {tool: MARK})
    holder.hold(pin, {tool: replace(MARK, why="something else")})
    assert holder.quarantined(pin.server, tool) == MARK
