"""A configuration becomes one immutable, digested value, or the list of everything that is wrong with it."""

import json

import pytest

from tallystick.policy import decide
from tallystick.snapshot import Snapshot, compile_snapshot
from tallystick.terms import Caller, TenantId
from tests.snapshot.files import FILES

ANN = Caller("ann", "person", TenantId("retail"), "https://idp.example", "desk", "a", 2e9)


def _snapshot(changes: dict[str, bytes]) -> Snapshot:
    answer = compile_snapshot({**FILES, **changes})
    assert isinstance(answer, Snapshot), [str(problem) for problem in answer]
    return answer


def test_routes_publish_the_known_tools_under_their_names() -> None:
    snapshot = _snapshot({})
    names = {key: [tool.name for tool in route.listing] for key, route in snapshot.routes.items()}
    assert names == {
        "servers/bank": ["get_account", "pay"],
        "servers/clock": ["now"],
        "toolsets/desk": ["bank__pay", "clock__now"],
    }
    assert ["unlisted" in str(notice) for notice in snapshot.notices] == [True]


def test_the_same_decision_stands_behind_both_routes_to_a_tool() -> None:
    snapshot = _snapshot({})
    own = snapshot.routes["servers/bank"].tools["pay"]
    virtual = snapshot.routes["toolsets/desk"].tools["bank__pay"]
    assert own.part is virtual.part
    assert own.tool.digest == virtual.tool.digest
    assert virtual.definition == {**own.definition, "name": "bank__pay"}


def test_a_listing_filtered_by_the_decision_shows_what_may_be_called() -> None:
    route = _snapshot({}).routes["toolsets/desk"]
    assert decide(route.connect, ANN, None, "2026-07-28").effect == "allow"
    shown = [tool.name for tool in route.listing if decide(tool.part, ANN, None, "2026-07-28").effect == "allow"]
    assert shown == ["clock__now"]


def test_a_toolset_offers_tools_and_nothing_else_whatever_its_servers_speak() -> None:
    routes = _snapshot({}).routes
    assert list(routes["servers/bank"].eras) == ["2026-07-28", "2025-11-25"]
    assert dict(routes["toolsets/desk"].eras) == {"2026-07-28": {"capabilities": {"tools": {}}}}


def test_a_toolset_opens_with_whatever_of_it_is_pinned() -> None:
    answer = compile_snapshot({name: raw for name, raw in FILES.items() if name != "pins/clock.json"})
    assert isinstance(answer, Snapshot)
    assert list(answer.routes["toolsets/desk"].tools) == ["bank__pay"]
    assert answer.routes["toolsets/desk"].eras
    assert answer.routes["servers/clock"].eras == {}


def test_methods_pass_through_only_at_the_route_of_one_server() -> None:
    routes = _snapshot({}).routes
    assert routes["servers/bank"].method("prompts/list") is not None
    assert routes["toolsets/desk"].method("prompts/list") is None
    assert routes["servers/bank"].method("tools/call") is None


def test_the_digest_names_every_document_but_the_process_settings() -> None:
    digest = _snapshot({}).digest
    assert digest == _snapshot({"tally.yaml": b"gateway: {listen_port: 1}"}).digest
    assert digest == _reversed().digest
    assert digest != _snapshot({"tenants/group.yaml": b"title: Groups\n"}).digest
    assert digest != _snapshot({"tenants/other.yaml": b""}).digest


def _reversed() -> Snapshot:
    answer = compile_snapshot(dict(reversed(FILES.items())))
    assert isinstance(answer, Snapshot)
    return answer


def _pin(schema: object) -> bytes:
    return json.dumps({"server": "clock", "tools": [{"name": "now", "inputSchema": schema}]}).encode()


BROKEN: list[tuple[str, bytes, str]] = [
    ("servers/bank.yaml", b"a: [", "servers/bank.yaml: "),
    ("servers/bank.yaml", b"tenant: retial", 'did you mean "retail"?'),
    ("policies/desk.cedar", b"permit(", "policies/desk.cedar: is not Cedar"),
    ("policies/desk.cedar", b"\xff", "policies/desk.cedar: is not UTF-8"),
    ("desk.cedar", b"", "a policy outside of policies/ is not read; move it to policies/"),
    ("policies/more.cedar", b'@id("read") forbid(principal, action, resource);', "the id is used twice"),
    (
        "policies/x.cedar",
        b'@id("x") permit(principal, action == Action::"bank/unlisted", resource);',
        "there is no Action",
    ),
    ("pins/clock.json", b"{", "pins/clock.json"),
]
UNJUDGED: list[tuple[object, str]] = [
    ({"type": "objct"}, "objct"),
    ({"$ref": "https://evil.example/"}, "references outside of the schema are not followed"),
    ({"properties": {"at": {"type": "number", "x-mcp-header": "At"}}}, "a string, an integer or a boolean"),
    ({"properties": {"at": {"type": "string", "x-mcp-header": "a b"}}}, "is not the name of a header field"),
]


@pytest.mark.parametrize(("name", "raw", "message"), BROKEN)
def test_a_broken_file_is_named_with_what_to_do(name: str, raw: bytes, message: str) -> None:
    answer = compile_snapshot({**FILES, name: raw})
    assert isinstance(answer, tuple)
    assert message in "\n".join(str(problem) for problem in answer)


@pytest.mark.parametrize(("schema", "said"), UNJUDGED)
def test_a_tool_that_cannot_be_judged_is_left_out_and_said_and_the_others_stay(schema: object, said: str) -> None:
    answer = compile_snapshot({**FILES, "pins/clock.json": _pin(schema)})
    assert isinstance(answer, Snapshot)
    assert answer.routes["servers/clock"].tools == {}
    assert list(answer.routes["toolsets/desk"].tools) == ["bank__pay"]
    notice = "\n".join(str(notice) for notice in answer.notices)
    assert 'pins/clock.json: tools "now" inputSchema' in notice
    assert said in notice


def test_an_empty_configuration_is_a_snapshot_without_routes() -> None:
    answer = compile_snapshot({})
    assert isinstance(answer, Snapshot)
    assert answer.routes == {}
