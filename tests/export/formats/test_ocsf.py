"""Every leaf becomes one valid OCSF event, or there is a reason why not."""

import json
import re
from hashlib import sha256

import jsonschema_rs
import pytest

from tallystick.audit.leaf.kinds import KINDS
from tallystick.audit.leaf.schema import leaf_schema
from tallystick.export.formats import Entry, Masking, Skipped, event
from tallystick.export.formats.leaf import Part, at, is_list, is_object
from tallystick.export.formats.parts import milliseconds
from tests.audit import sample
from tests.export.formats import samples
from tests.export.formats.published import ocsf_faults
from tests.export.formats.samples import ENTRIES, INTENT, LEAVES, ORIGIN, event_of


def test_the_samples_are_leaves_of_the_published_schema_and_show_every_kind() -> None:
    schema = jsonschema_rs.validator_for(leaf_schema())
    for leaf, about in LEAVES.values():
        schema.validate(json.loads(leaf))
        if about is not None:
            schema.validate(json.loads(about))
    assert {json.loads(leaf)["kind"] for leaf, _ in LEAVES.values()} == KINDS.keys() - {"intent"}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_event_is_valid_against_its_class(name: str) -> None:
    assert ocsf_faults(event_of(ENTRIES[name])) == []


def test_the_checker_finds_what_is_wrong() -> None:
    good = event_of(ENTRIES["outcome"])
    assert "$.actor: required" in ocsf_faults({name: good[name] for name in good if name != "actor"})
    assert ocsf_faults({**good, "forged": 1}) == ["$.forged: no such attribute"]
    assert ocsf_faults({**good, "action_id": 17})
    assert ocsf_faults({**good, "severity_id": "1"})
    assert ocsf_faults({**good, "actor": {}})
    assert ocsf_faults({**good, "type_uid": 600301})
    assert ocsf_faults({**good, "count": True})


def test_an_intent_has_no_event_of_its_own_and_the_reason_is_told() -> None:
    skipped = event(Entry(ORIGIN, 41, INTENT))
    assert isinstance(skipped, Skipped)
    assert not skipped.poison
    assert "outcome" in skipped.why


@pytest.mark.parametrize("leaf", [b"", b"[]", b"{", b'{"kind":"novel"}', b"\xff", b"{}", b"[" * 100_000, b'"x"', b"1"])
def test_bytes_that_are_no_leaf_are_poison_and_never_dropped_in_silence(leaf: bytes) -> None:
    skipped = event(Entry(ORIGIN, 1, leaf))
    assert isinstance(skipped, Skipped)
    assert skipped.poison


def test_an_outcome_tells_what_its_intent_told() -> None:
    found = event_of(ENTRIES["outcome"])
    assert at(found, "actor.user.uid") == "ada@bank.example"
    assert at(found, "actor.app_uid") == "spiffe://bank.example/agents/clerk"
    assert at(found, "resources.0.uid") == "mcp://core/tools/get_account"
    assert at(found, "policy.uid") == "tellers-read"
    assert at(found, "trace.uid") == "0af7651916cd43dd8448eb211c80319c"
    assert (found["status_code"], found["duration"], found["action"]) == ("success", 12, "Allowed")
    assert at(found, "metadata.correlation_uid") == samples.CALL
    assert at(found, "metadata.event_code") == "outcome"


def test_leaves_as_the_gateway_writes_them_become_valid_events() -> None:
    for entry in (Entry(ORIGIN, 1, sample.outcome(1, 0), sample.intent(1)), Entry(ORIGIN, 2, sample.denial(2))):
        found = event_of(entry)
        assert ocsf_faults(found) == []
        assert at(found, "resources.0.name") == "accounts.list"
    found = event_of(Entry(ORIGIN, 1, sample.outcome(1, 0), sample.intent(1)))
    assert at(found, "actor.user.uid") == sample.CALLER.subject
    assert at(found, "actor.app_uid") == sample.CALLER.actors[0]


def test_an_outcome_never_takes_over_the_caller_of_another_call() -> None:
    entry = ENTRIES["outcome"]
    other = INTENT.replace(samples.CALL.encode(), samples.OTHER.encode())
    found = event_of(Entry(entry.origin, entry.index, entry.leaf, other))
    assert at(found, "actor") == {"app_name": "unknown"}
    assert '"ada' not in json.dumps(found)


def test_the_id_of_an_event_is_that_of_its_place_in_the_log_and_nothing_else() -> None:
    ids = {at(event_of(entry), "metadata.uid") for entry in ENTRIES.values()}
    assert len(ids) == len(ENTRIES)
    first = ENTRIES["outcome"]
    again = Entry(first.origin, first.index, ENTRIES["denial"].leaf)
    elsewhere = Entry("audit.bank.example/bank/2027", first.index, first.leaf)
    assert at(event_of(again), "metadata.uid") == at(event_of(first), "metadata.uid")
    assert at(event_of(elsewhere), "metadata.uid") != at(event_of(first), "metadata.uid")


def test_an_event_names_the_leaf_that_proves_it() -> None:
    entry = ENTRIES["outcome"]
    hashed = sha256(b"\0" + entry.leaf).hexdigest()
    assert at(event_of(entry), "unmapped.tlog") == {"origin": ORIGIN, "index": entry.index, "leaf_hash": hashed}


def test_no_event_carries_a_commitment() -> None:
    for name in ("outcome", "denial", "in_doubt", "approval"):
        leaf = json.loads(ENTRIES[name].leaf) | {"args_c": "5e" * 32, "result_c": "5e" * 32}
        assert "5e5e" not in json.dumps(event(Entry(ORIGIN, 1, json.dumps(leaf).encode())))
    assert '"c"' not in json.dumps(event_of(ENTRIES["outcome"]))


@pytest.mark.parametrize(
    ("operation", "activity"), [("read", 2), ("write", 3), ("delete", 4), ("execute", 99), ("", 99)]
)
def test_the_activity_is_the_operation_of_the_tool(operation: str, activity: int) -> None:
    leaf = json.loads(samples.denial()) | {"operation": operation}
    assert event_of(Entry(ORIGIN, 1, json.dumps(leaf).encode()))["activity_id"] == activity


def test_a_method_that_only_reads_is_a_read_whatever_else_is_said() -> None:
    assert event_of(ENTRIES["outcome_inside"])["activity_id"] == 2


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("heartbeat_gap", "The record was silent"),
        ("heartbeat_step", "The clock was set"),
        ("in_doubt", "A call whose end nobody knows"),
        ("breakglass", "A control is gone around in an emergency"),
    ],
)
def test_what_somebody_has_to_look_at_is_a_finding(name: str, title: str) -> None:
    found = event_of(ENTRIES[name])
    assert (found["class_uid"], found["is_alert"], at(found, "finding_info.title")) == (2004, True, title)


def test_no_gap_is_found_after_a_proper_stop_or_without_the_heartbeat_before() -> None:
    early = "2026-11-20T08:00:00.000000Z"
    for about in (samples.heartbeat({"stop": True}, early), None, INTENT):
        assert event_of(Entry(ORIGIN, 1, samples.heartbeat(), about))["class_uid"] == 6002


def test_an_approval_by_the_one_who_asked_is_told() -> None:
    for name, approver in (("approval_by_requester", "requester"), ("approval", "other"), ("approval_alone", None)):
        assert at(event_of(ENTRIES[name]), "unmapped.tally.approver") == approver


LEFT_OUT = {
    "args_c": "a commitment means nothing without the record",
    "result_c": "a commitment means nothing without the record",
    "ranges": "places in the record: whoever needs them has the record",
}
"""Fields that are in no event, each with its reason."""
TOLD_OTHERWISE = {"context": '"reason:hook"', "elapsed_us": '"duration": 7'}
"""Fields that an event words in its own way."""


def _marked(schema: object, mark: int) -> object:
    """A value that fits the schema of a field, and that can be found again."""
    assert is_object(schema)
    if is_list(choices := schema.get("enum")):
        return choices[-1]
    if is_list(choices := schema.get("anyOf")):
        return _marked(choices[0], mark)
    match schema.get("type"):
        case "integer" | ["integer", "null"]:
            return mark * 1001
        case "array":
            return [_marked(schema["items"], mark)]
        case "object":
            properties = schema["properties"]
            assert is_object(properties)
            return {name: _marked(inner, mark) for name, inner in properties.items()}
        case "string":
            is_time = "T[0-9]{2}" in str(schema.get("pattern"))
            return f"2033-05-18T03:{mark % 60:02d}:20.000000Z" if is_time else f"mark{mark}z"
        case _:
            return True


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"intent"}))
def test_every_field_of_a_leaf_is_told_or_left_out_for_a_reason(kind: str) -> None:
    fields = {
        name: _marked(field.schema, 7000 + place) for place, (name, field) in enumerate(KINDS[kind].fields.items())
    }
    told = json.dumps(event_of(Entry(ORIGIN, 1, samples.leaf(kind, fields)))).lower()
    for name, value in fields.items():
        marks = (
            [TOLD_OTHERWISE[name]]
            if name in TOLD_OTHERWISE
            else [str(value)]
            if isinstance(value, str)
            else re.findall(r"mark\d+z|\d{7}|true", json.dumps(value))
        )
        seen = any(mark.lower() in told or f": {milliseconds(mark) or None}" in told for mark in marks)
        assert seen != (name in LEFT_OUT), name


MASKED: dict[Part, tuple[str, str]] = {
    "person": ("outcome", "ada@bank.example"),
    "groups": ("outcome", "tellers"),
    "session": ("outcome", "s-77"),
    "words": ("export", "complaint 12"),
}


@pytest.mark.parametrize("part", MASKED)
def test_what_policy_masks_leaves_under_a_pseudonym_and_never_in_clear(part: Part) -> None:
    name, clear = MASKED[part]
    masking = Masking(frozenset({part}), b"k" * 32)
    found = event_of(ENTRIES[name], masking)
    assert f'"{clear}"' in json.dumps(event_of(ENTRIES[name]))
    assert f'"{clear}"' not in json.dumps(found)
    assert masking(part, clear) in json.dumps(found)
    assert ocsf_faults(found) == []


def test_with_everything_masked_no_sample_names_a_person() -> None:
    masking = Masking(frozenset(MASKED), b"k" * 32)
    for entry in ENTRIES.values():
        told = json.dumps(event_of(entry, masking))
        for clear in (
            '"ada',
            "eve@",
            'tellers"',
            "london",
            "s-77",
            '"uid": "root"',
            "complaint",
            "litigation",
            "payments are",
        ):
            assert clear not in told


def test_a_pseudonym_is_the_same_each_time_and_another_under_another_key() -> None:
    first, second = (Masking(frozenset({"person"}), key) for key in (b"a" * 32, b"b" * 32))
    assert first("person", "ada") == first("person", "ada") != second("person", "ada")
    assert first("groups", "ada") == "ada"
