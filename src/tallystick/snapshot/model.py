"""The snapshot and its routes, as frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tallystick.guard import Validator
from tallystick.policy import PolicyBundle, Slice
from tallystick.registry import Registry, Server, Tool
from tallystick.settings import Problem
from tallystick.terms import Digest, TenantId


@dataclass(frozen=True, slots=True, eq=False)
class RoutedTool:
    """A tool as one route offers it. `definition` is the pinned MCP tool object under its published name.

    `mirrored` are the arguments that travel as headers too: (header name, path of the argument). Where policy may
    oblige to give a reason, `definition` has one argument more than the pinned one, and `reason` is its name.
    """

    name: str
    definition: Mapping[str, object]
    server: Server
    tool: Tool
    validator: Validator
    part: Slice
    mirrored: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reason: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One entrance, `servers/<name>` or `toolsets/<name>`.

    `eras` maps a protocol version to what the server answered when it was pinned; the gateway translates for clients of
    other versions. A toolset has only the capability of tools, because nothing else is published there. Empty where
    nothing was ever pinned.
    """

    key: str
    kind: Literal["server", "toolset"]
    name: str
    tenant: TenantId
    title: str
    eras: Mapping[str, Mapping[str, object]]
    tools: Mapping[str, RoutedTool]
    connect: Slice
    server: Server | None
    bundle: PolicyBundle

    @property
    def listing(self) -> tuple[RoutedTool, ...]:
        """Return the published tools in a stable order; what a caller sees of them is for `policy.decide`."""
        return tuple(self.tools.values())

    def method(self, method: str) -> Slice | None:
        """Return the slice for passing an MCP method through to the one server of this route; None at a toolset.

        None for tools/call too, which is decided tool by tool: a slice for "any tool" must not exist.
        """
        if self.server is None or method == "tools/call":
            return None
        return self.bundle.method(self.server.name, method)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything compiled from one configuration; `digest` names exactly the bytes that it came from.

    It is SHA-256 over the output of `sha256sum` for all files in order of name, so it can be recomputed with that.
    """

    digest: Digest
    registry: Registry
    bundle: PolicyBundle
    routes: Mapping[str, Route]
    notices: tuple[Problem, ...]
