"""The argument for a reason is added to what is listed, not to what is judged, nor in the place of a tool's own."""

import json
from collections.abc import Mapping

import jsonschema_rs
import msgspec
import pytest

from tallystick.snapshot import LONGEST_REASON, Snapshot, compile_snapshot, fits_reason
from tallystick.snapshot.reason import with_reason
from tests.snapshot.files import FILES

Json = dict[str, object]
_OBLIGED = b"""
@id("pay-explained") @obligation("reason")
permit (principal in Group::"nobody-here", action == Action::"bank/pay", resource);
"""


def _schema(definition: Mapping[str, object]) -> Json:
    return msgspec.convert(definition["inputSchema"], Json)


def _with(schema: Json) -> tuple[Json, str]:
    definition, name = with_reason({"name": "pay", "description": "pays", "inputSchema": schema})
    assert (definition["name"], definition["description"]) == ("pay", "pays")
    return _schema(definition), name


def test_a_tool_gets_one_more_required_argument_and_stays_what_it_is_otherwise() -> None:
    own: Json = {
        "type": "object",
        "properties": {"amount": {"type": "integer"}},
        "required": ["amount"],
        "additionalProperties": False,
        "maxProperties": 1,
    }
    before = json.dumps(own)
    schema, name = _with(own)
    assert name == "reason"
    assert jsonschema_rs.is_valid(schema, {"amount": 1, "reason": "because"})
    for wrong in ({"amount": 1}, {"amount": 1, "reason": ""}, {"amount": 1, "reason": 7}, {"reason": "x"}):
        assert not jsonschema_rs.is_valid(schema, wrong)
    assert json.dumps(own) == before, "the pinned definition is not touched"


_TAKEN: list[tuple[Json, str]] = [
    ({}, "reason"),
    ({"type": "object"}, "reason"),
    ({"properties": {"reasons": {}}}, "reason"),
    ({"properties": {"reason": {"type": "string"}}}, "tallystick_reason"),
    ({"allOf": [{"properties": {"reason": {}}}]}, "tallystick_reason"),
    ({"properties": {"reason": {}, "tallystick_reason": {}}}, "tallystick_reason_"),
    ({"properties": {"kind": {"enum": ["reason"]}}}, "reason"),
]


@pytest.mark.parametrize(("schema", "name"), _TAKEN)
def test_the_argument_never_takes_the_place_of_a_tools_own(schema: Json, name: str) -> None:
    changed, given = _with(schema)
    assert given == name
    assert msgspec.convert(changed["required"], list[str])[-1] == name
    assert (
        msgspec.convert(changed["properties"], Json).items()
        >= msgspec.convert(schema.get("properties", {}), Json).items()
    )


@pytest.mark.parametrize("reason", ["x", "é" * LONGEST_REASON, " ", "\n"])
def test_what_is_taken_is_what_the_list_says(reason: object) -> None:
    schema, name = _with({})
    assert fits_reason(reason)
    assert jsonschema_rs.is_valid(schema, {name: reason})


@pytest.mark.parametrize("reason", ["", "x" * (LONGEST_REASON + 1), None, 7, ["x"], True])
def test_what_is_not_taken_is_what_the_list_says(reason: object) -> None:
    schema, name = _with({})
    assert not fits_reason(reason)
    assert not jsonschema_rs.is_valid(schema, {name: reason})


def _compiled(files: Mapping[str, bytes]) -> Snapshot:
    snapshot = compile_snapshot(files)
    assert isinstance(snapshot, Snapshot), [str(problem) for problem in snapshot]
    return snapshot


def test_every_route_to_a_tool_lists_the_argument_and_no_other_tool_does() -> None:
    plain, obliged = _compiled(FILES), _compiled({**FILES, "policies/explained.cedar": _OBLIGED})
    for key, route in obliged.routes.items():
        for name, tool in route.tools.items():
            before = plain.routes[key].tools[name]
            is_obliged = tool.tool.id == "pay"
            assert tool.reason == ("reason" if is_obliged else None)
            assert ("reason" in msgspec.convert(_schema(tool.definition).get("properties", {}), Json)) == is_obliged
            assert (tool.tool.digest, tool.tool.definition) == (before.tool.digest, before.tool.definition)
            if not is_obliged:
                assert tool.definition == before.definition
