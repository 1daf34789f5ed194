"""The registry: what exists, or every reason why the documents do not describe it."""

from collections.abc import Mapping

import pytest

from tallystick.registry import Registry
from tallystick.registry.digest import digest_definition
from tallystick.registry.model import HttpTransport, Limits, StdioTransport
from tallystick.registry.reading import parse
from tallystick.settings import Problem, parse_document
from tallystick.terms import Refusal, ServerId, ToolId

SOUND = {
    "tenants/group.yaml": "title: Group\njurisdiction: EU",
    "tenants/retail.yaml": "parent: group",
    "issuers/corp.yaml": "issuer: https://idp.example/realm\ntenant: retail",
    "servers/bank.yaml": (
        "tenant: retail\ntransport: {http: {url: 'https://bank.example/mcp'}}\n"
        "tools: {pay: {operation: write, risk: high, labels: [b, a, b]}}"
    ),
    "toolsets/desk.yaml": "tenant: retail\nmembers: [{server: bank, tools: [pay]}]",
    "pins/bank.json": '{"server": "bank", "eras": {"2026-07-28": {}}, "tools": [{"name": "pay", "inputSchema": {}}]}',
}


def _parse(changes: Mapping[str, str]) -> Registry | tuple[Problem, ...]:
    documents: dict[str, Mapping[str, object]] = {}
    for name, text in {**SOUND, **changes}.items():
        document = parse_document(name, text.encode())
        assert not isinstance(document, Problem), document
        documents[name] = document
    return parse(documents)


def _registry(changes: Mapping[str, str]) -> Registry:
    answer = _parse(changes)
    assert isinstance(answer, Registry), [str(problem) for problem in answer]
    return answer


def _server(rest: str) -> str:
    return f"tenant: retail\ntransport: {{http: {{url: 'https://bank.example/mcp'}}}}\n{rest}"


PAY = "tools: {pay: {operation: write, risk: high}}"
BROKEN: list[tuple[str, str, str]] = [
    ("tenants/Retail.yaml", "title: x", "tenants/Retail.yaml: name"),
    ("tenants/a.yaml", "name: b", 'says "b" in a file called "a"'),
    ("tenants/a.yaml", "parent: grop", 'there is no tenant "grop"; did you mean "group"?'),
    ("tenants/group.yaml", "parent: retail", 'tenants/group.yaml: parent: "group" is its own ancestor'),
    ("tenants/a.yaml", "parent: a", '"a" is its own ancestor'),
    ("tenants/group.yml", "title: again", 'a second file describes "group"'),
    ("tenants/a.yaml", "titel: x", 'there is no setting "titel"; did you mean "title"?'),
    ("issuers/corp.yaml", "tenant: retail", "issuers/corp.yaml: issuer: is missing"),
    ("issuers/corp.yaml", "issuer: https://i", "exactly one of tenant and tenant_claim must be set"),
    (
        "issuers/corp.yaml",
        "issuer: https://i\ntenant: retail\ntenant_claim: tid",
        "exactly one of tenant and tenant_claim",
    ),
    ("issuers/corp.yaml", "issuer: https://i\ntenant: retial", 'there is no tenant "retial"; did you mean "retail"?'),
    ("issuers/corp.yaml", "issuer: ftp://i\ntenant: retail", '"ftp://i" is not an allowed value'),
    ("issuers/corp.yaml", "issuer: https://i\ntenant: retail\nalgorithms: [HS256]", "['HS256'] is not allowed"),
    ("issuers/corp.yaml", "issuer: https://i\ntenant: retail\nalgorithms: []", "choose some of EdDSA, ES256, RS256"),
    ("servers/bank.yaml", PAY, "servers/bank.yaml: tenant: is missing"),
    ("servers/bank.yaml", f"tenant: nope\n{PAY}", 'there is no tenant "nope"'),
    ("servers/bank.yaml", f"tenant: retail\n{PAY}", "exactly one of http and stdio must be set"),
    ("servers/my_bank.yaml", _server(""), "servers/my_bank.yaml: name"),
    (
        "servers/bank.yaml",
        "tenant: retail\ntransport: {http: {url: 'https://a/'}, stdio: {command: [a]}}",
        "exactly one of http and stdio must be set",
    ),
    ("servers/bank.yaml", "tenant: retail\ntransport: {stdio: {command: []}}", "names no program"),
    ("servers/bank.yaml", "tenant: retail\ntransport: {stdio: {command: mcp}}", "command: is not a list of texts"),
    ("servers/bank.yaml", "tenant: retail\ntransport: {stdio: {command: [a], env: {A: 1}}}", "env.A: is not a text"),
    ("servers/bank.yaml", "tenant: retail\ntransport: {http: {url: 'https://u:p@a/'}}", "is not a plain http(s) URL"),
    ("servers/bank.yaml", "tenant: retail\ntransport: {http: {url: 'https://a:0x/'}}", "is not a plain http(s) URL"),
    ("servers/bank.yaml", "tenant: retail\ntransport: {htpt: {url: 'https://a/'}}", 'did you mean "http"?'),
    (
        "servers/bank.yaml",
        _server("limits: {timeout_s: 601}"),
        "limits.timeout_s: 601 is out of range; choose 0.1 to 600",
    ),
    ("servers/bank.yaml", _server("limits: {in_flight: 0}"), "limits.in_flight: 0 is out of range"),
    (
        "servers/bank.yaml",
        _server("tools: {pay: {operation: wirte, risk: high}}"),
        'tools.pay.operation: there is no value "wirte"; did you mean "write"?',
    ),
    (
        "servers/bank.yaml",
        _server("tools: {pay: {operation: write, risk: high, label: [a]}}"),
        'did you mean "labels"?',
    ),
    ("servers/bank.yaml", _server("tools: {pay: write}"), "tools.pay: is not a mapping"),
    ("toolsets/desk.yaml", "tenant: retail\nmembers: []", "members: is empty"),
    ("toolsets/desk.yaml", "tenant: retail\nmembers: [bank]", "members[0]: is not a mapping"),
    ("toolsets/desk.yaml", "tenant: retail\nmembers: [{server: bank}, {server: bank}]", '"bank" is a member twice'),
    ("pins/bank.json", '{"server": "bnk"}', 'says "bnk" in a file called "bank"'),
    ("pins/gone.json", '{"server": "gone"}', 'pins/gone.json: server: there is no server "gone"'),
    ("pins/bank.json", '{"server": "bank", "tools": [{"name": "pay"}]}', "tools[0].inputSchema: is missing"),
    ("pins/bank.json", '{"server": "bank", "tools": [{"inputSchema": {}}]}', "tools[0].name: is missing"),
    (
        "pins/bank.json",
        '{"server": "bank", "tools": [{"name": "pay", "inputSchema": {}}, {"name": "pay", "inputSchema": {}}]}',
        "one tool name is pinned twice",
    ),
    (
        "pins/bank.json",
        '{"server": "bank", "tools": [{"name": "pay\\u001b[2J", "inputSchema": {}}]}',
        "is longer than 128 characters or not printable",
    ),
    (
        "pins/bank.json",
        '{"server": "bank", "tools": [{"name": "pay", "inputSchema": {"maximum": 9007199254740993}}]}',
        'the pinned tool "pay" has no canonical form',
    ),
    ("server/bank.yaml", "{}", 'there is no folder "server"; did you mean "servers"?'),
    ("servers/deep/bank.yaml", "{}", 'there is no folder "servers/deep"'),
    ("notes.yaml", "{}", 'there is no folder "."'),
]


@pytest.mark.parametrize(("file", "text", "message"), BROKEN)
def test_a_broken_entry_is_named_with_what_to_do(file: str, text: str, message: str) -> None:
    answer = _parse({file: text})
    assert isinstance(answer, tuple)
    assert message in "\n".join(str(problem) for problem in answer)
    assert all(problem.remedy for problem in answer)


def test_every_problem_is_told_and_not_only_the_first() -> None:
    answer = _parse({"tenants/a.yaml": "titel: x", "servers/bank.yaml": "tenant: nope", "toolsets/desk.yaml": "{}"})
    assert isinstance(answer, tuple)
    assert {problem.file for problem in answer} == {"tenants/a.yaml", "servers/bank.yaml", "toolsets/desk.yaml"}


def test_a_sound_registry_holds_what_was_written() -> None:
    registry = _registry({})
    server = registry.servers[ServerId("bank")]
    assert server.transport == HttpTransport("https://bank.example/mcp", allow_special_addresses=False, ca_file=None)
    assert server.limits == Limits(timeout_s=30.0, result_bytes=8 * 1024 * 1024, in_flight=64)
    tool = server.tools[ToolId("pay")]
    assert (tool.operation, tool.risk, tool.labels) == ("write", "high", ("a", "b"))
    assert tool.digest == digest_definition({"name": "pay", "inputSchema": {}})
    assert registry.notices == ()


def test_a_stdio_server_keeps_its_command_environment_and_directory() -> None:
    text = "tenant: retail\ntransport: {stdio: {command: [mcp, -v], env: {A: b}, cwd: /srv}}\n" + PAY
    assert _registry({"servers/bank.yaml": text}).servers[ServerId("bank")].transport == StdioTransport(
        ("mcp", "-v"), {"A": "b"}, "/srv"
    )


def test_a_listed_tool_without_a_pin_is_hidden_with_a_notice() -> None:
    tools = "tools: {pay: {operation: write, risk: high}, ghost: {operation: read, risk: low}}"
    registry = _registry({"servers/bank.yaml": _server(tools)})
    assert list(registry.servers[ServerId("bank")].tools) == ["pay"]
    assert [str(notice) for notice in registry.notices] == [
        (
            "servers/bank.yaml: tools.ghost: the tool is not pinned and therefore hidden; "
            "correct the name or pin the server again"
        )
    ]


def test_a_pinned_tool_that_is_not_listed_is_hidden_with_a_notice() -> None:
    registry = _registry(
        {"servers/bank.yaml": _server(""), "toolsets/desk.yaml": "tenant: retail\nmembers: [{server: bank}]"}
    )
    assert registry.servers[ServerId("bank")].tools == {}
    assert 'the pinned tool "pay" is not listed and therefore hidden' in str(registry.notices[0])


def test_a_star_classifies_every_pinned_tool_that_is_not_listed_by_name() -> None:
    pin = '{"server": "bank", "tools": [{"name": "pay", "inputSchema": {}}, {"name": "see", "inputSchema": {}}]}'
    tools = "tools: {'*': {operation: execute, risk: critical}, see: {operation: read, risk: low}}"
    registry = _registry({"pins/bank.json": pin, "servers/bank.yaml": _server(tools)})
    classified = {tool.id: (tool.operation, tool.risk) for tool in registry.servers[ServerId("bank")].tools.values()}
    assert classified == {"pay": ("execute", "critical"), "see": ("read", "low")}
    assert registry.notices == ()


def test_tools_keep_the_order_of_the_pin() -> None:
    named = ", ".join(f'{{"name": "{name}", "inputSchema": {{}}}}' for name in ("z", "pay", "a"))
    registry = _registry(
        {
            "pins/bank.json": f'{{"server": "bank", "tools": [{named}]}}',
            "servers/bank.yaml": _server("tools: {'*': {operation: read, risk: low}}"),
        }
    )
    assert list(registry.servers[ServerId("bank")].tools) == ["z", "pay", "a"]


def test_the_digest_covers_what_a_model_sees_and_nothing_else() -> None:
    tool: dict[str, object] = {"name": "pay", "description": "Pays.", "inputSchema": {"type": "object", "a": 1}}
    digest = digest_definition(tool)
    assert digest == digest_definition({**tool, "_meta": {"x": 1}, "icons": []})
    assert digest == digest_definition({**tool, "inputSchema": {"a": 1, "type": "object"}})
    changes: list[tuple[str, object]] = [
        ("description", "Pays!"),
        ("title", "Pay"),
        ("annotations", {}),
        ("outputSchema", {}),
    ]
    for name, value in changes:
        assert digest_definition({**tool, name: value}) != digest


def test_a_definition_without_a_canonical_form_has_no_digest() -> None:
    assert isinstance(digest_definition({"name": "pay", "inputSchema": {"maximum": 2**60}}), Refusal)


_PIN = SOUND["pins/bank.json"].replace('"inputSchema": {}', '"inputSchema": {"properties": {"to": {}}}')


def _classified(rest: str) -> Registry | tuple[Problem, ...]:
    tools = f"tools: {{pay: {{operation: write, risk: high, {rest}}}}}"
    return _parse({"servers/bank.yaml": _server(tools), "pins/bank.json": _PIN})


def test_a_tool_names_whose_data_and_which_money_its_calls_are_about() -> None:
    known = _classified("subject: to, retention: ten-years, amount: to, currency: EUR")
    assert isinstance(known, Registry)
    tool = known.servers[ServerId("bank")].tools[ToolId("pay")]
    assert (tool.subject, tool.retention, tool.amount, tool.currency) == ("to", "ten-years", "to", "EUR")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("subject: two", 'tools.pay.subject: there is no argument "two"; did you mean "to"?'),
        ("amount: two", 'tools.pay.amount: there is no argument "two"'),
        ("currency: eur", 'tools.pay.currency: there is no argument "eur"'),
        ("retention: Ten Years", "tools.pay.retention"),
    ],
)
def test_a_classification_that_names_no_argument_is_told(rest: str, message: str) -> None:
    problems = _classified(rest)
    assert isinstance(problems, tuple)
    assert message in "\n".join(str(problem) for problem in problems)
