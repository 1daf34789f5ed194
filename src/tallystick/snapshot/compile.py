"""Bytes of a configuration to a snapshot: parse, register, publish, compile policies and schemas. All or nothing."""

from collections.abc import Mapping
from threading import Lock
from typing import NamedTuple

from tallystick import export, guard, policy, registry, toolsets
from tallystick.settings import Problem
from tallystick.snapshot.document import Document, is_policy, read_documents, state_digest
from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.snapshot.reason import with_reason
from tallystick.terms import ServerId, ToolId
from tallystick.wire import MODERN, envelope

_ToolKey = tuple[ServerId, ToolId]


def compile_snapshot(files: Mapping[str, bytes]) -> Snapshot | tuple[Problem, ...]:
    """Return the snapshot of `files` (relative path -> content), or every problem of the first stage that has any."""
    documents = read_documents(files)
    return documents if isinstance(documents, tuple) else Compiler().compile(documents)


class Compiler:
    """Compiles one state after another; what did not change since the last ones is not done again.

    Safe to use from several threads at once; they take turns.
    """

    def __init__(self) -> None:
        """Know nothing yet: the first compilation does everything."""
        self._turn = Lock()

    def compile(self, documents: Mapping[str, Document]) -> Snapshot | tuple[Problem, ...]:
        """Return the snapshot of `documents` (by name), or every problem of the first stage that has any.

        The same documents as last time give the same snapshot, the very object.
        """
        with self._turn:
            return _compile(documents)


def _compile(documents: Mapping[str, Document]) -> Snapshot | tuple[Problem, ...]:
    ordered = [documents[name] for name in sorted(documents)]
    astray = tuple(
        Problem(document.name, "", "a policy outside of policies/ is not read", "move it to policies/")
        for document in ordered
        if is_policy(document.name) and not document.name.startswith("policies/")
    )
    if astray:
        return astray
    known = _registered({entry.name: entry.content for entry in ordered if not isinstance(entry.content, str)})
    if isinstance(known, tuple):
        return known
    published = toolsets.publish(known)
    if isinstance(published, tuple):
        return published
    texts = {entry.name: entry.content for entry in ordered if isinstance(entry.content, str)}
    bundle = policy.compile_policies(texts, facts(known))
    if isinstance(bundle, tuple):
        return bundle
    judged = _judge_all(known)
    sound = {key: entry for key, entry in judged.items() if isinstance(entry, _Sound)}
    routes = {key: _route(entry, known, bundle, sound) for key, entry in published.items()}
    left_out = tuple(entry for entry in judged.values() if isinstance(entry, Problem))
    return Snapshot(state_digest(ordered), known, bundle, routes, known.notices + left_out)


def _registered(documents: Mapping[str, Mapping[str, object]]) -> registry.Registry | tuple[Problem, ...]:
    """Return the registry, or every problem with it or with the sinks, which live apart from it."""
    folder = f"{export.FOLDER}/"
    sinks = export.parse_sinks(documents)
    known = registry.parse({name: entry for name, entry in documents.items() if not name.startswith(folder)})
    if isinstance(known, tuple) or isinstance(sinks, tuple):
        return (known if isinstance(known, tuple) else ()) + (sinks if isinstance(sinks, tuple) else ())
    unknown = tuple(
        Problem.unknown((f"{folder}{sink.name}.yaml", "tenants"), "tenant", tenant, known.tenants)
        for sink in sinks.values()
        for tenant in sink.tenants
        if tenant not in known.tenants
    )
    return unknown or known


def facts(known: registry.Registry) -> policy.Facts:
    """Return what policies may speak about."""
    return policy.Facts(
        tenants=tuple(policy.TenantFacts(tenant.name, tenant.parent) for tenant in known.tenants.values()),
        servers=tuple(policy.ServerFacts(server.tenant, server.name) for server in known.servers.values()),
        toolsets=tuple(policy.ToolsetFacts(toolset.tenant, toolset.name) for toolset in known.toolsets.values()),
        tools=tuple(
            policy.ToolFacts(
                tenant=server.tenant,
                server=server.name,
                tool=tool.id,
                operation=tool.operation,
                risk=tool.risk,
                labels=tool.labels,
                input_schema=_input_schema(tool),
            )
            for server in known.servers.values()
            for tool in server.tools.values()
        ),
    )


def _input_schema(tool: registry.Tool) -> Mapping[str, object]:
    schema = tool.definition.get("inputSchema")
    if not isinstance(schema, Mapping):
        return {}
    return {key: part for key, part in schema.items() if isinstance(key, str)}  # pyright: ignore[reportUnknownVariableType] - JSON


class _Sound(NamedTuple):
    """What a tool's schema gives where it can be judged by: a validator, and the headers that repeat arguments."""

    validator: guard.Validator
    headers: tuple[tuple[str, tuple[str, ...]], ...]


def _judge_all(known: registry.Registry) -> dict[_ToolKey, _Sound | Problem]:
    return {
        (server.name, tool.id): _judge(server.name, tool)
        for server in known.servers.values()
        for tool in server.tools.values()
    }


def _judge(server: ServerId, tool: registry.Tool) -> _Sound | Problem:
    # One tool that cannot be judged is left out, never its server's others (2026-07-28, streamable-http, x-mcp-header).
    schema = _input_schema(tool)
    validator, headers = guard.compile_schema(schema), envelope.mirrored(schema)
    if isinstance(validator, guard.BadSchema) or isinstance(headers, str):
        wrong = validator.what if isinstance(validator, guard.BadSchema) else str(headers)
        return Problem(
            f"pins/{server}.json",
            f'tools "{tool.id}" inputSchema',
            f"{wrong}; the tool is left out",
            "have the server's owner correct it, and pin the server again",
        )
    return _Sound(validator, headers)


def _route(
    entry: toolsets.Publication,
    known: registry.Registry,
    bundle: policy.PolicyBundle,
    sound: Mapping[_ToolKey, _Sound],
) -> Route:
    is_server = entry.kind == "server"
    tools = {
        tool.name: _routed(tool, known, bundle, judged)
        for tool in entry.tools
        if (judged := sound.get((tool.server, tool.tool))) is not None
    }
    return Route(
        key=entry.route,
        kind=entry.kind,
        name=entry.name,
        tenant=entry.tenant,
        title=entry.title,
        eras=_eras(entry, known),
        tools=tools,
        connect=bundle.connect_server(ServerId(entry.name)) if is_server else bundle.connect_toolset(entry.name),
        server=known.servers[ServerId(entry.name)] if is_server else None,
        bundle=bundle,
    )


def _routed(
    tool: toolsets.PublishedTool, known: registry.Registry, bundle: policy.PolicyBundle, judged: _Sound
) -> RoutedTool:
    part = bundle.tool(tool.server, tool.tool)
    # INVARIANT: what a list asks for is what a call is asked for: both know the argument by the one name.
    definition, reason = with_reason(tool.definition) if part.may_oblige("reason") else (tool.definition, None)
    return RoutedTool(
        name=tool.name,
        definition=definition,
        server=known.servers[tool.server],
        tool=known.servers[tool.server].tools[tool.tool],
        validator=judged.validator,
        part=part,
        mirrored=judged.headers,
        reason=reason,
    )


def _eras(entry: toolsets.Publication, known: registry.Registry) -> Mapping[str, Mapping[str, object]]:
    if entry.kind == "server":
        pin = known.pins.get(ServerId(entry.name))
        return pin.eras if pin else {}
    is_pinned = any(member.server in known.pins for member in known.toolsets[entry.name].members)
    return {MODERN: {"capabilities": {"tools": {}}}} if is_pinned else {}
