"""A small sound configuration, as files."""

import json


def _tool(name: str, **properties: str) -> dict[str, object]:
    typed = {member: {"type": kind} for member, kind in properties.items()}
    return {"name": name, "description": name, "inputSchema": {"type": "object", "properties": typed}}


_PIN: dict[str, object] = {
    "server": "bank",
    "pinned_at": "2026-01-01T00:00:00Z",
    "eras": {"2026-07-28": {"capabilities": {"tools": {}}}, "2025-11-25": {"protocolVersion": "2025-11-25"}},
    "tools": [_tool("get_account", id="string"), _tool("pay", amount_minor="integer"), _tool("unlisted")],
}
_CLOCK: dict[str, object] = {"server": "clock", "eras": {"2026-07-28": {}}, "tools": [_tool("now")]}

FILES: dict[str, bytes] = {
    "tally.yaml": b"gateway: {listen_port: 0}\n",
    "tenants/group.yaml": b"title: Group\n",
    "tenants/retail.yaml": b"title: Retail\nparent: group\n",
    "issuers/corp.yaml": b"issuer: https://idp.example\ntenant: retail\n",
    "servers/bank.yaml": b"""tenant: retail
transport: {http: {url: 'https://bank.example/mcp'}}
tools:
  get_account: {operation: read, risk: low}
  pay: {operation: write, risk: high}
""",
    "servers/clock.yaml": b"""tenant: retail
transport: {stdio: {command: [clock]}}
tools: {'*': {operation: read, risk: low}}
""",
    "toolsets/desk.yaml": b"tenant: retail\nmembers: [{server: bank, tools: [pay]}, {server: clock}]\n",
    "pins/bank.json": json.dumps(_PIN).encode(),
    "pins/clock.json": json.dumps(_CLOCK).encode(),
    "policies/desk.cedar": b"""
@id("connect") permit(principal, action == Action::"connect", resource);
@id("read") permit(principal, action in Action::"read", resource);
""",
}
