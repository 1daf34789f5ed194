"""What can be wrong with a policy: names that do not exist, types that do not fit, conditions that nothing can meet."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from tallystick.policy.argument_types import mapping, sequence
from tallystick.policy.cedar import Schema, validate
from tallystick.policy.model import DUTIES, Policy, Uid, obligation_words
from tallystick.settings import Problem

NEVER = "can never match"
_KNOWN_FAULT = "a known fault"
_NUMBERS = {"left": {"decimal": [{"Value": _KNOWN_FAULT}]}, "right": {"decimal": [{"Value": "1.0"}]}}
_FAULTY = {"kind": "when", "body": {"==": _NUMBERS}}
"""A condition that no policy has of its own accord: the validator quotes the text, so its finding can be told apart."""
_ATTRIBUTE = re.compile(r"attribute `([^`]+)`")


def check_annotations(policy: Policy) -> Iterator[Problem]:
    """Yield problems of @obligation and of templates."""
    annotations = mapping(policy.body.get("annotations"))
    for word in obligation_words(policy.body):
        if word not in DUTIES:
            yield Problem.unknown(policy.place, "obligation", word, DUTIES)
    if "obligation" in annotations and policy.body.get("effect") == "forbid":
        yield Problem(*policy.place, "an obligation on a forbid has no effect", "put it on the permit")
    for name in annotations:
        if name not in {"id", "obligation", "description", "reason"}:
            known = ["id", "obligation", "description", "reason"]
            yield Problem.unknown(policy.place, "annotation", name, known)
    if policy.body.get("template"):
        yield Problem(*policy.place, "templates are not supported", "write the principal and the resource out")


def check_names(policy: Policy, named: Iterable[Uid], known: Mapping[str, frozenset[str]]) -> Iterator[Problem]:
    """Yield a problem for each literal entity that does not exist. Users, agents and groups are not known here."""
    for uid in named:
        if uid.type in known and uid.id not in known[uid.type]:
            yield Problem.unknown(policy.place, uid.type, uid.id, known[uid.type])


def find_faults(policies: Sequence[Policy], schema: Schema) -> Mapping[str, tuple[str, ...] | None]:
    """Return policy id -> what Cedar's validator finds; None for one whose conditions are false for every request.

    cedarpy does not hand out the validator's warnings, so the second finding is drawn out of the first: each policy
    with conditions gets one more, behind all others, with a known fault. The validator looks at it only where those
    before it can be true. A policy in which it does not find that fault can never match.
    """
    faults = validate({policy.id: _with_known_fault(policy) for policy in policies}, schema)
    found: dict[str, tuple[str, ...] | None] = {}
    for policy in policies:
        own = tuple(dict.fromkeys(fault for fault in faults.get(policy.id, ()) if _KNOWN_FAULT not in fault))
        if own:
            found[policy.id] = own
        elif policy.id not in faults and policy.body.get("conditions"):
            found[policy.id] = None
    return found


def told(policy: Policy, faults: tuple[str, ...] | None, names: frozenset[str]) -> Iterator[Problem]:
    """Yield the problems of a policy with faults; `names` are the attributes that exist anywhere."""
    if faults is None:
        yield never(policy)
    for what in faults or ():
        yield Problem(*policy.place, what, _remedy(what, names))


def never(policy: Policy) -> Problem:
    """Return the problem of a policy that nothing can meet."""
    remedy = "check the spelling of names and values in its conditions, or remove it"
    return Problem(*policy.place, NEVER, remedy)


def attribute_names(document: object) -> frozenset[str]:
    """Return every attribute name in a schema."""
    members = mapping(document)
    own = frozenset(mapping(members.get("attributes")))
    return own.union(*(attribute_names(part) for part in members.values()))


def _with_known_fault(policy: Policy) -> Mapping[str, object]:
    conditions = sequence(policy.body.get("conditions"))
    # Without conditions there is only the scope, and a scope that fits nothing is a finding of the validator's own.
    return {**policy.body, "conditions": [*conditions, _FAULTY]} if conditions else policy.body


def _remedy(what: str, names: frozenset[str]) -> str:
    found = _ATTRIBUTE.search(what)
    if found is None:
        return "compare the policy with the schema"
    last = found[1].rpartition(".")[2]
    if "safety of access" in what:
        return f"ask first whether it is there: `... has {last} && ...`"
    if last in names:
        return "it exists for other actions only: name the action in the scope, or ask with `has` first"
    return Problem.unknown(("", ""), "attribute", last, names).remedy
