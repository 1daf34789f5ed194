"""Prompts and resources of a toolset: what is listed, and whose a URI is that somebody reads."""

import pytest

from tallystick.toolsets import Resources
from tests.toolsets.bank import Json, sound

HELD = {"*": {"since": "2026-01-01T00:00:00Z", "digest": "sha256:0", "why": "changed"}}


def _resources(toolset: Json, changes: dict[str, Json] | None = None) -> Resources:
    return sound(toolset, changes).resources


def _members(bank: list[str], risk: list[str]) -> list[Json]:
    return [{"server": "bank", "resources": bank}, {"server": "risk", "resources": risk}]


def test_without_a_pattern_nothing_is_offered() -> None:
    publication = sound({"members": [{"server": "bank"}]})
    assert (publication.prompts, publication.resources.readers, publication.asked) == ((), (), ())


def test_chosen_templates_are_listed_as_pinned_and_what_is_named_in_full_by_its_uri() -> None:
    found = _resources({"members": [{"server": "bank", "resources": ["bank://*", "bank://news"]}]})
    assert [entry.definition for entry in found.templates] == [{"uriTemplate": "bank://rates/{name}", "name": "rates"}]
    assert [entry.definition for entry in found.listed] == [{"uri": "bank://news", "name": "bank://news"}]


def test_an_override_describes_resources_and_prompts() -> None:
    overrides: Json = {
        "resources": {"bank://news": {"title": "News", "description": "Daily."}},
        "prompts": {"bank/greet": {"name": "hello", "description": "Greets."}},
    }
    member: Json = {"server": "bank", "resources": ["bank://news"], "prompts": ["gre*"]}
    publication = sound({"members": [member], "overrides": overrides})
    (news,), (hello,) = publication.resources.listed, publication.prompts
    assert (news.definition["title"], news.definition["description"]) == ("News", "Daily.")
    assert hello.definition == {"name": "hello", "title": "Greet", "description": "Greets."}
    assert (hello.server, hello.prompt) == ("bank", "greet")


@pytest.mark.parametrize(
    ("uri", "server"),
    [
        ("bank://rates/eur", "bank"),
        ("bank://other", "bank"),
        ("risk://limits", "risk"),
        ("risk://secret", None),
        ("risk://else", None),
        ("file:///etc/passwd", None),
        ("bank://" + "x" * 3_000, None),
    ],
)
def test_a_uri_is_of_the_server_for_which_it_was_chosen(uri: str, server: str | None) -> None:
    exclude: list[Json] = [{"servers": ["risk"], "resources": ["risk://secret"]}]
    members = _members(["bank://*"], ["risk://limits", "risk://secret"])
    assert _resources({"members": members, "exclude": exclude}).find(uri) == server


def test_a_chosen_template_lets_its_uris_be_read() -> None:
    found = _resources({"members": [{"server": "bank", "resources": ["bank://rates/{name}"]}]})
    assert found.find("bank://rates/eur") == "bank"
    assert found.find("bank://accounts/1") is None


def test_what_one_offers_and_the_other_only_might_is_the_ones() -> None:
    assert _resources({"members": _members(["*"], ["risk://limits"])}).find("risk://limits") == "risk"


def test_what_several_might_offer_is_nobodys_until_something_says_whose() -> None:
    members = _members(["x://*"], ["x://*"])
    assert _resources({"members": members}).find("x://a") is None
    first: Json = {"conflicts": "priority", "priority": ["risk", "bank"]}
    assert _resources({"members": members, **first}).find("x://a") == "risk"
    owned: Json = {"overrides": {"resources": {"x://a": {"server": "bank"}}}}
    assert _resources({"members": members, **owned}).find("x://a") == "bank"
    assert _resources({"members": members, **owned}).find("x://b") is None


@pytest.mark.parametrize(
    "change", [{"servers/risk.yaml": {"state": "suspended"}}, {"pins/risk.json": {"quarantined": HELD}}]
)
def test_what_is_held_back_is_nobody_elses_meanwhile(change: dict[str, Json]) -> None:
    rules: Json = {"conflicts": "priority", "priority": ["risk", "bank"]}
    members: list[Json] = [{"server": name, "resources": ["bank://*"], "prompts": ["*"]} for name in ("bank", "risk")]
    publication = sound({"members": members, **rules}, change)
    assert publication.resources.find("bank://rates/eur") is None
    assert publication.resources.templates == ()
    assert [prompt.name for prompt in publication.prompts] == ["close"]


def test_an_excluded_prompt_is_not_offered() -> None:
    members: list[Json] = [{"server": "bank", "prompts": ["*"]}]
    exclude: list[Json] = [{"prompts": ["clo*"]}]
    assert [prompt.prompt for prompt in sound({"members": members, "exclude": exclude}).prompts] == ["greet"]
    whole: list[Json] = [{"servers": ["bank"]}]
    assert sound({"members": members, "exclude": whole}).prompts == ()


@pytest.mark.parametrize(
    "uri",
    [
        "bank://open/../secret",
        "bank://open/%2e%2E/secret",
        "bank://open/%252e%252e/secret",
        "bank://open/..%2Fsecret",
        "bank://open/..\\secret",
        "bank://open/./../secret",
        "bank://open/..",
    ],
)
def test_a_path_that_climbs_out_of_what_was_chosen_is_nobodys(uri: str) -> None:
    found = _resources({"members": [{"server": "bank", "resources": ["bank://open/*"]}]})
    assert found.find(uri) is None
    assert found.find("bank://open/..hidden/a..b") == "bank"


@pytest.mark.parametrize("uri", ["bank://secret/a", "bank://%73ecret/a", "bank://%2573ecret/a", "BANK://Secret/a"])
def test_what_is_left_out_is_left_out_in_every_spelling(uri: str) -> None:
    exclude: list[Json] = [{"servers": ["bank"], "resources": ["bank://secret/*"]}]
    found = _resources({"members": [{"server": "bank", "resources": ["*"]}], "exclude": exclude})
    assert found.find(uri) is None
    assert found.find("bank://open/a") == "bank"


def test_nothing_is_read_of_a_server_that_was_never_pinned() -> None:
    server: Json = {"tenant": "retail", "transport": {"http": {"url": "https://new.example/mcp"}}}
    publication = sound({"members": [{"server": "new", "resources": ["new://*"]}]}, {"servers/new.yaml": server})
    assert publication.resources.find("new://a") is None
    assert "never pinned" in publication.notices[0].what
