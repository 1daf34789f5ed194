"""The snapshot and its routes, as frozen values."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from tallystick.guard import Validator
from tallystick.policy import PolicyBundle, Slice
from tallystick.registry import Registry, Server, Tool
from tallystick.registry import toolset as nouns
from tallystick.settings import Problem
from tallystick.terms import Caller, Digest, Reason, Refusal, ServerId, TenantId
from tallystick.toolsets import Admitted, Entrance, Publication, PublishedPrompt, Resources


@dataclass(frozen=True, slots=True, eq=False)
class RoutedTool:
    """A tool as one route offers it. `definition` is the pinned MCP tool object under its published name.

    `mirrored` are the arguments that travel as headers too: (header name, path of the argument). Where policy may
    oblige to give a reason, `definition` has one argument more than the pinned one, and `reason` is its name. Where a
    toolset fixes arguments, `definition` has as many less; `fixed` are put into every call, and `compared` are the
    mirrored ones without them, which is all that a client can repeat. `trim` says what is kept of its results.
    """

    name: str
    definition: Mapping[str, object]
    server: Server
    tool: Tool
    validator: Validator
    part: Slice
    mirrored: tuple[tuple[str, tuple[str, ...]], ...] = ()
    reason: str | None = None
    compared: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fixed: Mapping[str, object] = field(default_factory=dict[str, object])
    trim: nouns.Trim | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One entrance, `servers/<name>` or `toolsets/<name>`.

    `eras` maps a protocol version to what the server answered when it was pinned; the gateway translates for clients of
    other versions. A toolset has the capabilities of what it offers. Empty where a server was never pinned.
    `prompts` (by published name) and `resources` are a toolset's; a server's own route asks the server for them.
    `members` are the servers that a toolset asks. `entrance` None: open to every caller of the tenant.
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
    prompts: Mapping[str, PublishedPrompt] = field(default_factory=dict[str, PublishedPrompt])
    resources: Resources = field(default_factory=Resources)
    members: Mapping[ServerId, Server] = field(default_factory=dict[ServerId, Server])
    entrance: Entrance | None = None

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

    def resolve(self, name: str, caller: Caller, now: float) -> RoutedTool | Refusal:
        """Return the tool that is published as `name`, to a caller that was let in, and to it."""
        tool = self.tools.get(name)
        if tool is not None and self.entrance is not None:
            admitted = self.entrance.admit(caller, now)
            is_let_in = admitted is not None and (admitted.tools is None or name in admitted.tools)
            tool = tool if is_let_in else None
        return _unknown(self.key) if tool is None else tool

    def admit(self, caller: Caller, now: float) -> Admitted | None:
        """Return how a caller of the tenant is let in at `now` (seconds since 1970); None if not at all."""
        return _OPEN if self.entrance is None else self.entrance.admit(caller, now)


_OPEN: Final = Admitted(math.inf, None)


def _unknown(route: str) -> Refusal:
    # INVARIANT: what is hidden from a caller and what does not exist get the same answer.
    return Refusal("not_found", (Reason.TOOL_UNKNOWN,), "There is no such tool here. List the tools again.", route)


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Everything compiled from one state of control; `digest` names exactly the documents that it came from.

    It is SHA-256 over the output of `sha256sum` for all canonical documents in order of name, so it can be recomputed
    with that from what `tally export --canonical` writes. `routes` are built one by one when they are first asked for;
    `publications` (by the same keys) tell what each offers without building any.
    """

    digest: Digest
    registry: Registry
    bundle: PolicyBundle
    routes: Mapping[str, Route]
    notices: tuple[Problem, ...]
    publications: Mapping[str, Publication]
