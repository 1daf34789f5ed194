"""A toolset's document: what is read of it, and how every fault in it is told."""

import pytest

from tallystick.registry import Registry, Toolset
from tallystick.registry.model import Audience, Member
from tallystick.registry.reading import parse
from tallystick.registry.toolset import Rows, Selection, Trim

Json = dict[str, object]
BANK: Json = {"tenant": "retail", "transport": {"http": {"url": "https://bank.example/mcp"}}}


def _parse(toolset: Json) -> Toolset | str:
    documents = {"tenants/retail.yaml": {}, "servers/bank.yaml": BANK, "toolsets/desk.yaml": toolset}
    answer = parse({name: {**document} for name, document in documents.items()})
    return answer.toolsets["desk"] if isinstance(answer, Registry) else "\n".join(str(problem) for problem in answer)


def _desk(members: Json) -> Toolset:
    answer = _parse({"tenant": "retail", "members": [{"server": "bank"}], **members})
    assert isinstance(answer, Toolset), answer
    return answer


def test_a_plain_toolset_is_what_it_always_was() -> None:
    answer = _parse({"tenant": "retail", "members": [{"server": "bank", "tools": ["pay"]}, {"server": "risk"}]})
    assert isinstance(answer, Toolset)
    assert [(member.server, member.tools) for member in answer.members] == [("bank", ("pay",)), ("risk", None)]
    assert (answer.include, answer.exclude, answer.conflicts, answer.audience) == ((), (), "prefix", None)


def test_rules_of_selection_are_read() -> None:
    desk = _desk(
        {
            "members": [{"server": "bank", "prompts": ["*"], "resources": ["bank://*"]}],
            "include": [{"servers": ["core-*"], "operations": ["read"], "risks": ["low"], "labels": ["a"]}],
            "exclude": [{"tools": ["*_raw"]}, {"prompts": ["x"], "resources": []}],
        }
    )
    assert isinstance(desk.members[0], Member)
    assert (desk.members[0].prompts, desk.members[0].resources) == (("*",), ("bank://*",))
    assert desk.include == (Selection(("core-*",), ("a",), ("read",), ("low",)),)
    assert desk.exclude == (Selection(tools=("*_raw",)), Selection(prompts=("x",), resources=()))


def test_an_audience_that_is_written_and_empty_is_not_one_that_is_absent() -> None:
    assert _desk({"audience": {}}).audience == Audience()
    assert _desk({"audience": {"groups": ["tellers"]}}).audience == Audience(groups=("tellers",))


def test_overrides_are_read_by_server_and_own_name() -> None:
    trim = {
        "fields": {"keep": ["$.a[*].b", "$['odd name']"], "drop": ["$.c"]},
        "rows": [{"path": "$.a", "first": 3}, {"path": "$", "first": 0}],
        "bytes": 100,
    }
    desk = _desk({"overrides": {"tools": {"bank/a/b": {"name": "x", "fixed": {"n": None, "m": [1]}, "trim": trim}}}})
    override = desk.overrides.tools["bank", "a/b"]
    assert (override.name, override.fixed) == ("x", {"n": None, "m": [1]})
    assert override.trim == Trim(
        keep=(("a", None, "b"), ("odd name",)),
        drop=(("c",),),
        rows=(Rows(("a",), 3), Rows((), 0)),
        text_bytes=100,
    )


FAULTS: list[tuple[Json, str]] = [
    ({"members": []}, "members: is empty; name at least one server, or choose by `include`"),
    ({"members": [{"server": "bank"}, {"server": "bank"}]}, 'members[1].server: "bank" is a member twice'),
    ({"conflicts": "prefx"}, 'conflicts: there is no value "prefx"; did you mean "prefix"?'),
    ({"conflicts": "priority"}, "priority: goes with `conflicts: priority`, and only with it"),
    ({"priority": ["bank"]}, "priority: goes with `conflicts: priority`, and only with it"),
    ({"include": [{"operations": ["raed"]}]}, 'include[0].operations: there is no value "raed"; did you mean "read"?'),
    ({"include": [{"risk": ["low"]}]}, 'include[0].risk: there is no setting "risk"; did you mean "risks"?'),
    ({"exclude": [{}]}, "exclude[0]: would leave out everything"),
    ({"audience": {"poeple": ["ada"]}}, 'there is no setting "poeple"; did you mean "people"?'),
    ({"overrides": {"tool": {}}}, 'overrides.tool: there is no setting "tool"; did you mean "tools"?'),
    ({"overrides": {"tools": {"pay": {}}}}, '"pay" names no server and no name of it; write it as <server>/<name>'),
    ({"overrides": {"tools": {"bank/pay": {"name": "a b"}}}}, '"a b" is not an allowed value'),
    ({"overrides": {"tools": {"bank/pay": {"name": "x" * 129}}}}, "is not an allowed value"),
    ({"overrides": {"tools": {"bank/pay": {"trim": {}}}}}, "trim.fields: nothing is trimmed"),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"fields": {"drop": ["a.b"]}}}}}}, '"a.b" is no path'),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"fields": {"drop": ["$.a[0]"]}}}}}}, '"$.a[0]" is no path'),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"fields": {"keep": [""]}}}}}}, '"" is no path'),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"rows": [{"path": "$.a"}]}}}}}, "rows[0].first: is missing"),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"rows": [{"first": 1}]}}}}}, "rows[0].path: is missing"),
    ({"overrides": {"tools": {"bank/pay": {"trim": {"bytes": 0}}}}}, "trim.bytes: 0 is out of range"),
    ({"overrides": {"tools": {"bank/pay": {"arguments": {"a": 1}}}}}, "arguments.a: is not a mapping"),
    ({"overrides": {"prompts": {"bank/x": {"fixed": {}}}}}, 'there is no setting "fixed"'),
    ({"overrides": {"resources": {"bank://x": {"name": "x"}}}}, 'there is no setting "name"'),
]


@pytest.mark.parametrize(("members", "told"), FAULTS)
def test_a_fault_is_told_where_it_is_and_with_what_to_do(members: Json, told: str) -> None:
    answer = _parse({"tenant": "retail", "members": [{"server": "bank"}], **members})
    assert isinstance(answer, str)
    assert told in answer
