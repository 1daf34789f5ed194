"""The canonical definition: what is under the digests, what is not, and that a pin gives it back."""

import json
from collections.abc import Mapping

import pytest

from tallystick.registry import definition
from tallystick.registry.digest import digest_definition
from tests.registry.definition.said import MODERN, SESSIONS, pin, saying, tool

PROMPTS = [{"name": "greet", "description": "Greets.", "arguments": [{"name": "who"}]}]
TEMPLATES = [{"uriTemplate": "desk://{day}", "name": "day"}]


def test_a_tools_digest_is_the_one_that_its_pin_has_always_had() -> None:
    known = definition.of_document(pin())
    assert known.newest.tools is not None
    assert known.newest.tools["pay"].digest == digest_definition(tool())


@pytest.mark.parametrize(
    "members",
    [
        {"description": "Pays a bill ."},
        {"title": "Pay"},
        {"inputSchema": {}},
        {"outputSchema": {}},
        {"annotations": {"readOnlyHint": True}},
    ],
)
def test_whatever_a_model_can_see_of_a_tool_is_under_its_digest_and_that_of_the_whole(
    members: Mapping[str, object],
) -> None:
    one, other = definition.of_document(pin()), definition.of_document(pin(tool() | dict(members)))
    assert one.digest != other.digest


def test_what_only_a_transport_or_a_host_sees_is_not_under_the_digest() -> None:
    changed = tool(_meta={"a": 1}, icons=[{"src": "x"}], execution={})
    assert definition.of_document(pin(changed)).digest == definition.of_document(pin()).digest


@pytest.mark.parametrize(
    "changed",
    [
        pin(eras=saying("Be cruel.")),
        pin(eras=saying(None)),
        pin(prompts=PROMPTS),
        pin(prompts=[]),
        pin(resource_templates=TEMPLATES),
        pin(tool(), tool("other")),
    ],
)
def test_instructions_prompts_and_templates_are_under_the_digest_of_the_whole(changed: dict[str, object]) -> None:
    assert definition.of_document(changed).digest != definition.of_document(pin()).digest


def test_the_order_of_members_and_of_lists_does_not_matter() -> None:
    tools = [tool(), tool("other")]
    turned = [dict(reversed(list(one.items()))) for one in reversed(tools)]
    assert definition.of_document(pin(*tools)).digest == definition.of_document(pin(*turned)).digest


def test_a_pin_gives_back_the_definition_that_it_approves() -> None:
    none: dict[str, object] = {}
    eras = {MODERN: {"instructions": "a", "capabilities": none}, SESSIONS: {"instructions": "b"}}
    variants = {SESSIONS: {"tools": [tool(description="For old clients.")]}}
    known = definition.of_document(pin(eras=eras, prompts=PROMPTS, resource_templates=TEMPLATES, variants=variants))
    document = definition.pin_document(known, "2026-11-21T00:00:00Z")
    assert isinstance(document, dict)
    assert document["variants"] == variants
    again = definition.of_document(json.loads(json.dumps(document, sort_keys=True)))
    assert (again.digest, list(again.eras)) == (known.digest, [MODERN, SESSIONS])
    older = again.eras[SESSIONS].tools
    assert older is not None
    assert older["pay"].definition["description"] == "For old clients."


def test_a_pin_from_before_knows_nothing_of_prompts_or_of_other_versions() -> None:
    eras = {MODERN: {}, SESSIONS: {"instructions": "b"}}
    old = definition.of_document(pin(eras=eras))
    assert (old.newest.prompts, old.newest.resource_templates) == (None, None)
    assert (old.eras[SESSIONS].tools, old.eras[SESSIONS].instructions) == (None, "b")
    again = definition.pin_document(old, "")
    assert isinstance(again, dict)
    assert "variants" not in again


@pytest.mark.parametrize(
    ("listed", "flaw"),
    [([tool(), tool()], "twice"), ([tool(inputSchema={"maximum": 2**60})], "no canonical form")],
)
def test_what_can_stand_for_nothing_cannot_be_pinned_and_equals_nothing(
    listed: list[dict[str, object]], flaw: str
) -> None:
    known = definition.of_document(pin(*listed))
    refused = definition.pin_document(known, "")
    assert isinstance(refused, str)
    assert flaw in refused
    assert definition.compare(known.newest, known.newest, known.digest).quarantine.keys() == {"pay"}


def test_a_tool_without_a_name_is_no_tool() -> None:
    assert definition.of_document(pin(tool(), {"description": "nameless"}, tool(""))).newest.tools == (
        definition.of_document(pin()).newest.tools
    )
