"""The configuration that the interaction tests serve: two tenants, servers over both transports, toolsets, policies."""

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_TOOLS = """
tools:
  echo: {operation: read, risk: low}
  add: {operation: read, risk: low}
  fail: {operation: read, risk: low}
  refuse: {operation: read, risk: low}
  refuse_late: {operation: read, risk: low}
  steps: {operation: read, risk: low}
  hold: {operation: read, risk: low}
  release: {operation: read, risk: low}
  big: {operation: read, risk: low}
  transfer: {operation: write, risk: high}
  close_account: {operation: delete, risk: critical}
  wipe: {operation: execute, risk: critical}
"""
_USUAL = "limits: {timeout_s: 60, result_bytes: 1048576, in_flight: 64}\n"
_LIMITS = {
    "hasty": "limits: {timeout_s: 0.3, result_bytes: 1048576, in_flight: 64}\n",
    "small": "limits: {timeout_s: 60, result_bytes: 4096, in_flight: 1}\n",
    "small-line": "limits: {timeout_s: 60, result_bytes: 4096, in_flight: 1}\n",
}
DESKS = ("desk", "line", "hasty", "small", "small-line")
"""Servers with the desk's tools; `line` and those that end so over stdio, the others at the desk's URL."""

UNBOUNDED = "identity: {refused_per_minute: 1000000}\n"
"""These tests are refused hundreds of times a minute, and each refusal is to have its leaf."""

POLICIES = """
@id("connect")
permit (principal, action == Action::"connect", resource) when { principal.tenant == Tenant::"bank" };

@id("clerks-read")
permit (principal in Group::"clerks", action in Action::"read", resource);

@id("clerks-small-transfers")
permit (principal in Group::"clerks", action in [Action::"desk/transfer", Action::"line/transfer"], resource)
when { context.arguments.amount <= 100 };

@id("clerks-close-with-approval")
@obligation("approve")
permit (principal in Group::"clerks", action in Action::"delete", resource);

@id("nobody-wipes")
forbid (principal, action in Action::"execute", resource);

@id("clerks-look-around")
permit (
  principal in Group::"clerks",
  action in [Action::"mcp/resources/list", Action::"mcp/resources/templates/list", Action::"mcp/prompts/list"],
  resource
);

@id("clerks-read-rates")
permit (principal in Group::"clerks", action == Action::"mcp/resources/read", resource)
when { context.arguments has uri && context.arguments.uri like "desk://rates/public-*" };

@id("clerks-greet")
permit (principal in Group::"clerks", action == Action::"mcp/prompts/get", resource)
when { context.arguments has name && context.arguments.name == "greet" };
"""


def write_configuration(config: Path, journals: Path, origin: str) -> None:
    """Write everything but the pins. `origin` is where the servers over HTTP and the issuer listen."""
    write(
        config,
        "tally.yaml",
        "gateway: {listen_host: 127.0.0.1, listen_port: 0, max_request_bytes: 65536}\n" + UNBOUNDED,
    )
    write(config, "tenants/bank.yaml", "title: Bank\n")
    write(config, "tenants/branch.yaml", "title: Branch\n")
    write(
        config, "issuers/test.yaml", f"issuer: {origin}/issuer\ntenant_claim: tenant\nallow_special_addresses: true\n"
    )
    write(config, "policies/bank.cedar", POLICIES)
    for name in DESKS:
        way = stdio(journals / f"{name}.jsonl") if name.endswith("line") else http(f"{origin}/desk/mcp")
        write_server(config, name, way, _LIMITS.get(name, _USUAL) + _TOOLS)
    write_server(config, "risk", http(f"{origin}/risk/mcp"), _USUAL + _TOOLS)
    write_server(config, "odd", http(f"{origin}/odd/mcp"), _USUAL + 'tools: {"*": {operation: read, risk: low}}\n')
    for toolset, members in {"desks": "desk", "lines": "line"}.items():
        write_toolset(config, toolset, members, "risk")


def http(url: str) -> str:
    """Return the transport of a server at a loopback URL."""
    return f"transport: {{http: {{url: '{url}', allow_special_addresses: true}}}}\n"


def stdio(journal: Path) -> str:
    """Return the transport of a desk as a process."""
    command = json.dumps([sys.executable, "-m", "tests.interaction.desk", "--stdio", "--journal", str(journal)])
    return f"transport: {{stdio: {{command: {command}, cwd: {json.dumps(str(ROOT))}}}}}\n"


def write_server(config: Path, name: str, transport: str, rest: str) -> None:
    """Write `servers/<name>.yaml`."""
    write(config, f"servers/{name}.yaml", f"tenant: bank\n{transport}{rest}")


def write_toolset(config: Path, name: str, *servers: str) -> None:
    """Write `toolsets/<name>.yaml` of whole servers."""
    members = ", ".join(f"{{server: {server}}}" for server in servers)
    write(config, f"toolsets/{name}.yaml", f"tenant: bank\nmembers: [{members}]\n")


def copy_pin(config: Path, known: str, *names: str) -> None:
    """Pin servers as another one is pinned whose twins they are."""
    document = json.loads((config / "pins" / f"{known}.json").read_text())
    for name in names:
        write(config, f"pins/{name}.json", json.dumps({**document, "server": name}))


def write(config: Path, name: str, text: str) -> None:
    """Write one file of a configuration."""
    file = config / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def copy_configuration(config: Path, to: Path) -> Path:
    """Copy a configuration, so that a test may change it."""
    shutil.copytree(config, to)
    return to
