"""Every format has a sample; what is in a sample is carried over or reported, and secrets are neither."""

import json
from pathlib import Path

import pytest

from tallystick.registry import Registry, imports
from tallystick.registry.reading import parse
from tests.registry.imports.leaves import (
    BANK,
    SECRET,
    changed,
    format_of,
    is_below,
    leaves,
    load,
    pointer,
    read,
    read_json,
    samples,
)

DECIDES = {"transport", "transport.http", "transport.stdio", "conflicts", "members", "tools.*"}
"""Where a field goes that decides something and is not written down as it was."""
SAME_AS_ANOTHER = {
    "antigravity",
    "claude-desktop",
    "factory",
    "jetbrains-ai",
    "junie",
    "kimi-cli",
    "lm-studio",
    "qoder",
    "roo-code",
    "trae",
    "vscode-insiders",
    "warp",
}
"""Clients whose files look like another's: they are read alike, and only their name tells them apart."""

every_sample = pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
SYNTAX_IS_JSON = [sample for sample in samples() if sample.suffix != ".toml"]


def test_every_format_has_a_sample() -> None:
    assert {format_of(sample) for sample in samples()} == set(imports.FORMATS)


@every_sample
def test_every_leaf_is_carried_or_reported(sample: Path) -> None:
    found = read(sample.read_bytes(), format_of(sample))
    told = [entry.place for entry in (*found.carried, *found.report)]
    silent = [place for path, _ in leaves(load(sample)) if not any(is_below(place := pointer(path), up) for up in told)]
    assert silent == []


@every_sample
def test_what_is_said_to_be_carried_is_in_a_document(sample: Path) -> None:
    found = read(sample.read_bytes(), format_of(sample))
    written = json.dumps([(proposal.name, proposal.spec) for proposal in found.documents])
    noted = {entry.place for entry in found.report}
    values = {pointer(path): value for path, value in leaves(load(sample))}
    for entry in found.carried:
        value = values.get(entry.place)
        if entry.to in DECIDES or entry.place in noted or entry.to.startswith("limits") or not isinstance(value, str):
            continue
        assert json.dumps(value)[1:-1] in written or (entry.to == "name" and value), entry


@pytest.mark.parametrize("sample", SYNTAX_IS_JSON, ids=lambda sample: sample.name)
def test_a_leaf_with_another_value_is_found_again_or_reported(sample: Path) -> None:
    document, wanted = load(sample), format_of(sample)
    for path, value in leaves(document):
        if not isinstance(value, str) or not path:
            continue
        found = read_json(changed(document, path, "zq-marker"), wanted)
        written = json.dumps([(proposal.name, proposal.spec) for proposal in found.documents])
        place = pointer(path)
        assert "zq-marker" in written or any(is_below(place, entry.place) for entry in found.report), place


@every_sample
def test_no_secret_of_a_sample_is_in_what_is_imported(sample: Path) -> None:
    found = read(sample.read_bytes(), format_of(sample))
    assert SECRET not in repr(found)
    if SECRET in sample.read_text() or "isSecret" in sample.read_text():
        assert found.secrets


@every_sample
def test_proposals_are_documents_that_the_registry_reads(sample: Path) -> None:
    found = read(sample.read_bytes(), format_of(sample))
    documents: dict[str, dict[str, object]] = {"tenants/bank.yaml": {"name": "bank", "title": "Bank"}}
    for proposal in found.documents:
        folder = {"Server": "servers", "Toolset": "toolsets"}[proposal.kind]
        documents[f"{folder}/{proposal.name}.yaml"] = {"name": proposal.name, "tenant": "bank", **proposal.spec}
    for member in _members(found):
        usual: dict[str, object] = {
            "name": member,
            "tenant": "bank",
            "transport": {"http": {"url": "https://mcp.example.com/mcp"}},
        }
        documents.setdefault(f"servers/{member}.yaml", usual)
    registry = parse(documents)
    assert isinstance(registry, Registry), [str(problem) for problem in registry]
    assert {proposal.name for proposal in found.documents} <= {*registry.servers, *registry.toolsets}


def _members(found: imports.Imported) -> list[str]:
    """The servers that a virtual server names and that exist elsewhere."""
    named = [proposal.spec.get("members") for proposal in found.documents if proposal.kind == "Toolset"]
    return [str(dict(member)["server"]) for members in named if isinstance(members, list) for member in members]  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


@every_sample
def test_tools_are_proposed_without_a_classification(sample: Path) -> None:
    for proposal in read(sample.read_bytes(), format_of(sample)).documents:
        if proposal.kind == "Server":
            tools = proposal.spec["tools"]
            assert isinstance(tools, dict)
            assert tools
            assert [tool for tool in tools.values() if tool != {}] == []  # pyright: ignore[reportUnknownVariableType] - JSON


@every_sample
def test_the_format_of_a_sample_is_guessed(sample: Path) -> None:
    wanted, guessed = format_of(sample), read(sample.read_bytes(), None)
    if wanted not in SAME_AS_ANOTHER:
        assert guessed.format == wanted
    assert [proposal.spec for proposal in guessed.documents] == [
        proposal.spec for proposal in read(sample.read_bytes(), wanted).documents
    ]


def test_what_a_tools_annotations_propose_is_told_and_not_taken() -> None:
    tool = {"name": "spot", "annotations": {"readOnlyHint": True}}
    server = {"type": "server", "image": "mcp/fx", "tools": [tool, {"name": "odd", "annotations": "x"}]}
    found = read_json({"registry": {"fx": server}}, "docker-catalog")
    told = {left.place: left.what for left in found.report if left.place.endswith("/annotations")}
    assert told == {
        "/registry/fx/tools/0/annotations": "propose read, low, R0",
        "/registry/fx/tools/1/annotations": "propose nothing",
    }
    assert found.documents[0].spec["tools"] == {"spot": {}, "odd": {}}


def test_an_order_of_servers_that_are_no_members_is_not_taken() -> None:
    aggregation = {
        "conflictResolution": "priority",
        "conflictResolutionConfig": {"priorityOrder": ["b", "gone", "a", "b"]},
        "tools": [{"workload": "a"}, {"workload": "b"}],
    }
    found = read_json({"name": "x", "aggregation": aggregation}, "toolhive-vmcp")
    assert found.documents[0].spec["priority"] == ["b", "a"]
    order = "/aggregation/conflictResolutionConfig/priorityOrder"
    assert [left.place for left in found.report if left.place.startswith(order)] == [f"{order}/1", f"{order}/3"]


def test_an_unknown_format_is_told_with_the_nearest() -> None:
    found = imports.read(b"{}", "claude-cod", BANK)
    assert not isinstance(found, imports.Imported)
    assert "claude-code" in found[0].remedy
