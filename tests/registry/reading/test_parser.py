"""A parser that is asked again reads only what has changed, and says the same as one that reads everything."""

from collections.abc import Mapping

from tallystick.registry import Registry
from tallystick.registry.reading import Parser, parse
from tallystick.terms import ServerId, TenantId

ANYTHING: Mapping[str, object] = {}
DOCUMENTS: Mapping[str, Mapping[str, object]] = {
    "tenants/retail.yaml": {},
    "servers/bank.yaml": {
        "tenant": "retail",
        "transport": {"http": {"url": "https://bank.example"}},
        "tools": {"*": {"operation": "read", "risk": "low"}},
    },
    "servers/desk.yaml": {"tenant": "retail", "transport": {"http": {"url": "https://desk.example"}}},
    "pins/bank.json": {"tools": [{"name": "pay", "inputSchema": ANYTHING}]},
    "toolsets/desk.yaml": {"tenant": "retail", "members": [{"server": "bank"}]},
}
SEEN: Mapping[str, object] = {"tools": [{"name": "see", "inputSchema": ANYTHING}]}
BANK, DESK = ServerId("bank"), ServerId("desk")


def _parsed(parser: Parser, documents: Mapping[str, Mapping[str, object]]) -> Registry:
    answer = parser.parse(documents, {file: repr(document) for file, document in documents.items()})
    assert isinstance(answer, Registry), answer
    return answer


def test_what_did_not_change_stays_the_same_object() -> None:
    parser = Parser()
    before = _parsed(parser, DOCUMENTS)
    after = _parsed(parser, {**DOCUMENTS, "tenants/retail.yaml": {"title": "Retail banking"}})
    assert after.servers[BANK] is before.servers[BANK]
    assert after.pins[BANK] is before.pins[BANK]
    assert after.toolsets["desk"] is before.toolsets["desk"]
    assert after.tenants[TenantId("retail")].title == "Retail banking"


def test_another_pin_makes_its_server_another_one_and_no_other() -> None:
    parser = Parser()
    before = _parsed(parser, DOCUMENTS)
    after = _parsed(parser, {**DOCUMENTS, "pins/bank.json": SEEN})
    assert list(after.servers[BANK].tools) == ["see"]
    assert after.servers[DESK] is before.servers[DESK]
    gone = _parsed(parser, {file: document for file, document in DOCUMENTS.items() if file != "pins/bank.json"})
    assert gone.servers[BANK].tools == {}


def test_the_outcome_is_that_of_reading_everything() -> None:
    parser = Parser()
    _parsed(parser, DOCUMENTS)
    changed: dict[str, Mapping[str, object]] = {**DOCUMENTS, "pins/bank.json": SEEN}
    assert _parsed(parser, changed) == parse(changed)


def test_what_was_removed_is_gone_and_a_reference_to_it_is_told_each_time() -> None:
    parser = Parser()
    _parsed(parser, DOCUMENTS)
    rest = {file: document for file, document in DOCUMENTS.items() if file != "tenants/retail.yaml"}
    for _ in range(2):
        problems = parser.parse(rest, dict.fromkeys(rest, "same"))
        assert isinstance(problems, tuple)
        assert {problem.file for problem in problems} == {
            "servers/bank.yaml",
            "servers/desk.yaml",
            "toolsets/desk.yaml",
        }


def test_a_problem_of_an_unchanged_document_is_told_again() -> None:
    parser = Parser()
    broken = {**DOCUMENTS, "tenants/retail.yaml": {"titel": "x"}}
    digests = dict.fromkeys(broken, "same")
    assert parser.parse(broken, digests) == parser.parse(broken, digests)


def test_every_kind_with_a_tenant_refers_to_one_that_exists() -> None:
    person = {"tenant": "nope", "people": ["eve"]}
    strays: dict[str, Mapping[str, object]] = {
        "grants/a.yaml": {"tenant": "nope", "server": "bank", "to": {"people": ["eve"]}},
        "agents/a.yaml": {"tenant": "nope"},
        "roles/a.yaml": {**person, "role": "auditor"},
        "webhooks/a.yaml": {"tenant": "nope", "url": "https://a.example", "secret": "a"},
        "issuers/a.yaml": {"tenant": "nope", "issuer": "https://a.example"},
    }
    problems = parse({**DOCUMENTS, **strays})
    assert isinstance(problems, tuple)
    assert {problem.file for problem in problems} == set(strays)
