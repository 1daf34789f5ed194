"""The published schemas accept what the parsers accept, and nothing else: every field, wrong in every way."""

from collections.abc import Iterator, Mapping
from typing import get_args

import pytest

from tallystick.control import declare
from tallystick.control.model import REVIEWED, Kind, Put
from tallystick.guard import BadSchema, Validator, compile_schema
from tallystick.registry import kinds, reading
from tallystick.registry.plain import as_list, as_object
from tests.registry.kinds.full import SPECS

Step = str | int
WRONG: tuple[object, ...] = (None, True, 7, -1, 0.5, "", "Wrong Value!", [], ["x", "x"], [3], {}, {"nobody": "knows"})
ONLY_WITH_A_TENANT = ("Issuer", "of one tenant")


def _document(case: tuple[str, str], spec: object) -> dict[str, object]:
    entry = kinds.KINDS[case[0]]
    metadata: dict[str, object] = {"name": "bank"}
    if entry.tenant == "one" or case == ONLY_WITH_A_TENANT:
        metadata["tenant"] = "retail"
    return {"apiVersion": kinds.API_VERSION, "kind": case[0], "metadata": metadata, "spec": spec}


def _validator(schema: Mapping[str, object]) -> Validator:
    compiled = compile_schema(schema)
    assert not isinstance(compiled, BadSchema), compiled.what
    return compiled


def _places(value: object, at: tuple[Step, ...] = ()) -> Iterator[tuple[Step, ...]]:
    yield at
    for name, part in as_object(value).items():
        yield from _places(part, (*at, name))
    for index, part in enumerate(as_list(value)):
        yield from _places(part, (*at, index))


def _put(document: object, at: tuple[Step, ...], value: object, *, remove: bool = False) -> object:
    """The document with another value at a place, or without one."""
    if not at:
        return value
    step, rest = at[0], at[1:]
    gone = remove and not rest
    if isinstance(step, int):
        items = as_list(document)
        return [*items[:step], *([] if gone else [_put(items[step], rest, value, remove=remove)]), *items[step + 1 :]]
    members = as_object(document)
    if gone:
        return {name: part for name, part in members.items() if name != step}
    return {**members, step: _put(members.get(step), rest, value, remove=remove)}


def _mutants(document: dict[str, object]) -> Iterator[tuple[str, dict[str, object]]]:
    """Every place replaced by every wrong value, left out, and given a neighbour that nobody knows."""
    for at in [place for place in _places(document) if place]:
        for wrong in WRONG:
            yield f"{at} = {wrong!r}", as_object(_put(document, at, wrong))
        yield f"{at} left out", as_object(_put(document, at, None, remove=True))
        if isinstance(at[-1], str):
            yield f"{at} beside a stray", as_object(_put(document, (*at[:-1], "stray"), 1))


def _parsed(document: Mapping[str, object]) -> tuple[object, ...]:
    return declare.read_mappings([("here", document)])


@pytest.mark.parametrize("case", SPECS, ids=" ".join)
def test_schema_and_parser_agree_on_every_field_wrong_in_every_way(case: tuple[str, str]) -> None:
    validator, all_kinds = _validator(kinds.document_schema(case[0])), _validator(kinds.documents_schema())
    document = _document(case, SPECS[case])
    assert all(isinstance(one, Put) for one in _parsed(document)), _parsed(document)
    disagreed: list[str] = []
    assert sum(1 for _ in _mutants(document)) > 80
    for what, mutant in [("nothing", document), *_mutants(document)]:
        accepted = validator.compiled.is_valid(mutant)
        parsed = _parsed(mutant)
        if accepted != all(isinstance(one, Put) for one in parsed):
            disagreed.append(f"{what}: schema {'accepts' if accepted else 'refuses'}, parser says {parsed}")
        if what != "nothing" and mutant.get("kind") == case[0] and accepted != all_kinds.compiled.is_valid(mutant):
            disagreed.append(f"{what}: the schema of all kinds differs")
    assert not disagreed, "\n".join(disagreed[:20])


def _file(case: tuple[str, str]) -> dict[str, object]:
    entry = kinds.KINDS[case[0]]
    beside: dict[str, object] = {"server" if case[0] == "Pin" else "name": "bank"}
    if entry.tenant == "one" or case == ONLY_WITH_A_TENANT:
        beside["tenant"] = "retail"
    return beside


FILED = [case for case in SPECS if kinds.KINDS[case[0]].suffix in {".yaml", ".json"}]


@pytest.mark.parametrize("case", FILED, ids=" ".join)
def test_the_schema_of_a_file_agrees_with_its_parser_on_name_and_tenant(case: tuple[str, str]) -> None:
    """The spec is the same as in a document, so what stands beside it is what is left to try."""
    entry, beside = kinds.KINDS[case[0]], _file(case)
    validator, either = _validator(kinds.file_schema(case[0])), _validator(kinds.schemas()[f"{case[0].lower()}.json"])
    for what, mutant in [("nothing", beside), *_mutants(beside), *_mutants({"tenant": "retail"})]:
        document = {**SPECS[case], **mutant}
        read = reading.read(f"{entry.folder}/bank{entry.suffix}", document)
        accepted = validator.compiled.is_valid(document)
        if what != "nothing" and str(document.get("name") or document.get("server") or "bank") != "bank":
            # Only the parser knows what the file is called.
            continue
        assert accepted == (not read.problems), (what, accepted, read.problems)
        assert accepted == either.compiled.is_valid(document), what


@pytest.mark.parametrize("case", SPECS, ids=" ".join)
def test_the_spec_alone_has_a_schema_too(case: tuple[str, str]) -> None:
    validator = _validator(kinds.spec_schema(case[0]))
    assert validator.compiled.is_valid(SPECS[case])
    assert not validator.compiled.is_valid({**SPECS[case], "stray": 1})


def test_the_table_knows_every_kind_of_control_state_and_every_folder() -> None:
    assert set(kinds.KINDS) == set(get_args(Kind))
    assert {entry.folder for entry in kinds.KINDS.values()} == {*reading.FOLDERS, "policies", ""}
    assert {kind for kind, entry in kinds.KINDS.items() if entry.reviewed} == REVIEWED


def test_every_field_says_what_it_is_for() -> None:
    silent = [f"{kind}{path}" for kind, entry in kinds.KINDS.items() for path in _undescribed(entry.spec)]
    assert silent == []


def _undescribed(schema: object, path: str = "") -> Iterator[str]:
    for name, part in as_object(as_object(schema).get("properties")).items():
        if not as_object(part).get("description"):
            yield f"{path}.{name}"
        yield from _undescribed(part, f"{path}.{name}")


def test_the_full_documents_hold_every_field_of_their_schema() -> None:
    """A field that no document here has would be a field that nobody tried to get wrong."""
    missing = [
        f"{kind}.{name}"
        for kind, entry in kinds.KINDS.items()
        for name in as_object(entry.spec["properties"])
        if not any(name in spec for case, spec in SPECS.items() if case[0] == kind)
    ]
    assert missing == []


ONLY_THE_PARSER: list[tuple[tuple[str, str], dict[str, object], str]] = [
    (("Server", "over http"), {"transport": {"http": {"url": "https://u:p@bank.example"}}}, "plain http(s) URL"),
    (("Server", "over http"), {"credentials": "environment"}, "no environment of ours"),
    (("Server", "over http"), {"security_review": {"date": "2026-02-30"}}, "no day of the calendar"),
    (("Server", "over http"), {"security_review": {"date": "2026-02-03", "next": "2026-02-02"}}, "is not after"),
    (("Server", "over http"), {"tools": {"*": {"arguments": {"a": {"enum": [1]}}}}}, "tools that are not named"),
    (("Pin", "full"), {"tools": [{"name": "a", "inputSchema": {}}] * 2}, "pinned twice"),
    (("Toolset", "plain"), {"members": [{"server": "bank"}, {"server": "bank"}]}, "a member twice"),
    (("Webhook", "plain"), {"url": "http://hooks.example/in"}, "in plain text"),
    (("Grant", "full"), {"expires": "2027-02-30T00:00:00Z"}, "is no time"),
]


@pytest.mark.parametrize(("case", "change", "problem"), ONLY_THE_PARSER)
def test_what_no_schema_can_say_the_parser_does(case: tuple[str, str], change: dict[str, object], problem: str) -> None:
    document = _document(case, {**SPECS[case], **change})
    assert _validator(kinds.document_schema(case[0])).compiled.is_valid(document)
    assert problem in str(_parsed(document))
