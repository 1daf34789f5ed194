"""Hostile input: refused or read, never half, never with an exception, and never with something left unsaid."""

import json
from pathlib import Path

import pytest

from tallystick.registry import imports
from tests.registry.imports.leaves import (
    BANK,
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

REFUSED = {
    "deep JSON": (b'{"mcpServers":' + b'{"a":' * 3000 + b"1" + b"}" * 3001, None, "nest"),
    "deep lists": (b"[" * 100_000, None, "nest"),
    "deep YAML": (b"a:\n" + b"".join(b" " * depth + b"b:\n" for depth in range(1, 90)), "goose", "nest"),
    "a key twice in JSON": (b'{"mcpServers": {"a": {"url": "https://x"}, "a": {"url": "https://y"}}}', None, "twice"),
    "a key twice in YAML": (b"extensions: {}\nextensions: {}\n", "goose", "twice"),
    "a key twice in TOML": (b"[mcp_servers.a]\nurl='https://x'\n[mcp_servers.a]\nurl='https://y'\n", "codex", ""),
    "an alias": (b"registry: &a {x: 1}\nmore: *a\n", "docker-catalog", "alias"),
    "a billion laughs": (b"a: &a [x, x]\nb: &b [*a, *a]\nregistry: {b: *b}\n", None, "alias"),
    "a tag": (b"registry: !!python/object/apply:os.system ['id']\n", "docker-catalog", ""),
    "no UTF-8": (b'{"mcpServers": "\xff"}', "claude-code", "UTF-8"),
    "a list": (b"[1, 2]", None, "mapping"),
    "nothing": (b"", None, "format"),
    "an open comment": (b'{"mcpServers": {} /* }', "claude-code", "comment"),
    "an open text": (b'{"mcpServers', "claude-code", "closed"),
    "too large": (b" " * (4 * 1024 * 1024 + 1), None, "larger"),
    "too large for YAML": (b"registry: {}\n" + b"# \n" * 1_000_000, "docker-catalog", "larger"),
    "NaN": (b'{"mcpServers": {"a": {"url": "https://x", "timeout": NaN}}}', "claude-code", "NaN"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_be_read_in_two_ways_or_not_at_all_is_refused(name: str) -> None:
    raw, wanted, word = REFUSED[name]
    found = imports.read(raw, wanted, BANK)
    assert not isinstance(found, imports.Imported)
    assert word in f"{found[0].what} {found[0].remedy}"


@pytest.mark.parametrize("sample", [each for each in samples() if each.suffix != ".toml"], ids=lambda each: each.name)
@pytest.mark.parametrize("value", [None, 7, True, [], {}, [1, {"a": []}], {"b": [None]}, "", "\u202e\x00", -1.5])
def test_a_value_of_another_kind_is_carried_or_reported_too(sample: Path, value: object) -> None:
    document, wanted = load(sample), format_of(sample)
    paths = sorted({path[:length] for path, _ in leaves(document) for length in range(1, len(path) + 1)}, key=str)
    for path in paths[:: max(1, len(paths) // 9)]:
        other = changed(document, path, value)
        found = read_json(other, wanted)
        told = [entry.place for entry in (*found.carried, *found.report)]
        silent = [leaf for leaf, _ in leaves(other) if not any(is_below(pointer(leaf), place) for place in told)]
        assert silent == [], path


def test_names_become_valid_and_unique_and_it_is_said() -> None:
    names = ["Wetter & Klima", "wetter-klima", "wetter klima", "\u202eevil", "a" * 90, "__", "Ünïcode", "already"]
    servers = {name: {"url": "https://mcp.example.com/mcp"} for name in names}
    found = imports.read(json.dumps({"mcpServers": servers}).encode(), "cursor", BANK, frozenset({"already"}))
    assert isinstance(found, imports.Imported)
    given = [proposal.name for proposal in found.documents]
    assert given == [
        "wetter-klima",
        "wetter-klima-2",
        "wetter-klima-3",
        "evil",
        "a" * 63,
        "server",
        "unicode",
        "already-2",
    ]
    assert sum("is named" in entry.what for entry in found.report) == len(names)


def test_a_package_cannot_smuggle_options_into_its_runner() -> None:
    for kind, identifier in [
        ("npm", "--registry=https://evil.example"),
        ("pypi", "--index-url"),
        ("oci", "-v=/:/host"),
        ("oci", "image --privileged"),
        ("npm", "a b"),
        ("nuget", "-x"),
        ("made-up", "fine"),
    ]:
        package = {"registryType": kind, "identifier": identifier, "transport": {"type": "stdio"}}
        found = read_json({"name": "a/b", "packages": [package]}, "server.json")
        assert found.documents == ()
        assert any(entry.place == "/packages/0" for entry in found.report)


def test_what_a_catalog_says_of_the_machine_is_never_carried() -> None:
    entry = {
        "image": "mcp/x",
        "type": "server",
        "volumes": ["/var/run/docker.sock:/var/run/docker.sock"],
        "user": "0:0",
        "privileged": True,
        "extraHosts": ["metadata:169.254.169.254"],
    }
    found = read_json({"registry": {"x": entry}}, "docker-catalog")
    command = json.dumps([proposal.spec for proposal in found.documents])
    assert "docker.sock" not in command
    assert "169.254" not in command
    assert "privileged" not in command
    why = {left.place: left.why for left in found.report}
    for field in ("volumes", "user", "privileged", "extraHosts"):
        assert "never for a catalog" in why[f"/registry/x/{field}"]


def test_arguments_of_the_program_that_runs_a_package_are_never_carried() -> None:
    argument = {"type": "named", "name": "--volume", "value": "/:/host"}
    package = {
        "registryType": "oci",
        "identifier": "mcp/x",
        "transport": {"type": "stdio"},
        "runtimeArguments": [argument],
    }
    found = read_json({"name": "a/b", "packages": [package]}, "server.json")
    assert found.documents[0].spec["transport"] == {"stdio": {"command": ["docker", "run", "-i", "--rm", "mcp/x"]}}
    assert {left.place: left.why for left in found.report}["/packages/0/runtimeArguments"].endswith("machine to it")


def test_a_key_that_is_itself_a_credential_is_not_repeated_in_the_report() -> None:
    key = "ghp_" + "a1B2" * 9
    found = read(json.dumps({"mcpServers": {"x": {"url": "https://mcp.example.com", key: 1}}}).encode(), "cursor")
    assert key not in repr(found)


def test_five_thousand_servers_are_read_without_growing_slower_with_each() -> None:
    servers = {f"s{number}": {"url": f"https://mcp.example.com/{number}", "x": 1} for number in range(5000)}
    found = read(json.dumps({"mcpServers": servers}).encode(), "cursor")
    assert len(found.documents) == len(found.report) == 5000


STEERING = ["LD_PRELOAD", "npm_config_registry", "NODE_OPTIONS", "UV_INDEX_URL", "PYTHONPATH", "DOCKER_HOST", "PATH"]


@pytest.mark.parametrize("name", STEERING)
def test_no_import_changes_what_a_runner_fetches_or_loads_by_its_environment(name: str) -> None:
    variables = [{"name": name, "value": "tcp://evil.example"}, {"name": "REGION", "value": "eu"}]
    package = {"registryType": "npm", "identifier": "@acme/time", "version": "1.0.0"}
    published = {"name": "io.acme/time", "packages": [{**package, "environmentVariables": variables}]}
    env = {name: "tcp://evil.example", "REGION": "eu"}
    client = {"mcpServers": {"time": {"command": "npx", "args": ["@acme/time"], "env": env}}}
    for document in (published, client):
        found = imports.read(json.dumps(document).encode(), None, BANK)
        assert isinstance(found, imports.Imported)
        assert "'env': {'REGION': 'eu'}" in str(found.documents[0].spec)
        assert any(name in left.what for left in found.report)


@pytest.mark.parametrize("name", ["GITHUB_HOST", "GEMINI", "LDAP_URL", "GITLAB", "NODES", "PATHS"])
def test_a_variable_of_the_server_itself_is_carried(name: str) -> None:
    client = {"mcpServers": {"time": {"command": "npx", "args": ["@acme/time"], "env": {name: "eu"}}}}
    found = imports.read(json.dumps(client).encode(), None, BANK)
    assert isinstance(found, imports.Imported)
    assert name in str(found.documents[0].spec)
