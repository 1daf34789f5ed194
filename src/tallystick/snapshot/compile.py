"""Bytes of a configuration to a snapshot: parse, register, publish, compile policies and schemas. All or nothing."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import NamedTuple

from tallystick import guard, policy, registry, toolsets
from tallystick.settings import Problem, parse_document
from tallystick.snapshot.model import Route, RoutedTool, Snapshot
from tallystick.terms import Digest, ServerId, ToolId
from tallystick.wire import MODERN, envelope

PROCESS_FILE = "tally.yaml"
"""Process settings: read once at the start, so no part of a snapshot."""
POLICIES = ".cedar"
_ToolKey = tuple[ServerId, ToolId]
_Headers = tuple[tuple[str, tuple[str, ...]], ...]


def compile_snapshot(files: Mapping[str, bytes]) -> Snapshot | tuple[Problem, ...]:
    """Return the snapshot of `files` (relative path -> content), or every problem of the first stage that has any."""
    files = {name: raw for name, raw in files.items() if name != PROCESS_FILE}
    documents, sources = _documents(files), _sources(files)
    problems = [entry for entry in (*documents.values(), *sources.values()) if isinstance(entry, Problem)]
    if problems:
        return tuple(problems)
    known = registry.parse({name: entry for name, entry in documents.items() if not isinstance(entry, Problem)})
    if isinstance(known, tuple):
        return known
    published = toolsets.publish(known)
    if isinstance(published, tuple):
        return published
    validators = dict(_validators(known))
    problems = [entry for entry in validators.values() if isinstance(entry, Problem)]
    texts = {name: entry for name, entry in sources.items() if isinstance(entry, str)}
    bundle = policy.compile_policies(texts, facts(known))
    if isinstance(bundle, tuple):
        problems.extend(bundle)
        return tuple(problems)
    sound = {key: entry for key, entry in validators.items() if isinstance(entry, guard.Validator)}
    headers = dict(_mirrored(known))
    compiled = _Compiled(known, bundle, sound, {key: found for key, found in headers.items() if not isinstance(found, str)})
    routes = {key: _route(entry, compiled) for key, entry in published.items() if not problems}
    notices = tuple(_left_out(key, found) for key, found in headers.items() if isinstance(found, str))
    return tuple(problems) or Snapshot(_digest(files), known, bundle, routes, known.notices + notices)


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


def _documents(files: Mapping[str, bytes]) -> dict[str, dict[str, object] | Problem]:
    return {name: parse_document(name, raw) for name, raw in sorted(files.items()) if not name.endswith(POLICIES)}


def _sources(files: Mapping[str, bytes]) -> dict[str, str | Problem]:
    return {name: _source(name, raw) for name, raw in sorted(files.items()) if name.endswith(POLICIES)}


def _source(name: str, raw: bytes) -> str | Problem:
    if not name.startswith("policies/"):
        return Problem(name, "", "a policy outside of policies/ is not read", "move it to policies/")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        return Problem(name, "", f"is not UTF-8 (byte {error.start})", "save it as UTF-8")


def _input_schema(tool: registry.Tool) -> Mapping[str, object]:
    schema = tool.definition.get("inputSchema")
    if not isinstance(schema, Mapping):
        return {}
    return {key: part for key, part in schema.items() if isinstance(key, str)}  # pyright: ignore[reportUnknownVariableType] - JSON


def _validators(known: registry.Registry) -> Iterator[tuple[_ToolKey, guard.Validator | Problem]]:
    for server in known.servers.values():
        for tool in server.tools.values():
            compiled = guard.compile_schema(_input_schema(tool))
            if isinstance(compiled, guard.BadSchema):
                place = f'tools "{tool.id}" inputSchema'
                remedy = "have the server's owner correct it, or remove the tool from the pin"
                yield (server.name, tool.id), Problem(f"pins/{server.name}.json", place, compiled.what, remedy)
            else:
                yield (server.name, tool.id), compiled


def _mirrored(known: registry.Registry) -> Iterator[tuple[_ToolKey, _Headers | str]]:
    for server in known.servers.values():
        for tool in server.tools.values():
            yield (server.name, tool.id), envelope.mirrored(_input_schema(tool))


def _left_out(key: _ToolKey, wrong: str) -> Problem:
    # A tool whose headers cannot be told must be left out, not the list (2026-07-28, streamable-http, x-mcp-header).
    server, tool = key
    return Problem(
        f"pins/{server}.json",
        f'tools "{tool}" x-mcp-header',
        f"{wrong}; the tool is left out",
        "have the server's owner correct it, and pin the server again",
    )


class _Compiled(NamedTuple):
    known: registry.Registry
    bundle: policy.PolicyBundle
    validators: Mapping[_ToolKey, guard.Validator]
    headers: Mapping[_ToolKey, _Headers]


def _route(entry: toolsets.Publication, compiled: _Compiled) -> Route:
    is_server, known, bundle = entry.kind == "server", compiled.known, compiled.bundle
    tools = {
        tool.name: RoutedTool(
            name=tool.name,
            definition=tool.definition,
            server=known.servers[tool.server],
            tool=known.servers[tool.server].tools[tool.tool],
            validator=compiled.validators[tool.server, tool.tool],
            part=bundle.tool(tool.server, tool.tool),
            mirrored=compiled.headers[tool.server, tool.tool],
        )
        for tool in entry.tools
        if (tool.server, tool.tool) in compiled.headers
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


def _eras(entry: toolsets.Publication, known: registry.Registry) -> Mapping[str, Mapping[str, object]]:
    if entry.kind == "server":
        pin = known.pins.get(ServerId(entry.name))
        return pin.eras if pin else {}
    is_pinned = any(member.server in known.pins for member in known.toolsets[entry.name].members)
    return {MODERN: {"capabilities": {"tools": {}}}} if is_pinned else {}


def _digest(files: Mapping[str, bytes]) -> Digest:
    lines = "".join(f"{sha256(raw).hexdigest()}  {name}\n" for name, raw in sorted(files.items()))
    return Digest("sha256:" + sha256(lines.encode()).hexdigest())
