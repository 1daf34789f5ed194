"""What is taken for a secret, and what is not."""

import json

import pytest

from tallystick.registry.imports.secrecy import filled_in, named_secret, secret_value, token
from tests.registry.imports.leaves import read_json

SECRET_NAMES = [
    "GITHUB_TOKEN",
    "apiKey",
    "API_KEY",
    "X-Api-Key",
    "Authorization",
    "PASSWORD",
    "pgPass",
    "CLIENT_SECRET",
    "Cookie",
    "DATABASE_DSN",
    "OPENAI_KEY",
    "--auth",
    "privateKey",
    "SENTRY_AUTH",
    "webhook_url",
]
PLAIN_NAMES = ["MODE", "KEYBOARD", "AUTHOR", "TZ", "LOG_LEVEL", "MONKEY", "PATH", "--read-only", "compass", "REGION"]
SECRET_VALUES = [
    "ghp_" + "a1B2" * 9,
    "Bearer abcdefghij",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.x",
    "postgresql://reader:hunter22@db.example.com/ledger",
    "-----BEGIN RSA PRIVATE KEY-----",
    "9f86d081884c7d659a2feaa0c55ad015",
    "sk-proj-abcdef123456",
]
PLAIN_VALUES = [
    "",
    "info",
    "https://mcp.example.com/mcp",
    "/srv/ledger/2026",
    "@modelcontextprotocol/server-filesystem@2026.1.14",
    "europe-west4",
    "2026-03-01T00:00:00Z",
    "mcp-server-time==1.0.0",
    "GITHUB_PERSONAL_ACCESS_TOKEN",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
def test_a_name_of_a_secret_is_known(name: str) -> None:
    assert named_secret(name)


@pytest.mark.parametrize("name", PLAIN_NAMES)
def test_a_plain_name_is_no_secret(name: str) -> None:
    assert not named_secret(name)


@pytest.mark.parametrize("value", SECRET_VALUES)
def test_a_value_of_a_secret_is_known(value: str) -> None:
    assert secret_value(value)


@pytest.mark.parametrize("value", PLAIN_VALUES)
def test_a_plain_value_is_no_secret(value: str) -> None:
    assert not secret_value(value)
    assert not token(value)


@pytest.mark.parametrize("value", ["${input:x}", "$TOKEN", "{{fx.user}}", "%APPDATA%", "{region}", "<YOUR_KEY>"])
def test_what_a_client_fills_in_is_known(value: str) -> None:
    assert filled_in(value)


@pytest.mark.parametrize("secret", SECRET_VALUES)
def test_a_secret_is_carried_from_no_place_of_a_server(secret: str) -> None:
    entry = {
        "command": "run",
        "args": [f"--level={secret}", secret, "--password", secret, "-e", f"PGPASS={secret}", "-H", f"X-Key: {secret}"],
        "env": {"PLAIN": secret, "API_KEY": "short"},
        "cwd": "/srv",
        "description": "plain",
    }
    found = read_json({"mcpServers": {"a": entry}}, "claude-code")
    assert secret not in repr(found)
    assert "short" not in json.dumps([proposal.spec for proposal in found.documents])
    assert {reference.by for reference in found.secrets} == {"argument", "env"}
    assert found.documents[0].spec["transport"] == {"stdio": {"command": ["run", "-e", "-H"], "cwd": "/srv"}}


def test_a_token_in_a_description_keeps_the_description_out() -> None:
    token_in_text = "call it with ghp_" + "a1B2" * 9
    entry = {"command": "run", "description": token_in_text, "cwd": token_in_text}
    found = read_json({"mcpServers": {"a": entry}}, "claude-code")
    assert token_in_text not in repr(found)
    assert {"/mcpServers/a/description", "/mcpServers/a/cwd"} <= {left.place for left in found.report}


def test_a_url_is_carried_without_what_is_secret_in_it() -> None:
    servers = {
        "user": {"url": "https://reader:hunter22@mcp.example.com/mcp"},
        "query": {"url": "https://mcp.example.com/mcp?token=abc&region=eu&sig=1"},
        "path": {"url": "https://mcp.example.com/9f86d081884c7d659a2feaa0c55ad015/mcp"},
    }
    found = read_json({"mcpServers": servers}, "claude-code")
    urls = {proposal.name: proposal.spec["transport"] for proposal in found.documents}
    assert urls == {
        "user": {"http": {"url": "https://mcp.example.com/mcp"}},
        "query": {"http": {"url": "https://mcp.example.com/mcp?region=eu"}},
    }
    assert [(each.server, each.by) for each in found.secrets] == [("user", "url"), ("query", "url"), ("path", "url")]
    assert "hunter22" not in repr(found)
    assert "abc" not in repr(found)
