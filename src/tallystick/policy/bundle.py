"""All policies of one configuration, cut into slices: for each action on each resource, the policies that could match.

The engine scans its policies one by one, so a decision on the three policies that concern a tool costs a third of one
on fifty. A slice is cut when it is first asked for: of ten thousand tools, a day sees a few hundred.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from tallystick.policy.argument_types import Record
from tallystick.policy.cedar import Entities, Schema
from tallystick.policy.compiling import Rules, Target, World
from tallystick.policy.console import Console
from tallystick.policy.decide import Memo, Slice
from tallystick.policy.expression import EVERYTHING
from tallystick.policy.model import method_action, tool_action
from tallystick.policy.schema import schema_json
from tallystick.terms import Digest, ServerId, ToolId

_Name = tuple[str, str, str]
"""Action, type of the resource, and its id."""


def _slices() -> dict[_Name, Slice]:
    return {}


@dataclass(frozen=True, slots=True, eq=False)
class PolicyBundle:
    """Compiled policies. `digest` names them together with the facts they were compiled against.

    Slices are cut once each, by whichever thread comes first, and are the same objects from then on.
    """

    digest: Digest
    rules: Rules = field(repr=False)
    world: World = field(repr=False)
    console: Console = field(repr=False)
    memo: Memo = field(default_factory=Memo, repr=False)
    slices: dict[_Name, Slice] = field(default_factory=_slices, repr=False)
    """Those that somebody asked for."""

    @classmethod
    def of(cls, rules: Rules, world: World, console: Console) -> "PolicyBundle":
        """Return the bundle of rules that were checked against a world."""
        material = f"{rules.digest}{world.digest}{console.digest}"
        return cls(Digest("sha256:" + sha256(material.encode()).hexdigest()), rules, world, console)

    @property
    def schema_text(self) -> str:
        """The schema in Cedar's own syntax, for people. Made anew each time: seconds for thousands of tools."""
        return Schema(schema_json(self.world.facts)).text()

    def tool(self, server: ServerId, tool: ToolId) -> Slice:
        """Return the slice for calling a known tool; raises KeyError for an unknown one."""
        name = tool_action(server, tool)
        return self._slice((name, "Tool", name), lambda: self.world.tool(self.world.tools[name]))

    def method(self, server: ServerId, method: str) -> Slice:
        """Return the slice for any MCP method at a known server."""
        action = method_action(method)
        return self._slice((action, "Server", server), lambda: self.world.method(action, server))

    def connect_server(self, server: ServerId) -> Slice:
        """Return the slice for entering a server's route: initialize, discover, ping, list."""
        return self._slice(("connect", "Server", server), lambda: self.world.method("connect", server))

    def connect_toolset(self, toolset: str) -> Slice:
        """Return the slice for entering a toolset's route."""
        return self._slice(("connect", "Toolset", toolset), lambda: self.world.toolset(toolset))

    def _slice(self, name: _Name, target: Callable[[], Target]) -> Slice:
        known = self.slices.get(name)
        # Two threads may both cut it; `setdefault` lets the first one's be everybody's.
        return known if known is not None else self.slices.setdefault(name, self._cut(target()))

    def _cut(self, target: Target) -> Slice:
        names = self.rules.matching(target)
        policies, listing = self.rules.parsed(names)
        wanted = self.rules.reads(names)
        members = target.arguments.members
        if EVERYTHING not in wanted:
            # What no policy of the slice looks at is not handed over: cheaper, and a value that Cedar cannot represent
            # only fails the policies that read it.
            members = {name: kind for name, kind in members.items() if name in wanted}
        return Slice(
            action=target.action,
            resource=target.resource,
            tenant=target.tenant,
            policy_ids=names,
            obliging=self.rules.obliging(names),
            policies=policies,
            listing=listing,
            entities=Entities.of(target.entities),
            arguments=Record(members, target.arguments.required),
            bundle=self.digest,
            memo=self.memo,
        )
