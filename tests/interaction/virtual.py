"""Toolsets over the desks of the first world: with overrides, rules for collisions, audiences and grants."""

import json
from pathlib import Path

import msgspec

from tests.interaction.configuration import copy_configuration, write
from tests.interaction.stage import Json, Stage

ENDS_AT = 4_102_444_800.0
"""2100-01-01T00:00:00Z, when the grants here end."""

TELLER = """
tenant: bank
conflicts: priority
priority: [desk, risk]
members:
  - {server: desk, tools: [echo, add, big, fail, transfer], prompts: [greet, insult], resources: ["desk://*"]}
  - {server: risk, tools: [echo, refuse]}
exclude:
  - {resources: ["desk://rates/public-secret"]}
overrides:
  tools:
    desk/echo: {name: say, title: Say, description: Says it again.}
    desk/transfer: {fixed: {account: house}, arguments: {amount: {maximum: 50}}}
    desk/add: {trim: {fields: {drop: [$.total]}}}
    desk/big: {trim: {bytes: 8}}
    desk/fail: {trim: {bytes: 12, fields: {keep: [$.nothing]}}}
  prompts:
    desk/greet: {name: hello, description: Greets.}
"""
CLOSED = """
tenant: bank
members: [{server: desk, tools: [echo, add], prompts: [greet]}]
audience: {people: [grace], groups: [chiefs]}
"""
LACKING = """
tenant: bank
members: [{server: desk, tools: [echo]}, {server: nowhere}, {server: hasty}, {server: risk, tools: [echo, gone]}]
"""

LOOKERS = """
@id("lookers-list")
permit (
  principal in Group::"lookers",
  action in [Action::"mcp/prompts/list", Action::"mcp/resources/templates/list"],
  resource
);
"""
"""They may list what they may not ask for."""


def grant(to: str, more: str = "", expires: str = "2100-01-01T00:00:00Z") -> str:
    """Return a grant for the closed toolset."""
    return f"tenant: bank\ntoolset: closed\nto: {to}\npurpose: month end\nexpires: '{expires}'\n{more}"


async def write_virtual(stage: Stage, to: Path) -> Path:
    """Copy the configuration of a running stage and add the toolsets; what its servers offer is pinned with them."""
    config = copy_configuration(stage.places.config, to)
    write(config, "toolsets/teller.yaml", TELLER)
    write(config, "toolsets/closed.yaml", CLOSED)
    write(config, "toolsets/lacking.yaml", LACKING)
    write(config, "policies/lookers.cedar", LOOKERS)
    write(config, "grants/hal.yaml", grant("{people: [hal]}"))
    write(config, "grants/ivy.yaml", grant("{people: [ivy]}", "tools: [desk__echo]\n"))
    write(config, "grants/joe.yaml", grant("{people: [joe]}", expires="2020-01-01T00:00:00Z"))
    write(config, "grants/kim.yaml", grant("{people: [kim]}", "state: in_review\n"))
    hasty = (config / "servers" / "hasty.yaml").read_text()
    write(config, "servers/hasty.yaml", f"{hasty}state: suspended\n")
    pin = msgspec.json.decode((config / "pins" / "desk.json").read_bytes(), type=Json)
    pin["prompts"] = await _listed(stage, "prompts/list", "prompts")
    pin["resource_templates"] = await _listed(stage, "resources/templates/list", "resourceTemplates")
    write(config, "pins/desk.json", json.dumps(pin))
    return config


async def _listed(stage: Stage, method: str, member: str) -> list[Json]:
    message = msgspec.json.decode((await stage.post("servers/desk", method)).content, type=Json)
    return msgspec.convert(msgspec.convert(message["result"], Json)[member], list[Json])
