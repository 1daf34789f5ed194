"""Whether a candidate may become the state: it compiles, and nobody is left without what it refers to. Pure."""

from collections.abc import Mapping

from tallystick.control.change import Candidate, narrows
from tallystick.control.entries import Judge
from tallystick.control.model import EVERYWHERE, Change, Conflict, Key, Put, Refused, Remove, Resource
from tallystick.control.render import Renderer
from tallystick.settings import Problem

_State = Mapping[Key, Resource]


def judged(
    states: tuple[_State, Candidate], changes: tuple[Change, ...], renderer: Renderer, judge: Judge
) -> Refused | None:
    """Return why a candidate must not replace the state, or None. `states`: what is, and what would be."""
    before, candidate = states
    homeless = _homeless(candidate, changes)
    if homeless is not None:
        return homeless
    # INVARIANT: what only takes something out of force is never held up, whatever is wrong elsewhere.
    if narrows(changes):
        return None
    documents = renderer.render(candidate.resources.values())
    if isinstance(documents, tuple):
        return documents
    if documents == renderer.render(before.values()):
        return None
    problems = judge(documents)
    if not problems:
        return None
    return _used(states, changes, renderer, judge) or problems


def _homeless(candidate: Candidate, changes: tuple[Change, ...]) -> Refused | None:
    """Tell of a resource whose tenant is not there (any more)."""
    tenants = {key.name for key in candidate.resources if key.kind == "Tenant"} | {str(EVERYWHERE)}
    removed = {change.key.name: change.key for change in changes if isinstance(change, Remove)}
    for resource in candidate.resources.values():
        if resource.tenant in tenants or resource.kind == "Tenant":
            continue
        gone = removed.get(resource.tenant)
        if gone is not None and gone.kind == "Tenant":
            return Conflict(gone, "used", f"{gone} is used: {resource.key} belongs to it")
        if any(isinstance(change, Put) and change.key == resource.key for change in changes):
            place = (str(resource.key), "metadata.tenant")
            return (Problem.unknown(place, "tenant", resource.tenant, tenants - {str(EVERYWHERE)}),)
    return None


def _used(
    states: tuple[_State, Candidate], changes: tuple[Change, ...], renderer: Renderer, judge: Judge
) -> Conflict | None:
    """Name the removed resource without which the rest does not compile."""
    before, candidate = states
    removed = [change.key for change in changes if isinstance(change, Remove) and change.key in before]
    attempts = [[key] for key in removed] + ([removed] if len(removed) > 1 else [])
    for keys in attempts:
        kept = {**candidate.resources, **{key: before[key] for key in keys}}
        documents = renderer.render(kept.values())
        if not isinstance(documents, tuple) and not judge(documents):
            rest = renderer.render(candidate.resources.values())
            told = "; ".join(map(str, judge(rest))) if not isinstance(rest, tuple) else ""
            return Conflict(keys[0], "used", f"{keys[0]} is used: {told}", before[keys[0]].version)
    return None
