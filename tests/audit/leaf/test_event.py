"""Every kind of leaf: what it may hold, how it is cut, and the schema that is published."""

import json
from pathlib import Path

import jsonschema_rs
import pytest

from tallystick.audit import Denial, Intent, Outcome
from tallystick.audit.leaf.call import SIZE_LIMIT, call_id, canonical, configured, in_doubt, opening
from tallystick.audit.leaf.event import event, known_fields
from tallystick.audit.leaf.kinds import KINDS
from tallystick.audit.leaf.schema import leaf_schema
from tallystick.audit.model import Event, EventKind
from tallystick.terms import TenantId
from tests.audit.sample import BANK, CALLER, denial, intent, outcome

SCHEMA = jsonschema_rs.validator_for(leaf_schema())
ID = call_id(1_790_000_000.5, bytes(10))
DIGEST, HEX, TIME = "sha256:" + "ab" * 32, "cd" * 32, "2026-11-21T10:00:00.000000Z"
EVENTS: dict[EventKind, dict[str, object]] = {
    "admin": {"operator": "root", "action": "suspend", "object": "server/time", "result": "success"},
    "approval": {"operator": "root", "call": ID, "effect": "granted", "server": "pay", "tool": "wire", "args_c": HEX},
    "breakglass": {"operator": "root", "why": "outage", "scope": "server/pay", "until": TIME},
    "config": {"snapshot": DIGEST},
    "erasure": {
        "action": "erase",
        "basis": "GDPR Art. 17(1)",
        "classes": ["standard"],
        "keys": 1,
        "payloads": 7,
        "subject": HEX,
        "ranges": [{"year": 2026, "first": 3, "last": 9}],
        "holds_checked": 0,
    },
    "export": {"purpose": "payload", "why": "case 12", "records": 1, "call": ID, "field": "args", "digest": DIGEST},
    "heartbeat": {"every_s": 60, "size": 12, "opened": 0, "start": True, "step_ms": -3_600_000},
    "hold": {"hold": "case-12", "action": "placed", "matter": "litigation", "subject": HEX, "since": TIME},
    "key": {"purpose": "checkpoint", "action": "introduced", "keys": ["x+0+y" * 400], "operator": "root"},
    "login": {"result": "failure", "issuer": "https://i", "client": "vscode", "reasons": ["denied"]},
    "policy": {"bundle": DIGEST, "previous": None, "snapshot": DIGEST},
    "registry": {"snapshot": DIGEST, "added": ["time", "time/now"], "changed": [], "removed": []},
    "token": {
        "result": "success",
        "grant": "authorization_code",
        "issuer": "https://i",
        "client": "vscode",
        "subject": "ana",
        "audience": ["https://t/servers/time/mcp"],
        "expires": TIME,
    },
}


def _leaf(kind: EventKind, **more: object) -> bytes:
    return event(Event(kind, ID, 1_790_000_000.5, BANK, {**EVENTS[kind], **more}))


def _errors(leaf: bytes) -> list[str]:
    return [error.message for error in SCHEMA.iter_errors(json.loads(leaf))]


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_of_every_kind_is_canonical_and_fits_the_published_schema(kind: EventKind) -> None:
    leaf = _leaf(kind)
    assert canonical(json.loads(leaf)) == leaf
    assert _errors(leaf) == []


def test_the_leaves_of_calls_and_of_the_log_itself_fit_the_published_schema() -> None:
    tenant = TenantId("bank")
    leaves = [
        intent(1),
        outcome(1, 0),
        denial(2),
        in_doubt(ID, tenant, 4, 1.5),
        opening(tenant, ("bank.example/bank/2025", 5, HEX), 1.5),
        configured(tenant, DIGEST, None, 1.5),
        configured(tenant, DIGEST, DIGEST, 1.5),
    ]
    assert [_errors(leaf) for leaf in leaves] == [[]] * len(leaves)


def test_every_kind_is_tried_here() -> None:
    assert {*EVENTS, "intent", "outcome", "denial", "in_doubt", "open"} == set(KINDS)
    assert {record.__name__.lower() for record in (Intent, Outcome, Denial)} <= set(KINDS)


def test_a_leaf_with_a_field_of_another_kind_does_not_fit_the_schema() -> None:
    fields = json.loads(_leaf("hold"))
    assert SCHEMA.is_valid({**fields})
    assert not SCHEMA.is_valid({**fields, "prompt": "in clear"})
    assert not SCHEMA.is_valid({name: value for name, value in fields.items() if name != "matter"})


def test_an_event_with_an_unknown_or_a_missing_field_is_no_leaf() -> None:
    with pytest.raises(ValueError, match="colour"):
        _leaf("admin", colour="red")
    with pytest.raises(ValueError, match="action"):
        event(Event("admin", ID, 1.5, BANK, {"object": "server/time", "result": "success"}))


def test_whatever_is_told_to_an_event_the_leaf_stays_within_its_limit() -> None:
    leaf = _leaf("registry", added=["\x01" * 900] * 200, changed=["\ud800 half"], removed=["x" * 513])
    fields = json.loads(leaf)
    assert len(leaf) <= SIZE_LIMIT
    assert fields["added"][-1].endswith("entries)")
    assert fields["changed"] == ["\ufffd half"]
    assert _errors(leaf) == []


def test_a_key_is_told_whole_and_whoever_did_it_with_all_their_groups() -> None:
    assert json.loads(_leaf("key"))["keys"] == EVENTS["key"]["keys"]
    told = json.loads(event(Event("admin", ID, 1.5, BANK, EVENTS["admin"], CALLER)))["caller"]
    assert (told["groups"], told["actors"], told["subject"]) == (["clerks", "emea"], ["payments-agent"], CALLER.subject)


def test_the_published_schema_is_that_of_the_code() -> None:
    published = Path(__file__).parents[3] / "docs" / "reference" / "leaf-schema.json"
    assert json.loads(published.read_text()) == leaf_schema()


def test_the_fields_of_a_kind_are_known_by_name() -> None:
    assert {"kind", "tenant", "ts", "v", "hold", "matter"} <= known_fields("hold")
    assert known_fields("nothing") == frozenset()
