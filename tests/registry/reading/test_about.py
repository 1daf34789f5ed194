"""What an owner says of a server and of its tools; what nobody said is told as unknown, and counts as the worst."""

from collections.abc import Mapping
from datetime import date

import pytest

from tallystick.guard import BadSchema, check_arguments, compile_schema
from tallystick.registry import Server, Tool
from tallystick.registry.model import Owner, Pin, Provider, Quarantine, SecurityReview
from tallystick.registry.reading import Read, read
from tests.registry.kinds.full import PIN, SERVER, STDIO

HTTP = {"http": {"url": "https://bank.example/mcp"}}
PAY = {"name": "pay", "inputSchema": {"type": "object", "properties": {"sum": {"type": "integer"}}}}


def _server(document: Mapping[str, object], *tools: Mapping[str, object]) -> Read:
    pin = read("pins/bank.json", {"tools": list(tools)}).entry
    assert isinstance(pin, Pin)
    return read("servers/bank.yaml", {"tenant": "retail", "transport": HTTP, **document}, pin)


def _sound(document: Mapping[str, object], *tools: Mapping[str, object]) -> Server:
    found = _server(document, *tools)
    assert isinstance(found.entry, Server)
    assert found.problems == ()
    return found.entry


def _tool(entry: Mapping[str, object]) -> Tool:
    (tool,) = _sound({"tools": {"pay": entry}}, PAY).tools.values()
    return tool


def test_a_server_of_which_nothing_is_said_is_restricted_and_unknown_in_everything() -> None:
    about = _sound({}).about
    assert about.classification == "restricted"
    assert about.unknown == {
        *("owner", "purpose", "provider", "classification", "jurisdictions", "regions"),
        *("approved_clients", "environments", "security_review", "support"),
    }


def test_a_server_of_which_everything_is_said_is_unknown_in_nothing() -> None:
    server = _sound(SERVER)
    assert server.about.unknown == frozenset()
    assert server.about.owner == Owner("ada", "payments", "Bank SA")
    assert server.owner == "ada, payments, Bank SA"
    assert server.about.provider.contract.subcontractors == ("cloud",)
    assert server.about.security_review == SecurityReview(date(2026, 1, 31), date(2027, 1, 31))
    assert server.about.classification == "confidential"


def test_restricted_that_was_said_is_known() -> None:
    assert "classification" not in _sound({"classification": "restricted"}).about.unknown


def test_an_owner_in_one_text_is_a_person_or_team() -> None:
    server = _sound({"owner": "payments-platform"})
    assert (server.about.owner, server.owner) == (Owner(person="payments-platform"), "payments-platform")
    assert "owner" not in server.about.unknown


def test_an_empty_owner_is_none() -> None:
    for owner in ("", {}, {"person": ""}, None):
        assert "owner" in _sound({"owner": owner}).about.unknown


@pytest.mark.parametrize(
    ("document", "mode"),
    [({}, "none"), (STDIO, "environment"), ({"transport": {"stdio": {"command": ["mcp"]}}}, "none")],
)
def test_credentials_are_what_the_transport_carries(document: Mapping[str, object], mode: str) -> None:
    without = {name: part for name, part in document.items() if name != "credentials"}
    assert _sound(without).about.credentials == mode


def test_a_server_is_approved_where_its_file_does_not_say_otherwise() -> None:
    assert _sound({}).state == "approved"
    assert _sound({"state": "suspended"}).state == "suspended"


def test_a_tool_of_which_nothing_is_said_is_the_most_dangerous() -> None:
    tool = _tool({})
    assert (tool.operation, tool.risk, tool.about.reversibility) == ("execute", "critical", "R4")
    assert tool.about.unknown == {
        *("operation", "risk", "reversibility", "data_scope", "purpose", "sources", "sinks"),
    }


def test_an_unclassified_tool_is_told_in_a_notice() -> None:
    (notice,) = _server({"tools": {"pay": {"operation": "read"}}}, PAY).notices
    assert str(notice) == (
        "servers/bank.yaml: tools.pay: says nothing of risk, so the tool counts as read and critical; classify it"
    )


def test_a_tool_of_which_everything_is_said_is_unknown_in_nothing() -> None:
    said = {"operation": "read", "risk": "low", "reversibility": "R0", "data_scope": "own accounts", "purpose": "shows"}
    tool = _tool({**said, "sources": ["internal"], "sinks": ["none"]})
    assert tool.about.unknown == frozenset()
    assert (tool.about.scope, tool.about.sources, tool.about.reversibility) == ("own accounts", ("internal",), "R0")


def test_annotations_of_a_server_decide_nothing() -> None:
    definition = {**PAY, "annotations": {"readOnlyHint": True, "destructiveHint": False}}
    (tool,) = _sound({"tools": {"pay": {}}}, definition).tools.values()
    assert (tool.operation, tool.risk, tool.about.reversibility) == ("execute", "critical", "R4")


def test_rules_tighten_what_is_offered_and_leave_what_was_pinned() -> None:
    tool = _tool({"arguments": {"sum": {"maximum": 5}}})
    assert tool.definition == PAY
    assert tool.digest == _tool({}).digest
    schema = tool.offered["inputSchema"]
    assert isinstance(schema, dict)
    judged = compile_schema(schema)  # pyright: ignore[reportUnknownArgumentType] - JSON
    assert not isinstance(judged, BadSchema)
    assert check_arguments(judged, {"sum": 5}) is None
    assert check_arguments(judged, {"sum": 6}) is not None


def test_a_tool_without_rules_is_offered_as_it_was_pinned() -> None:
    tool = _tool({})
    assert tool.offered is tool.definition


def test_rules_that_are_no_tightening_are_a_problem_of_the_servers_file() -> None:
    found = _server({"tools": {"pay": {"arguments": {"total": {"maximum": 5}}}}}, PAY)
    (problem,) = found.problems
    assert (problem.file, problem.field) == ("servers/bank.yaml", "tools.pay.arguments")
    assert "total is no argument" in problem.what


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({"sum": {"maximun": 5}}, "tools.pay.arguments.sum.maximun"),
        ({"sum": {}}, "tools.pay.arguments.sum"),
        ({"sum": 5}, "tools.pay.arguments.sum"),
        ({"*": True}, "tools.pay.arguments.*"),
        ({"sum": {"properties": {"a": {"maximum": "5"}}}}, "tools.pay.arguments.sum.properties.a.maximum"),
        ({"sum": {"items": {"enum": []}}}, "tools.pay.arguments.sum.items.enum"),
        ({"sum": {"money": {"currency": "EUR", "maximum": {"EUR": 5}}}}, "tools.pay.arguments.sum.money"),
    ],
)
def test_a_malformed_rule_is_told_by_its_place(rule: Mapping[str, object], place: str) -> None:
    found = _server({"tools": {"pay": {"arguments": rule}}})
    assert place in {problem.field.rstrip(".") for problem in found.problems}


def test_a_pin_tells_what_is_quarantined_and_what_was_never_pinned() -> None:
    whole, old = read("pins/bank.json", PIN).entry, read("pins/bank.json", {"tools": [PAY]}).entry
    assert isinstance(whole, Pin)
    assert isinstance(old, Pin)
    assert whole.quarantined == {"pay": Quarantine("2026-01-02T00:00:00Z", "sha256:0", "differs")}
    assert whole.prompts == {"ask": {"name": "ask"}}
    assert (old.quarantined, old.prompts, old.resource_templates, old.variants) == ({}, None, None, None)


def test_an_unknown_provider_is_an_empty_one() -> None:
    assert _sound({}).about.provider == Provider()
