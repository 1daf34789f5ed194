"""What is quarantined: a tool for itself, the server for what cannot be hidden by the piece, and nothing new."""

import pytest

from tallystick.registry import definition
from tests.registry.definition.said import Json, pin, saying, tool

PROMPT: Json = {"name": "greet", "description": "Greets."}
TEMPLATE: Json = {"uriTemplate": "desk://{day}", "name": "day"}


def _compare(before: Json, after: Json) -> definition.model.Difference:
    pinned, observed = definition.of_document(before), definition.of_document(after)
    return definition.compare(pinned.newest, observed.newest, observed.digest)


def test_the_same_is_the_same() -> None:
    assert _compare(pin(), pin()).same


def test_a_changed_tool_is_quarantined_and_no_other() -> None:
    changed = tool("b", description="Changed.")
    found = _compare(pin(tool("a"), tool("b")), pin(tool("a"), changed))
    observed = definition.of_document(pin(changed)).newest.tools
    assert observed is not None
    assert found.quarantine == {"b": observed["b"].digest}


def test_a_new_tool_and_one_that_is_gone_quarantine_nothing() -> None:
    found = _compare(pin(tool("a"), tool("b")), pin(tool("a"), tool("c")))
    assert (found.quarantine, found.new, found.gone) == ({}, ("tools/c",), ("tools/b",))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (pin(), pin(eras=saying("Be cruel."))),
        (pin(), pin(eras=saying(None))),
        (pin(prompts=[PROMPT]), pin(prompts=[PROMPT | {"description": "Greets the admin."}])),
        (pin(resource_templates=[TEMPLATE]), pin(resource_templates=[TEMPLATE | {"mimeType": "text/html"}])),
    ],
)
def test_what_cannot_be_hidden_by_the_piece_quarantines_the_server(before: Json, after: Json) -> None:
    assert list(_compare(before, after).quarantine) == ["*"]


def test_what_was_never_pinned_is_not_compared() -> None:
    assert _compare(pin(), pin(prompts=[PROMPT], resource_templates=[TEMPLATE])).same


@pytest.mark.parametrize("part", ["prompts", "resource_templates"])
def test_a_new_prompt_or_template_is_told_and_quarantines_nothing(part: str) -> None:
    entry = PROMPT if part == "prompts" else TEMPLATE
    none: list[Json] = []
    found = _compare(pin(**{part: none}), pin(**{part: [entry]}))
    assert found.quarantine == {}
    assert found.new[0].startswith(f"{part}/")


def test_a_tool_that_is_listed_twice_is_not_the_one_that_was_approved() -> None:
    assert list(_compare(pin(tool()), pin(tool(), tool())).quarantine) == ["pay"]
