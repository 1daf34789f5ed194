"""Reads policies in Cedar's JSON form (EST): what they name, what they look at, which of their parts stand alone."""

from collections.abc import Callable, Iterator, Mapping

from tallystick.policy.argument_types import mapping, sequence
from tallystick.policy.model import Uid

EVERYTHING = "*"
"""Stands for "all arguments" where a policy uses the record of arguments as a whole."""
_CONTEXT = {"Var": "context"}
_ARGUMENTS = {".": {"left": _CONTEXT, "attr": "arguments"}}


def named_entities(node: object) -> Iterator[Uid]:
    """Yield every entity that is written literally anywhere in a policy."""
    members = mapping(node)
    kind, name = members.get("type"), members.get("id")
    if len(members) == 2 and isinstance(kind, str) and isinstance(name, str):  # noqa: PLR2004 - exactly type and id
        yield Uid(kind, name)
        return
    for part in (*members.values(), *sequence(node)):
        yield from named_entities(part)


def variables(node: object) -> frozenset[str]:
    """Return which of principal, action, resource and context an expression mentions."""
    members = mapping(node)
    own = members.get("Var")
    if isinstance(own, str):
        return frozenset({own})
    return frozenset[str]().union(*(variables(part) for part in (*members.values(), *sequence(node))))


def read_arguments(node: object) -> frozenset[str]:
    """Return the names of the arguments that an expression looks at, or EVERYTHING among them."""
    members = mapping(node)
    if members in (_ARGUMENTS, _CONTEXT):
        return frozenset({EVERYTHING})
    for operator in (".", "has"):
        operand = mapping(members.get(operator))
        attribute = operand.get("attr")
        if operand.get("left") == _ARGUMENTS and isinstance(attribute, str):
            return frozenset({attribute})
        if operand.get("left") == _CONTEXT and attribute != "arguments":
            return frozenset()
    return frozenset[str]().union(*(read_arguments(part) for part in (*members.values(), *sequence(node))))


def weakened(policy: Mapping[str, object], keep: Callable[[object], bool]) -> dict[str, object]:
    """Return the policy without those conjuncts of its conditions that `keep` rejects.

    INVARIANT: the result matches wherever the policy matches, because leaving out a conjunct of `when`, or a disjunct
    of `unless`, can only widen a policy.
    """
    conditions: list[object] = []
    for condition in sequence(policy.get("conditions")):
        members = mapping(condition)
        operator = "&&" if members.get("kind") == "when" else "||"
        kept = [part for part in _parts(members.get("body"), operator) if keep(part)]
        conditions += [{"kind": members.get("kind"), "body": part} for part in kept]
    return {**policy, "conditions": conditions}


def _parts(node: object, operator: str) -> list[object]:
    operands = mapping(mapping(node).get(operator))
    if not operands:
        return [node]
    return [*_parts(operands.get("left"), operator), *_parts(operands.get("right"), operator)]
