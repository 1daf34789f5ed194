"""Reads a virtual MCP server of ToolHive (vMCP) as a toolset: its members, filters, overrides and conflict rule.

The same object is written in three ways: names in camelCase (now) or with underscores (older), and below `spec.config`
of a Kubernetes document. Who may come in is policy here, and policies are not translated.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from tallystick.registry.imports import draft
from tallystick.registry.imports.part import Part

_RULES: Final = {"prefix": "prefix", "priority": "priority", "manual": "manual"}
_NOT_HERE: Final[Mapping[str, tuple[str, str]]] = {
    "incomingAuth": (
        "callers are signed in by the issuers of the configuration, and its policies speak of other entities than ours",
        "write the policies anew: see the policy reference; name the toolset's audience",
    ),
    "outgoingAuth": ("the gateway holds no credentials for servers behind a URL", "let those servers sign callers in"),
    "compositeTools": ("no tool here is made of others", "let the agent call them one by one, each governed"),
    "rateLimiting": ("limits are set per server", "set limits.in_flight of the servers"),
    "operational": ("times and limits are set per server", "set limits.timeout_s of the servers"),
    "audit": ("every call is on record whatever a toolset says", "nothing"),
    "telemetry": ("a toolset has no telemetry of its own", "nothing"),
    "optimizer": ("tools are listed whole", "narrow the toolset instead"),
    "codeMode": ("no code of a model is run", "nothing"),
    "passthroughHeaders": ("no header of a caller is passed on", "let the servers do without"),
    "sessionStorage": ("sessions are sealed into their own ids", "nothing"),
    "tokenCache": ("the gateway holds no tokens for servers", "nothing"),
    "groupRef": ("a toolset names its servers itself", "add members that the group had and that are not named"),
    "group": ("a toolset names its servers itself", "add members that the group had and that are not named"),
}


def read_virtual(document: Part, drafts: draft.Drafts) -> None:
    """Propose a toolset for a vMCP configuration."""
    spec = document.part("spec")
    config = spec.part("config") if isinstance(spec.peek("config"), dict) else document
    for place in (config, spec):
        for key, (why, remedy) in _NOT_HERE.items():
            place.leave(_key(place, key), "is not carried over", why, remedy)
    wanted = config.peek("name") or document.part("metadata").peek("name")
    name = drafts.name(config, wanted if isinstance(wanted, str) else "toolset", "Toolset")
    title = config.text("name", "title") or document.part("metadata").text("name", "title")
    aggregation = config.part(_key(config, "aggregation"))
    members, overrides = _members(aggregation)
    if not members:
        why = "no server is named: all of its group were meant"
        config.note("has no members yet", why, "name the servers, then make the toolset")
        return
    toolset: dict[str, object] = {
        "title": title,
        "members": members,
        **_conflicts(aggregation, [str(member["server"]) for member in members]),
    }
    if overrides:
        toolset["overrides"] = {"tools": overrides}
    drafts.add("Toolset", name, toolset)


def _key(part: Part, name: str) -> str:
    """Return the key as it is written here: in camelCase, or with underscores as older files have it."""
    older = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    return older if part.has(older) and not part.has(name) else name


def _members(aggregation: Part) -> tuple[list[dict[str, object]], dict[str, object]]:
    members: dict[str, dict[str, object]] = {}
    overrides: dict[str, object] = {}
    for part in aggregation.part("tools").parts():
        workload = part.peek("workload")
        if not isinstance(workload, str) or not workload:
            continue
        server = draft.slug(workload)
        if server in members:
            part.leave(None, "names a server a second time", "a server is one member", "merge the two")
            continue
        if part.peek(_key(part, "excludeAll")) is True:
            part.leave(None, "stays out", "a toolset names nothing but what is in it", "nothing")
            continue
        part.carry("workload", "members")
        if server != workload:
            part.note(f'is the server "{server}" here', "names are small letters, digits and hyphens", "check the name")
        members[server] = {"server": server}
        filtered = part.texts("filter")
        if filtered:
            members[server]["tools"] = [_carried(tool, "members") for tool in filtered]
        overrides.update(_overrides(part, server))
    return list(members.values()), overrides


def _carried(tool: Part, to: str) -> str:
    tool.carry(None, to)
    return tool.string()


def _overrides(part: Part, server: str) -> Iterator[tuple[str, object]]:
    for override in part.part("overrides").parts():
        changed: dict[str, object] = {}
        place = f"overrides.tools.{server}/{override.key}"
        name = override.peek("name")
        if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_.-]{1,128}", name) is None:
            override.leave(
                "name", "is no name of a tool", "letters, digits, dot, hyphen and underscore", "choose another"
            )
        elif renamed := override.text("name", f"{place}.name"):
            changed["name"] = renamed
        if described := override.text("description", f"{place}.description"):
            changed["description"] = described
        if changed:
            yield f"{server}/{override.key}", changed


def _conflicts(aggregation: Part, members: list[str]) -> dict[str, object]:
    key = _key(aggregation, "conflictResolution")
    settings = aggregation.part(_key(aggregation, "conflictResolutionConfig"))
    why = "a prefix is always <server>__"
    settings.leave(_key(settings, "prefixFormat"), "is not carried over", why, "tell users of the tools' new names")
    rule = aggregation.word(key)
    if rule not in _RULES:
        return {}
    if rule != "priority":
        aggregation.carry(key, "conflicts")
        return {"conflicts": _RULES[rule]}
    order: list[str] = []
    for server in settings.texts(_key(settings, "priorityOrder")) or ():
        name = draft.slug(server.string())
        if name in members and name not in order:
            server.carry(None, "members")
            order.append(name)
        else:
            server.leave(None, "is not carried over", "it is no member, or stands there twice", "nothing")
    if not order:
        aggregation.leave(
            key, "is not carried over", "priority needs an order of servers", "set priority in the toolset"
        )
        return {}
    aggregation.carry(key, "conflicts")
    return {"conflicts": "priority", "priority": order}
