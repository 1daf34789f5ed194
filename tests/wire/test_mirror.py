"""A header repeats the body or the request goes no further; the official SDK's rules are the judge of ours."""

import random

import pytest
from mcp.shared import inbound

from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN, Headers, Message, envelope
from tallystick.wire.message import CAPABILITIES_KEY, VERSION_KEY
from tallystick.wire.mirror import decode_value, encode_value
from tests.requirements import requirement

SAFE = 2**53 - 1


def _schema(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties}


def _region(name: object = "Region", kind: object = "string") -> dict[str, object]:
    return {"type": kind, "x-mcp-header": name}


def _deep(levels: int) -> dict[str, object]:
    schema = _region("Deep", "integer")
    for _ in range(levels):
        schema = _schema(inner=schema)
    return schema


VALID: dict[str, tuple[object, envelope.Mirrored]] = {
    "nothing": ({}, ()),
    "no schema": (None, ()),
    "a schema that is true": (True, ()),
    "no annotation": (_schema(a={"type": "string"}), ()),
    "in the order of the schema": (
        _schema(b=_region("B"), a=_region("A", "integer"), c=_region("C", "boolean")),
        (("Mcp-Param-B", ("b",)), ("Mcp-Param-A", ("a",)), ("Mcp-Param-C", ("c",))),
    ),
    "nested": (_schema(where=_schema(region=_region())), (("Mcp-Param-Region", ("where", "region")),)),
    "a property named like a keyword": (_schema(items=_region()), (("Mcp-Param-Region", ("items",)),)),
    "a property named like the annotation": (_schema(**{"x-mcp-header": {"type": "string"}}), ()),
    "every token character": (
        _schema(a=_region("!#$%&'*+-.^_`|~09azAZ")),
        (("Mcp-Param-!#$%&'*+-.^_`|~09azAZ", ("a",)),),
    ),
    "an example is no schema": (_schema(a={"type": "string", "examples": [{"x-mcp-header": "A"}]}), ()),
    "a default is no schema": (_schema(a={"type": "object", "default": {"x-mcp-header": "A"}}), ()),
    "a constant is no schema": (_schema(a={"const": {"x-mcp-header": "A"}, "enum": [{"x-mcp-header": 5}]}), ()),
    "nested deeper than the stack": (_deep(2000), (("Mcp-Param-Deep", ("inner",) * 2000),)),
    "keywords of another form": ({"properties": [], "allOf": {}, "$defs": 1, "items": [_region()]}, ()),
}

INVALID: dict[str, object] = {
    "an empty name": _schema(a=_region("")),
    "a name that is a number": _schema(a=_region(5)),
    "a name that is null": _schema(a=_region(None)),
    "a space": _schema(a=_region("a b")),
    "a line break": _schema(a=_region("A\r\nAuthorization: x")),
    "a line break at the end": _schema(a=_region("A\n")),
    "a colon": _schema(a=_region("A:")),
    "beyond ASCII": _schema(a=_region("R\u00e9gion")),
    "a number": _schema(a=_region("A", "number")),
    "an object": _schema(a=_region("A", "object")),
    "a list of types": _schema(a=_region("A", ["string", "null"])),
    "no type": _schema(a={"x-mcp-header": "A"}),
    "twice": _schema(a=_region("A"), b=_region("A")),
    "twice in another case": _schema(a=_region("Tenant"), b=_schema(c=_region("TENANT"))),
    "the root": {"type": "string", "x-mcp-header": "A"},
    **{
        f"below {keyword}": _schema(a={keyword: _region()})
        for keyword in ("items", "not", "if", "then", "else", "additionalProperties", "propertyNames", "contains")
    },
    **{f"below {keyword}": _schema(a={keyword: [_region()]}) for keyword in ("oneOf", "anyOf", "allOf", "prefixItems")},
    **{
        f"below {keyword}": {keyword: {"b": _region()}}
        for keyword in ("patternProperties", "dependentSchemas", "$defs", "definitions")
    },
    "a property below a list": _schema(a={"items": _schema(b=_region())}),
}


@pytest.mark.parametrize(("schema", "found"), VALID.values(), ids=VALID.keys())
def test_an_annotation_on_a_plain_property_names_a_header(schema: object, found: envelope.Mirrored) -> None:
    assert envelope.mirrored(schema) == found
    assert inbound.find_invalid_x_mcp_header(schema) is None


@pytest.mark.parametrize("schema", INVALID.values(), ids=INVALID.keys())
def test_an_annotation_anywhere_else_spoils_the_tool(schema: object) -> None:
    assert isinstance(envelope.mirrored(schema), str)
    assert inbound.find_invalid_x_mcp_header(schema) is not None


def test_what_is_wrong_with_an_annotation_is_told_in_a_few_words() -> None:
    for schema in (_schema(**{"n" * 9000: _region("")}), _schema(a=_region("B" * 9000), b=_region("B" * 9000))):
        told = envelope.mirrored(schema)
        assert isinstance(told, str)
        assert len(told) < 200


OF: envelope.Mirrored = (
    ("Mcp-Param-Region", ("region",)),
    ("Mcp-Param-Count", ("deep", "count")),
    ("Mcp-Param-Dry", ("dry",)),
)
SCHEMA = _schema(region=_region(), deep=_schema(count=_region("Count", "integer")), dry=_region("Dry", "boolean"))


def test_a_schema_says_what_the_tests_below_expect_of_it() -> None:
    assert envelope.mirrored(SCHEMA) == OF


@pytest.mark.parametrize(
    ("arguments", "headers"),
    [
        ({}, {}),
        ({"region": None, "deep": None, "dry": None}, {}),
        ({"deep": [1], "region": {"a": 1}, "dry": [True]}, {}),
        (
            {"region": "eu west", "deep": {"count": -7}, "dry": False},
            {"Region": "eu west", "Count": "-7", "Dry": "false"},
        ),
        ({"region": "", "dry": True}, {"Region": "", "Dry": "true"}),
        ({"region": " eu", "deep": {"count": 0}}, {"Region": "=?base64?IGV1?=", "Count": "0"}),
        ({"region": "a\r\nX: y"}, {"Region": "=?base64?YQ0KWDogeQ==?="}),
        ({"region": "\u4e16"}, {"Region": "=?base64?5LiW?="}),
        ({"region": "=?base64?eHg=?="}, {"Region": "=?base64?PT9iYXNlNjQ/ZUhnPT89?="}),
        ({"deep": {"count": SAFE}}, {"Count": str(SAFE)}),
    ],
    ids=str,
)
def test_arguments_become_headers_and_are_read_back(arguments: dict[str, object], headers: dict[str, str]) -> None:
    sent = envelope.param_headers(OF, arguments)
    assert sent == {f"Mcp-Param-{name}": value for name, value in headers.items()}
    assert envelope.check_params(OF, arguments, {name.lower(): value for name, value in sent.items()}) is None
    assert inbound.validate_mcp_param_headers(SCHEMA, arguments, sent) is None
    assert sent == inbound.mcp_param_headers({path: name[10:] for name, path in OF}, arguments)


def test_a_number_that_is_no_integer_has_no_header_and_is_left_to_the_schema() -> None:
    arguments: dict[str, object] = {"deep": {"count": 1.5}}
    assert envelope.param_headers(OF, arguments) == {}
    assert envelope.check_params(OF, arguments, {}) is None
    assert envelope.check_params(OF, arguments, {"mcp-param-count": "1.5"}) is not None


SAID: dict[str, object] = {"region": "eu", "deep": {"count": 42}, "dry": True}
TOLD = {"mcp-param-region": "eu", "mcp-param-count": "42", "mcp-param-dry": "true"}


@requirement("envelope:param-headers")
@pytest.mark.parametrize(
    ("changed", "agrees"),
    [
        ({}, True),
        ({"mcp-param-count": "42.0"}, True),
        ({"mcp-param-count": "042.00"}, True),
        ({"mcp-param-region": "=?base64?ZXU=?="}, True),
        ({"mcp-param-unknown": "anything \u00e9"}, True),
        ({"mcp-param-count": "42.5"}, False),
        ({"mcp-param-count": "4.2e1"}, False),
        ({"mcp-param-count": "43"}, False),
        ({"mcp-param-count": ""}, False),
        ({"mcp-param-count": "+42"}, False),
        ({"mcp-param-count": "42 "}, False),
        ({"mcp-param-count": "\u0664\u0662"}, False),
        ({"mcp-param-count": "0" * 5000 + "42"}, False),
        ({"mcp-param-dry": "True"}, False),
        ({"mcp-param-dry": "1"}, False),
        ({"mcp-param-region": "EU"}, False),
        ({"mcp-param-region": ""}, False),
        ({"mcp-param-region": None}, False),
        ({"mcp-param-count": None}, False),
        ({"mcp-param-dry": None}, False),
        ({"mcp-param-region": "=?base64?ZXU?="}, False),
        ({"mcp-param-region": "=?base64?ZXV=?="}, False),
        ({"mcp-param-region": "=?base64?ZX U=?="}, False),
        ({"mcp-param-region": "=?base64?/w==?="}, False),
        ({"mcp-param-region": "=?BASE64?ZXU=?="}, False),
    ],
    ids=str,
)
def test_a_header_that_does_not_repeat_its_argument_is_refused(
    changed: dict[str, str | None],
    agrees: bool,  # noqa: FBT001 - a column of the table
) -> None:
    headers = {name: value for name, value in (TOLD | changed).items() if value is not None}
    _compare(SAID, headers, agrees=agrees)


@pytest.mark.parametrize(
    ("arguments", "headers", "agrees"),
    [
        ({}, {}, True),
        ({}, {"mcp-param-region": "eu"}, False),
        ({"region": None}, {"mcp-param-region": "null"}, False),
        ({"region": None}, {"mcp-param-region": ""}, False),
        ({"deep": 5}, {"mcp-param-count": "5"}, False),
        ({"region": {"a": 1}}, {}, True),
        ({"region": {"a": 1}}, {"mcp-param-region": "x"}, False),
        ({"deep": {"count": 7.0}}, {"mcp-param-count": "7"}, True),
        ({"deep": {"count": SAFE}}, {"mcp-param-count": str(SAFE)}, True),
        ({"deep": {"count": SAFE}}, {"mcp-param-count": str(SAFE - 1)}, False),
        ({"region": ""}, {"mcp-param-region": ""}, True),
        ({"region": ""}, {}, False),
        ({"region": "eu"}, {"Mcp-Param-Region": "eu"}, True),
        ({"region": "eu"}, {"Mcp-Param-Region": "eu", "mcp-param-region": "eu"}, False),
    ],
    ids=str,
)
def test_presence_and_absence_agree_too(
    arguments: dict[str, object],
    headers: dict[str, str],
    agrees: bool,  # noqa: FBT001 - a column of the table
) -> None:
    _compare(arguments, headers, agrees=agrees)


def _compare(arguments: dict[str, object], headers: dict[str, str], *, agrees: bool) -> None:
    refusal = envelope.check_params(OF, arguments, headers)
    assert (refusal is None) == agrees
    assert refusal is None or refusal.reasons == (Reason.HEADER_MISMATCH,)
    assert (inbound.validate_mcp_param_headers(SCHEMA, arguments, headers) is None) == agrees


@pytest.mark.parametrize("count", [SAFE + 1, -SAFE - 1, 10**40, 1e300])
def test_an_integer_that_no_header_may_carry_is_refused_with_and_without_it(count: float) -> None:
    # The SDK lets it through; server/tools.mdx of 2026-07-28 says MUST.
    arguments: dict[str, object] = {"deep": {"count": count}}
    assert envelope.param_headers(OF, arguments) == {}
    for headers in ({}, {"mcp-param-count": str(int(count))}):
        assert envelope.check_params(OF, arguments, headers) is not None


def test_a_letter_that_no_header_may_carry_is_refused_even_where_it_repeats_the_argument() -> None:
    # The SDK compares it as it came; the transport (2026-07-28, Server Behavior for Custom Headers) says MUST.
    for letter in ("\u00e9", "\x7f", "\x01", "a\r\nb"):
        assert envelope.check_params(OF[:1], {"region": letter}, {"mcp-param-region": letter}) is not None


def test_a_tool_without_annotations_asks_for_no_header() -> None:
    assert envelope.check_params((), {"region": "eu"}, {"mcp-param-region": "us"}) is None
    assert envelope.param_headers((), {"region": "eu"}) == {}


@pytest.mark.parametrize("seed", range(20))
def test_any_text_survives_a_header_and_the_sdk_reads_it_too(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - values to test with, not secrets
    letters = [*"=?base64 \t\r\n\x00\x7f", *"\u00e9\u4e16\U0001f600", *map(chr, range(32, 127))]
    for _ in range(200):
        text = "".join(chance.choices(letters, k=chance.randint(0, 12)))
        if chance.random() < 0.2:
            text = f"=?base64?{text}?="
        header = encode_value(text)
        assert header.isascii()
        assert header.isprintable()
        assert header == header.strip()
        assert decode_value(header) == inbound.decode_header_value(header) == text
        assert decode_value(inbound.encode_header_value(text)) == text


def _modern(method: str, **params: object) -> Message:
    return Message("request", method, 1, {"_meta": {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}, **params})


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_a_task_is_named_in_a_header_and_may_not_be_misnamed(method: str) -> None:
    message = _modern(method, taskId="t-1")
    assert envelope.name_header(method, message.params) == "t-1"
    for name, agrees in (("t-1", True), (None, True), ("t-2", False), ("", False)):
        answer = envelope.admit(message, Headers(version=MODERN, method=method, name=name))
        assert (answer is ERAS[MODERN]) == agrees
        assert agrees or (isinstance(answer, Refusal) and answer.reasons == (Reason.HEADER_MISMATCH,))


@pytest.mark.parametrize(("method", "member"), inbound.NAME_BEARING_METHODS.items())
def test_what_the_sdk_names_in_a_header_we_do(method: str, member: str) -> None:
    assert envelope.name_header(method, {member: "x"}) == "x"
    refused = envelope.admit(_modern(method, **{member: "x"}), Headers(version=MODERN, method=method))
    assert isinstance(refused, Refusal)
