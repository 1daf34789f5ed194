"""Routes of a snapshot, each built when it is first asked for: of hundreds of servers a worker serves a few at a time.

What can be wrong with a tool was found when the snapshot was compiled; building a route finds nothing any more.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from tallystick import guard, policy, registry, toolsets
from tallystick.settings import Problem
from tallystick.snapshot.model import Route, RoutedTool
from tallystick.snapshot.reason import with_reason
from tallystick.terms import ServerId
from tallystick.wire import MODERN, envelope

_MIRRORED: Final = "x-mcp-header"


class Sound(NamedTuple):
    """What a tool's schema gives where it can be judged by: a validator, and the headers that repeat arguments."""

    validator: guard.Validator
    headers: tuple[tuple[str, tuple[str, ...]], ...]


class Parts(NamedTuple):
    """What routes are built from: what exists, and what policy says of it."""

    known: registry.Registry
    bundle: policy.PolicyBundle


class Routes(Mapping[str, Route]):
    """Routes by key (`servers/<name>`, `toolsets/<name>`). Keys cost nothing; a value is built once and then stays.

    Safe to use from several threads: two may build the same route, and the first one's becomes everybody's.
    """

    __slots__ = ("_build", "_made", "publications")

    def __init__(self, publications: Mapping[str, toolsets.Publication], parts: Parts) -> None:
        """Offer `publications`, by key."""
        self.publications = publications
        self._made: dict[str, Route] = {}
        self._build: Callable[[toolsets.Publication], Route] = lambda entry: _route(entry, parts)

    def __getitem__(self, key: str) -> Route:
        made = self._made.get(key)
        return made if made is not None else self._made.setdefault(key, self._build(self.publications[key]))

    def __contains__(self, key: object) -> bool:
        return key in self.publications

    def __iter__(self) -> Iterator[str]:
        return iter(self.publications)

    def __len__(self) -> int:
        return len(self.publications)


def judge(server: ServerId, tool: registry.Tool) -> Sound | Problem:
    """Return what a tool's calls are judged by, or why they cannot be."""
    # One tool that cannot be judged is left out, never its server's others (2026-07-28, streamable-http, x-mcp-header).
    schema = schema_of(tool.offered)
    validator = guard.compile_schema(schema)
    # Looking for the word in the text is far cheaper than in the tree, and hardly any schema has it.
    headers = envelope.mirrored(schema) if _MIRRORED in str(schema) else ()
    if isinstance(validator, guard.BadSchema) or isinstance(headers, str):
        wrong = validator.what if isinstance(validator, guard.BadSchema) else str(headers)
        return Problem(
            f"pins/{server}.json",
            f'tools "{tool.id}" inputSchema',
            f"{wrong}; the tool is left out",
            "have the server's owner correct it, and pin the server again",
        )
    return Sound(validator, headers)


def schema_of(definition: Mapping[str, object]) -> Mapping[str, object]:
    """Return the input schema of an MCP tool object."""
    schema = definition.get("inputSchema")
    if not isinstance(schema, Mapping):
        return {}
    return {key: part for key, part in schema.items() if isinstance(key, str)}  # pyright: ignore[reportUnknownVariableType] - JSON


def _route(entry: toolsets.Publication, parts: Parts) -> Route:
    known, bundle = parts.known, parts.bundle
    is_server = entry.kind == "server"
    routed = (_routed(tool, parts) for tool in entry.tools)
    return Route(
        key=entry.route,
        kind=entry.kind,
        name=entry.name,
        tenant=entry.tenant,
        title=entry.title,
        eras=_eras(entry, known),
        tools={tool.name: tool for tool in routed if tool is not None},
        connect=bundle.connect_server(ServerId(entry.name)) if is_server else bundle.connect_toolset(entry.name),
        server=known.servers[ServerId(entry.name)] if is_server else None,
        bundle=bundle,
        prompts={prompt.name: prompt for prompt in entry.prompts},
        resources=entry.resources,
        members={name: known.servers[name] for name in entry.asked},
        entrance=entry.entrance,
    )


def _routed(tool: toolsets.PublishedTool, parts: Parts) -> RoutedTool | None:
    server = parts.known.servers[tool.server]
    own = server.tools[tool.tool]
    judged = judge(tool.server, own)
    if isinstance(judged, Problem):
        return None
    part = parts.bundle.tool(tool.server, tool.tool)
    # INVARIANT: what a list asks for is what a call is asked for: both know the argument by the one name.
    definition, reason = with_reason(tool.definition) if part.may_oblige("reason") else (tool.definition, None)
    validator = judged.validator if tool.schema is None else guard.compile_schema(tool.schema)
    if isinstance(validator, guard.BadSchema):
        # INVARIANT: a tool that a toolset narrows is never called by the wider schema of its own.
        return None
    return RoutedTool(
        name=tool.name,
        definition=definition,
        server=server,
        tool=own,
        validator=validator,
        part=part,
        mirrored=judged.headers,
        reason=reason,
        compared=tuple(entry for entry in judged.headers if entry[1][0] not in tool.fixed),
        fixed=tool.fixed,
        trim=tool.trim,
    )


def _eras(entry: toolsets.Publication, known: registry.Registry) -> Mapping[str, Mapping[str, object]]:
    if entry.kind == "server":
        pin = known.pins.get(ServerId(entry.name))
        return pin.eras if pin else {}
    # A toolset is open whatever it has to do without, and announces what it has.
    offered = {"tools": True, "prompts": bool(entry.prompts), "resources": bool(entry.resources.readers)}
    nothing: Mapping[str, object] = {}
    return {MODERN: {"capabilities": {name: nothing for name, has in offered.items() if has}}}
