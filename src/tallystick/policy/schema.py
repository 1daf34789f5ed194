"""The Cedar schema and the entities that follow from the facts.

Principals: User (a person) and Agent (autonomous), both in Group. Their attributes are the caller: `client`, `issuer`,
`tenant`, `actors` (RFC 8693, outermost first), `agent` (the outermost actor, if any), `claims` ("name=value" texts).
They stand on the principal and not in the context because they are then parsed once per caller instead of once per call
(20 us of CPU). Resources: Tool in Server in Tenant in Tenant; Toolset in Tenant. Actions: one per tool,
`<server>/<tool>`, in its operation (read, write, delete, execute) in "call"; one per MCP method, `mcp/<method>`, in
"use"; and "connect". Context: `era` and `arguments`, the latter typed from each tool's pinned schema.
"""

from collections.abc import Mapping

from tallystick.policy.argument_types import Kind, Record, Scalar, arguments_kind, cedar_type
from tallystick.policy.model import METHODS, OPERATIONS, RISKS, Facts, ToolFacts, Uid, tool_action

_TEXT: dict[str, object] = {"type": "String"}
_TEXTS: dict[str, object] = {"type": "Set", "element": {"type": "String"}}
NO_ARGUMENTS = Record({}, frozenset())
METHOD_ARGUMENTS = Record({"uri": Scalar("String"), "name": Scalar("String")}, frozenset())
"""What policies see of the params of an MCP method: the resource's URI or the prompt's name, where there is one."""
METHOD_ACTIONS = (*(f"mcp/{method}" for method in sorted(METHODS)), "mcp/other")


def schema_json(facts: Facts) -> dict[str, object]:
    """Return the schema of all facts in Cedar's JSON format."""
    actions = {
        tool_action(tool.server, tool.tool): (tool.operation, arguments_kind(tool.input_schema)) for tool in facts.tools
    }
    # A guard-rail about an operation that no tool has yet must be writable before the first such tool arrives.
    for operation in sorted(set(OPERATIONS) - {tool.operation for tool in facts.tools}):
        actions[stand_in(operation)] = (operation, NO_ARGUMENTS)
    return schema_of(actions)


def schema_of(tools: Mapping[str, tuple[str, Record]]) -> dict[str, object]:
    """Return a schema with these tools' actions: action -> (operation, type of the arguments)."""
    actions: dict[str, object] = {"call": {}, "use": {}, "connect": _action([], ["Server", "Toolset"], NO_ARGUMENTS)}
    actions |= {operation: {"memberOf": [{"id": "call"}]} for operation in OPERATIONS}
    actions |= {name: _action(["use"], ["Server"], METHOD_ARGUMENTS) for name in METHOD_ACTIONS}
    actions |= {name: _action([operation], ["Tool"], kind) for name, (operation, kind) in tools.items()}
    return {"": {"entityTypes": _entity_types(), "actions": actions}}


def stand_in(operation: str) -> str:
    """Return the action that stands for tools of an operation that do not exist yet; a server's name holds no colon."""
    return f"operation:{operation}"


def _entity_types() -> dict[str, object]:
    principal = {
        "memberOfTypes": ["Group"],
        "shape": _shape(
            {
                "client": _TEXT,
                "issuer": _TEXT,
                "tenant": {"type": "Entity", "name": "Tenant"},
                "actors": _TEXTS,
                "agent": {**_TEXT, "required": False},
                "claims": _TEXTS,
            }
        ),
    }
    tool = {"operation": _TEXT, "risk": _TEXT, "rank": {"type": "Long"}, "labels": _TEXTS}
    return {
        "Group": {},
        "User": principal,
        "Agent": principal,
        "Tenant": {"memberOfTypes": ["Tenant"]},
        "Server": {"memberOfTypes": ["Tenant"]},
        "Toolset": {"memberOfTypes": ["Tenant"]},
        "Tool": {"memberOfTypes": ["Server"], "shape": _shape(tool)},
    }


def _shape(attributes: Mapping[str, object]) -> dict[str, object]:
    return {"type": "Record", "attributes": dict(attributes)}


def _action(groups: list[str], resources: list[str], arguments: Kind) -> dict[str, object]:
    context = _shape({"era": _TEXT, "arguments": cedar_type(arguments)})
    applies = {"principalTypes": ["User", "Agent"], "resourceTypes": resources, "context": context}
    return {"memberOf": [{"id": group} for group in groups], "appliesTo": applies}


def entity(uid: Uid, parents: list[Uid], attributes: Mapping[str, object] | None = None) -> dict[str, object]:
    """Return one entity in Cedar's JSON format."""
    return {"uid": uid.json(), "attrs": dict(attributes or {}), "parents": [parent.json() for parent in parents]}


def tool_entity(tool: ToolFacts) -> dict[str, object]:
    """Return a tool with its attributes."""
    rank = RISKS.index(tool.risk) + 1
    attributes = {"operation": tool.operation, "risk": tool.risk, "rank": rank, "labels": list(tool.labels)}
    return entity(Uid("Tool", tool_action(tool.server, tool.tool)), [Uid("Server", tool.server)], attributes)


def action_entities(action: str, operation: str | None) -> list[dict[str, object]]:
    """Return an action and the groups it is in; `operation` is that of a tool's action."""
    if operation is not None:
        call = Uid("Action", "call")
        group = Uid("Action", operation)
        return [entity(Uid("Action", action), [group]), entity(group, [call]), entity(call, [])]
    groups = [Uid("Action", "use")] if action.startswith("mcp/") else []
    return [entity(Uid("Action", action), groups)]
