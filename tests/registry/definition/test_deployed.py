"""What was deployed on a day, and what changed since, from leaves alone."""

import pytest

from tallystick.registry import definition
from tests.registry.definition.said import Json, pin, tool

deployed = definition.deployed


def _leaf(number: int, day: int, name: str, **fields: object) -> Json:
    at = f"2026-11-{day:02}T12:00:00.000000Z"
    return {"kind": "registry", "id": f"id-{number}", "ts": at, "object": name, "revision": number, **fields}


def _definitions(**digests: str) -> list[Json]:
    return [{"tool": name, "digest": digest} for name, digest in digests.items()]


LEAVES: list[Json] = [
    _leaf(1, 1, "server/risk", action="create", digest="sha256:a", state="draft", operator="ada"),
    _leaf(2, 2, "pin/risk", action="create", digest="sha256:b", definitions=_definitions(pay="p1", see="s1")),
    {"kind": "intent", "ts": "2026-11-02T12:00:00Z", "id": "x"},
    _leaf(3, 3, "server/risk", action="step", digest="sha256:a", state="approved", was="in_review", operator="eve"),
    _leaf(4, 5, "pin/risk", action="mark", digest="sha256:c", definitions=_definitions(pay="p1"), quarantined=["pay"]),
    _leaf(5, 6, "pin/risk", action="update", digest="sha256:d", definitions=_definitions(pay="p2"), why="reviewed"),
    _leaf(6, 7, "server/other", action="create", digest="sha256:e", state="approved"),
    _leaf(7, 8, "server/risk", action="delete"),
]


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        ("2026-10-31", {}),
        ("2026-11-01", {"server/risk": "draft"}),
        ("2026-11-03T11:59:59Z", {"pin/risk": "", "server/risk": "draft"}),
        ("2026-11-03", {"pin/risk": "", "server/risk": "approved"}),
        ("2026-11-07", {"pin/risk": "", "server/other": "approved", "server/risk": "approved"}),
        ("2026-11-30", {"pin/risk": "", "server/other": "approved"}),
    ],
)
def test_what_was_there_on_a_day_is_what_had_been_told_by_its_end(until: str, expected: dict[str, str]) -> None:
    assert {name: found.state for name, found in deployed.deployed(LEAVES, until).items()} == expected


def test_the_definitions_of_that_day_are_told_by_digest() -> None:
    assert deployed.deployed(LEAVES, "2026-11-04")["pin/risk"].tools == {"pay": "p1", "see": "s1"}
    held = deployed.deployed(LEAVES, "2026-11-05")["pin/risk"]
    assert (held.tools, held.quarantined) == ({"pay": "p1"}, ("pay",))
    assert deployed.deployed(LEAVES, "2026-11-06")["pin/risk"].quarantined == ()


def test_a_copy_of_a_leaf_counts_once_and_the_parts_of_a_pin_are_one_change() -> None:
    parts = [
        _leaf(9, 9, "pin/big", action="create", digest="sha256:f", definitions=_definitions(a="1"), part=1, parts=2),
        _leaf(9, 9, "pin/big", action="create", digest="sha256:f", definitions=_definitions(b="2"), part=2, parts=2)
        | {"id": "id-9b"},
    ]
    twice = [parts[0], parts[0], parts[1], parts[1]]
    (told,) = deployed.changes_since(twice, "2026-11-09")
    assert told.after is not None
    assert told.after.tools == {"a": "1", "b": "2"}


def test_changes_since_a_day_tell_who_did_what_to_a_server_and_its_pin() -> None:
    told = deployed.changes_since(LEAVES, "2026-11-03", "risk")
    assert [(change.name, change.action, change.by, change.why) for change in told] == [
        ("server/risk", "step", "eve", ""),
        ("pin/risk", "mark", "", ""),
        ("pin/risk", "update", "", "reviewed"),
        ("server/risk", "delete", "", ""),
    ]
    assert told[0].before is not None
    assert told[0].before.state == "draft"
    assert told[-1].after is None


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="isoformat"):
        deployed.deployed(LEAVES, "yesterday")


def test_the_text_of_a_change_counts_only_if_it_fits_the_record() -> None:
    before, after = pin(tool()), pin(tool(description="Pays two bills."))

    def digests(document: Json) -> list[Json]:
        known = definition.of_document(document).newest.tools or {}
        return [{"tool": name, "digest": item.digest} for name, item in known.items()]

    leaves = [
        _leaf(1, 1, "pin/bank", action="create", digest="a", definitions=digests(before)),
        _leaf(2, 2, "pin/bank", action="update", digest="b", definitions=digests(after)),
    ]
    told = deployed.changes_since(leaves, "2026-11-02")[0]
    found = deployed.explain(told, before, after)
    assert isinstance(found, tuple)
    assert [finding.code for finding in found] == ["description_changed"]
    forged = deployed.explain(told, before, pin(tool(description="Pays three bills.")))
    assert forged == "the definitions after revision 2 are not those that the record tells of"
