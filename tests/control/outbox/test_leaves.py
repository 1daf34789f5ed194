"""Leaves of changes: what they say, in whose log, and that the published schema knows every field."""

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest

from tallystick.audit.leaf.event import known_fields
from tallystick.control import Control
from tallystick.control.change import Candidate, Moment
from tallystick.control.entries import Unrecorded
from tallystick.control.model import Actor, Changed, Key, Mark, Put, Remove, Resource, Step
from tallystick.control.outbox.leaves import Occasion, leaves
from tallystick.terms import TenantId
from tests.control.stage import ADA, RETAIL, done, pin, policy, server, tenant, toolset

CALLER = {
    "actors": [],
    "client": "console",
    "groups": ["risk"],
    "issuer": "https://i",
    "kind": "person",
    "subject": "ada",
}


def fields_of(row: Unrecorded) -> Mapping[str, object]:
    found: dict[str, object] = json.loads(row.leaf)
    assert found.keys() <= known_fields(row.topic)
    assert len(row.leaf) <= 8192
    assert (found["id"], found["tenant"], found["kind"]) == (row.id, row.tenant, row.topic)
    return found


def told(control: Control) -> list[Mapping[str, object]]:
    """The leaves since the last time."""
    rows = control.outbox(1000)
    control.recorded([row.number for row in rows])
    return [fields_of(row) for row in rows]


def test_a_leaf_names_the_resource_its_document_and_who_changed_it(control: Control) -> None:
    done(control, tenant())
    told(control)
    done(control, server(), actor=Actor("ada@bank", caller=CALLER), why="a new desk")
    (first,) = told(control)
    digest = "sha256:" + control.documents()["servers/risk.yaml"].digest
    assert (first["object"], first["action"], first["digest"], first["state"]) == (
        "server/risk",
        "create",
        digest,
        "approved",
    )
    assert (first["caller"], first["why"], first["revision"]) == (CALLER, "a new desk", 2)
    assert first.keys().isdisjoint({"before", "was", "operator"})
    done(control, Step(Key("Server", "risk"), "suspended", "an incident"))
    (second,) = told(control)
    assert (second["before"], second["was"], second["state"]) == (digest, "approved", "suspended")
    assert (second["action"], second["comment"], second["operator"]) == ("step", "an incident", "ada")
    assert second["digest"] == "sha256:" + control.documents()["servers/risk.yaml"].digest != digest
    done(control, Remove(Key("Server", "risk"), owner="directory"))
    (third,) = told(control)
    assert (third["action"], third["before"], "digest" in third) == ("delete", second["digest"], False)


def test_every_resource_of_a_commit_has_a_leaf_with_its_revision(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"), toolset("desk", "risk"))
    assert [(leaf["kind"], leaf["object"], leaf["revision"]) for leaf in told(control)] == [
        ("admin", "tenant/retail", 1),
        ("registry", "server/risk", 1),
        ("registry", "pin/risk", 1),
        ("registry", "toolset/desk", 1),
    ]


def test_a_pin_tells_the_definition_of_each_tool_in_as_many_leaves_as_it_takes(control: Control) -> None:
    tools = [f"tool-{number}" for number in range(300)] + [f"{number}" + "\U0001f4b6" * 120 for number in range(20)]
    done(control, tenant(), server(), pin("risk", *tools))
    parts = told(control)[2:]
    assert len(parts) > 1
    assert [(part["part"], part["parts"]) for part in parts] == [(n, len(parts)) for n in range(1, len(parts) + 1)]
    listed: list[Mapping[str, str]] = []
    for part in parts:
        definitions = part["definitions"]
        assert isinstance(definitions, list)
        listed += definitions
    assert [each["tool"] for each in listed] == tools
    assert {each["digest"][:7] for each in listed} == {"sha256:"}


def test_a_quarantine_is_told_as_a_mark(control: Control) -> None:
    done(control, tenant(), server(), pin("risk", "pay"))
    told(control)
    why = {"since": "2026-11-21T10:00:00Z", "digest": "sha256:" + "1" * 64, "why": "changed"}
    done(control, Mark(Key("Pin", "risk"), {"quarantined": {"pay": why}}))
    (leaf,) = told(control)
    assert (leaf["action"], leaf["quarantined"], leaf["digest"] == leaf["before"]) == ("mark", ["pay"], False)


def test_what_is_of_the_whole_installation_is_told_by_the_platform(control: Control) -> None:
    done(control, tenant(), tenant("trade"))
    told(control)
    done(control, Put("Role", "owners", TenantId(""), {"role": "owner", "people": ["ada"]}))
    (leaf,) = told(control)
    assert (leaf["tenant"], leaf["kind"], leaf["action"], leaf["result"]) == ("platform", "admin", "create", "success")


def test_a_policy_is_told_to_everybody_whom_it_binds(control: Control) -> None:
    done(control, policy())
    assert [leaf["tenant"] for leaf in told(control)] == ["platform"]
    done(control, tenant(), tenant("trade"), Remove(Key("Policy", "all")))
    leaves = [leaf for leaf in told(control) if leaf["kind"] == "policy"]
    assert [leaf["tenant"] for leaf in leaves] == ["retail", "trade"]
    assert len({leaf["id"] for leaf in leaves}) == 2


def test_what_moves_to_another_tenant_is_told_to_both(control: Control) -> None:
    done(control, tenant(), tenant("trade"), server())
    told(control)
    done(control, replace(server(), tenant=TenantId("trade")))
    assert [leaf["tenant"] for leaf in told(control)] == ["retail", "trade"]


@pytest.mark.parametrize("text", ["w" * 100_000, "\x00" * 9_000, "\ud800", '"\\' * 5_000])
def test_no_text_of_anybody_makes_a_leaf_too_long(control: Control, text: str) -> None:
    done(control, tenant(), server(), why=text)
    done(control, Step(Key("Server", "risk"), "suspended", text), actor=Actor("x", operator=text), why=text)
    assert len(told(control)) == 3


def test_the_value_of_a_secret_is_in_no_leaf(control: Control) -> None:
    done(control, tenant(), Put("Secret", "s", RETAIL, {"value": "canary-value"}), actor=ADA)
    assert "canary-value" not in str(told(control))


def test_every_definition_that_was_approved_is_on_record_whoever_approves_it() -> None:
    tools = [{"name": f"tool_number_{number:03d}", "inputSchema": {"type": "object"}} for number in range(120)]
    pinned: dict[str, object] = {"pinned_at": "2026-01-01T00:00:00Z", "eras": {}, "tools": tools}
    pin = Resource("Pin", "risk", TenantId("retail"), pinned, {}, "", "approved", 1, 1, "", "", {})
    groups = [f"CN=group-{number:04d},OU={'department' * 8},DC=bank,DC=example" for number in range(200)]
    caller = {"actors": [], "client": "tally", "groups": groups, "issuer": "https://id", "kind": "person"}
    actor = Actor("ada", "", {**caller, "subject": "ada"})
    at = Occasion(Moment(1, "2026-01-01T00:00:00Z", 1e9), actor, "w" * 1024, frozenset(), lambda: "0" * 26)
    told = [*leaves(Candidate({pin.key: pin}, (Changed(pin.key, None, pin),), (), {}), at)]
    found = [entry["tool"] for one in told for entry in json.loads(one.leaf)["definitions"]]
    assert found == [tool["name"] for tool in tools]
