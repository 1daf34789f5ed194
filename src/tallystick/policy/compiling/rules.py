"""Checked policies by scope: which of them could match an action on a resource, found without asking the engine.

A scope is plain enough to look up: an action or a group it is in, and a resource or something that it is in. The
engine scans its policies one by one, so it is only given those.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256

from tallystick.policy.cedar import PolicySet
from tallystick.policy.compiling.study import Head, Study
from tallystick.policy.compiling.world import Target
from tallystick.policy.expression import read_arguments, weakened
from tallystick.policy.model import Duty, Uid, duties_of

_ANY = None
_ActionTerm = tuple[bool, str] | None
"""Exactly this action, or it or one in it; None: any."""
_ResourceTerm = tuple[str, Uid | None, str | None] | None
"""How it is named ("==", "in", "is"), by which entity, of which type; None: any."""


class Rules:
    """The policies of one configuration. Parsed sets of them are kept, and shared by the slices that need the same."""

    def __init__(self, studies: Sequence[Study]) -> None:
        """Index policies that have been checked."""
        self._studies = {study.policy.id: study for study in studies}
        self._index: dict[tuple[_ActionTerm, _ResourceTerm], list[Study]] = {}
        self._handles: dict[tuple[str, ...], tuple[PolicySet, PolicySet | None]] = {}
        lines = "".join(study.digest for study in studies)
        self.digest = sha256(lines.encode()).hexdigest()
        for study in studies:
            for action in _action_terms(study.action):
                for resource in _resource_terms(study.resource):
                    self._index.setdefault((action, resource), []).append(study)

    def matching(self, target: Target) -> tuple[str, ...]:
        """Return the ids of the policies whose scope reaches a target, sorted."""
        found: set[str] = set()
        resources = list(_terms_of_resource(target))
        for action in _terms_of_action(target):
            for resource in resources:
                for study in self._index.get((action, resource), ()):
                    # INVARIANT: a tenant's own policy never touches another tenant's resource.
                    if study.tenant is None or study.tenant == target.tenant:
                        found.add(study.policy.id)
        return tuple(sorted(found))

    def reads(self, names: tuple[str, ...]) -> frozenset[str]:
        """Return the arguments that some of the named policies look at."""
        return frozenset[str]().union(*(self._studies[name].reads for name in names))

    def obliging(self, names: tuple[str, ...]) -> Mapping[str, tuple[Duty, ...]]:
        """Return the obligations of the named policies."""
        bodies = {name: self._studies[name].policy.body for name in names}
        return {name: duties for name, body in bodies.items() if (duties := duties_of(body))}

    def parsed(self, names: tuple[str, ...]) -> tuple[PolicySet, PolicySet | None]:
        """Return the named policies for the engine, and those for the question without arguments, if it differs."""
        known = self._handles.get(names)
        # Two threads may both parse; the first one's result is what both go on with.
        return known if known is not None else self._handles.setdefault(names, self._parse(names))

    def _parse(self, names: tuple[str, ...]) -> tuple[PolicySet, PolicySet | None]:
        bodies = {name: self._studies[name].policy.body for name in names}
        handle = PolicySet(bodies)
        reads = {name for name in names if self._studies[name].reads}
        if not reads:
            return handle, None
        listed = {
            name: weakened(body, lambda part: not read_arguments(part))
            for name, body in bodies.items()
            if not (name in reads and body.get("effect") == "forbid")
        }
        return handle, PolicySet(listed)


def _action_terms(head: Head) -> Iterator[_ActionTerm]:
    if head.exact is not None:
        yield True, head.exact.id
    elif head.within is None:
        yield _ANY
    else:
        for uid in dict.fromkeys(head.within):
            yield False, uid.id


def _resource_terms(head: Head) -> Iterator[_ResourceTerm]:
    if head.exact is not None:
        yield "==", head.exact, None
    elif head.within is not None:
        for uid in dict.fromkeys(head.within):
            yield "in", uid, head.kind
    elif head.kind is not None:
        yield "is", None, head.kind
    else:
        yield _ANY


def _terms_of_action(target: Target) -> Iterator[_ActionTerm]:
    yield _ANY
    yield True, target.action.id
    for group in target.groups:
        yield False, group


def _terms_of_resource(target: Target) -> Iterator[_ResourceTerm]:
    yield _ANY
    yield "is", None, target.resource.type
    yield "==", target.resource, None
    for uid in target.above:
        yield "in", uid, None
        yield "in", uid, target.resource.type
