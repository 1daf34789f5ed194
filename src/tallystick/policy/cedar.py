"""The door of cedarpy, and the only file that imports it: parse, validate, evaluate. Nothing here decides.

The public calls of cedarpy are used, with parsed handles and a context that is already text. Its private module would
save 4 to 14 us of 50 to 110 per uncached decision; that does not pay for depending on a private name.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import cedarpy

from tallystick.policy.argument_types import mapping
from tallystick.policy.model import Uid


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the engine said. `errors` are failures of single policies or of the request; then nothing else counts."""

    effect: Literal["allow", "deny"]
    policy_ids: tuple[str, ...]
    errors: tuple[str, ...]


class PolicySet:
    """Parsed policies under their own ids."""

    __slots__ = ("handle",)

    def __init__(self, policies: Mapping[str, Mapping[str, object]]) -> None:
        self.handle = cedarpy.PolicySet.from_json_str(_document(policies))


class Entities:
    """A parsed entity graph."""

    __slots__ = ("handle",)

    def __init__(self, handle: cedarpy.Entities) -> None:
        self.handle = handle

    @classmethod
    def of(cls, entities: Iterable[Mapping[str, object]]) -> "Entities":
        """Parse entities in Cedar's JSON format."""
        return cls(cedarpy.Entities.from_json_str(json.dumps(list(entities))))  # pyright: ignore[reportUnknownMemberType] - cedarpy types dict without parameters

    def plus(self, entity: Mapping[str, object]) -> "Entities | None":
        """Return a new graph with one more entity, or None if Cedar cannot represent it (text that is not Unicode)."""
        try:
            return Entities(self.handle.with_added_json_str(json.dumps([entity])))  # pyright: ignore[reportUnknownMemberType] - see of
        except ValueError:
            return None


class Schema:
    """A parsed schema."""

    __slots__ = ("handle",)

    def __init__(self, document: Mapping[str, object]) -> None:
        self.handle = cedarpy.Schema.from_json_str(json.dumps(document))

    def text(self) -> str:
        """Return the schema in Cedar's own syntax, for people."""
        return str(self.handle)


def parse_policies(text: str) -> list[Mapping[str, object]] | str:
    """Return the policies of a text in Cedar's JSON form, in the order of the text; templates too. Or what is wrong."""
    try:
        document = mapping(json.loads(cedarpy.policies_to_json_str(text)))
    except ValueError as error:
        return str(error)
    bodies = mapping(document.get("staticPolicies"))
    ordered = sorted(bodies, key=lambda name: int(name.removeprefix("policy")))
    templates = mapping(document.get("templates")).values()
    return [*(mapping(bodies[name]) for name in ordered), *({**mapping(body), "template": True} for body in templates)]


def validate(policies: Mapping[str, Mapping[str, object]], schema: Schema) -> dict[str, tuple[str, ...]]:
    """Return policy id -> what the schema has against it; policies without a fault are left out."""
    if not policies:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    text = cedarpy.policies_from_json_str(_document(policies))
    # The longest step of a compilation (seconds for thousands of tools): other threads, such as an event loop, go on.
    result = cedarpy.validate_policies(text, schema.handle, release_gil=True)  # pyright: ignore[reportUnknownMemberType] - see Entities.of
    names = mapping(result.id_annotations_by_policy_id)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - see Entities.of
    for error in result.errors:
        name = str(names.get(error.policy_id, error.policy_id))
        what = error.error.removeprefix(f"for policy `{error.policy_id}`, ")
        found[name] = (*found.get(name, ()), what)
    return found


def evaluate(question: tuple[Uid, Uid, Uid], context: str, policies: PolicySet, entities: Entities) -> Verdict:
    """Ask the engine about (principal, action, resource) in a JSON context. Never raises for what a caller sent."""
    principal, action, resource = question
    request = {
        "principal": principal.json(),
        "action": action.json(),
        "resource": resource.json(),
        "context": context,
    }
    try:
        result = cedarpy.is_authorized(request, policies.handle, entities.handle)  # pyright: ignore[reportUnknownMemberType] - see Entities.of
    except (ValueError, TypeError) as error:
        return Verdict("deny", (), (str(error),))
    errors = tuple(result.diagnostics.errors)
    if result.decision is cedarpy.Decision.NoDecision:
        return Verdict("deny", (), errors or ("the engine gave no decision",))
    # The engine answers in the order of a hash table; sorted, equal questions have equal answers.
    return Verdict("allow" if result.allowed else "deny", tuple(sorted(result.diagnostics.reasons)), errors)


def _document(policies: Mapping[str, Mapping[str, object]]) -> str:
    return json.dumps({"staticPolicies": policies, "templates": {}, "templateLinks": []})
