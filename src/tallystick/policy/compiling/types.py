"""Cedar's validator, asked only about the kinds of request that a policy can tell apart.

The validator types a policy once for every action that exists. Of tools that a policy does not name, it can only tell
the operation and the arguments that it reads; so one of each such class stands for all of them, with those arguments.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from tallystick.policy.argument_types import Record, cedar_type, text_of
from tallystick.policy.cedar import Schema
from tallystick.policy.check import attribute_names, find_faults, told
from tallystick.policy.compiling.study import Study
from tallystick.policy.compiling.world import Known, World
from tallystick.policy.expression import EVERYTHING
from tallystick.policy.schema import NO_ARGUMENTS, schema_json, schema_of, stand_in
from tallystick.settings import Problem

TOGETHER: Final = 25
"""Policies checked against one schema: the named tools of each of them cost all of them."""
WHOLE: Final = 200
"""Tools up to which a faulty policy is told every tool that it is wrong for; beyond, one of each class."""


class _Class(NamedTuple):
    """Tools that a policy which reads certain arguments cannot tell apart."""

    operation: str
    text: str
    kind: Record
    tools: list[Known]


class _Portion:
    """The tools of one server; what was worked out of them stays as long as they do."""

    def __init__(self, tools: tuple[Known, ...]) -> None:
        self.tools = tools
        self._known: dict[frozenset[str], tuple[_Class, ...]] = {}

    def classes(self, reads: frozenset[str]) -> tuple[_Class, ...]:
        """Return the classes of these tools to a policy that reads certain arguments."""
        known = self._known.get(reads)
        if known is None:
            found: dict[tuple[str, str], _Class] = {}
            for tool in self.tools:
                text, kind = _project(tool, reads)
                place = tool.facts.operation, text
                found.setdefault(place, _Class(*place, kind, [])).tools.append(tool)
            known = self._known[reads] = tuple(found.values())
        return known


class _Need(NamedTuple):
    """What a policy has to be checked against; equal needs of one policy have equal results."""

    reads: frozenset[str]
    classes: tuple[tuple[str, str], ...]
    named: tuple[tuple[str, str, str], ...]


class Checker:
    """Checks the types of policies; what was found sound stays so until something that it can see changes."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._sound: dict[Study, _Need] = {}
        self._portions: dict[tuple[Known, ...], _Portion] = {}

    def check(self, studies: Sequence[Study], world: World) -> tuple[Problem, ...]:
        """Return what the validator finds, and the policies whose conditions are false for every kind of request."""
        portions = world.of_server.values()
        self._portions = {tools: self._portions.get(tools) or _Portion(tools) for tools in portions}
        classes = _Classes(world, self._portions.values())
        needs = {study: classes.need(study) for study in studies}
        known = {study: need for study, need in needs.items() if self._sound.get(study) == need}
        groups: dict[tuple[frozenset[str], tuple[tuple[str, str], ...]], list[Study]] = {}
        for study, need in needs.items():
            if study not in known:
                groups.setdefault((need.reads, need.classes), []).append(study)
        faulty: dict[Study, tuple[str, ...] | None] = {}
        for members in groups.values():
            for first in range(0, len(members), TOGETHER):
                faulty |= _faults(members[first : first + TOGETHER], classes)
        self._sound = {study: need for study, need in needs.items() if study not in faulty}
        return tuple(_told(faulty, world)) if faulty else ()


class _Classes:
    """The classes of one world's tools, for each set of arguments that policies read."""

    def __init__(self, world: World, portions: Iterable[_Portion]) -> None:
        self.world = world
        self._portions = tuple(portions)
        self._known: dict[frozenset[str], Mapping[str, Mapping[str, _Class]]] = {}

    def of(self, reads: frozenset[str]) -> Mapping[str, Mapping[str, _Class]]:
        """Return operation -> text of the arguments read -> the class."""
        known = self._known.get(reads)
        if known is None:
            found: dict[str, dict[str, _Class]] = {}
            for portion in self._portions:
                for part in portion.classes(reads):
                    texts = found.setdefault(part.operation, {})
                    texts.setdefault(part.text, part._replace(tools=[])).tools.extend(part.tools)
            known = self._known[reads] = found
        return known

    def named(self, study: Study) -> tuple[Known, ...]:
        """Return the tools whose actions a policy names."""
        tools = self.world.tools
        return tuple(tools[uid.id] for uid in study.named if uid.type == "Action" and uid.id in tools)

    def reached(self, study: Study) -> Iterator[_Class]:
        """Yield each class with a tool that the policy does not name; one without tools, where there are none."""
        named = frozenset(tool.name for tool in self.named(study))
        classes = self.of(study.reads)
        for operation in study.operations:
            for found in classes.get(operation, {"": _Class(operation, "", NO_ARGUMENTS, [])}).values():
                if not found.tools or any(tool.name not in named for tool in found.tools):
                    yield found

    def need(self, study: Study) -> _Need:
        """Return what a policy has to be checked against."""
        classes = tuple(sorted((found.operation, found.text) for found in self.reached(study)))
        named = tuple((tool.name, tool.facts.operation, _project(tool, study.reads)[0]) for tool in self.named(study))
        return _Need(study.reads, classes, named)


def _project(tool: Known, reads: frozenset[str]) -> tuple[str, Record]:
    """Return a tool's arguments as far as they are read: as text, and as a type."""
    kind = tool.kind
    if EVERYTHING not in reads:
        if reads.isdisjoint(kind.members):
            return "", NO_ARGUMENTS
        members = {name: part for name, part in kind.members.items() if name in reads}
        kind = Record(members, kind.required.intersection(members))
    return (text_of(kind), kind) if kind.members else ("", NO_ARGUMENTS)


def _faults(studies: Sequence[Study], classes: _Classes) -> Mapping[Study, tuple[str, ...] | None]:
    """Return the faults of those policies that have some; None: it can never match."""
    named = {tool.name: tool for study in studies for tool in classes.named(study)}
    actions = {tool.name: (tool.facts.operation, _project(tool, studies[0].reads)[1]) for tool in named.values()}
    # Whatever is named here is a real tool, so it may stand beside a class in another policy of the same batch.
    for found in classes.reached(studies[0]):
        spare = f"{stand_in(found.operation)}:{len(actions)}" if found.tools else stand_in(found.operation)
        name = next((tool.name for tool in found.tools if tool.name not in named), spare)
        actions[name] = (found.operation, found.kind)
    return find_faults_of(studies, Schema(schema_of(actions)))


def find_faults_of(studies: Sequence[Study], schema: Schema) -> Mapping[Study, tuple[str, ...] | None]:
    """Return the faults of those policies that have some; None: it can never match."""
    faults = find_faults([study.policy for study in studies], schema)
    return {study: faults[study.policy.id] for study in studies if study.policy.id in faults}


def _told(faulty: Mapping[Study, tuple[str, ...] | None], world: World) -> Iterator[Problem]:
    exact: Mapping[Study, tuple[str, ...] | None] = {}
    if len(world.tools) <= WHOLE:
        exact = find_faults_of(list(faulty), Schema(schema_json(world.facts)))
    names = frozenset[str]().union(
        attribute_names(schema_of({})), *(attribute_names(cedar_type(tools[0].kind)) for tools in world.shapes.values())
    )
    for study, faults in faulty.items():
        yield from told(study.policy, exact.get(study, faults), names)
