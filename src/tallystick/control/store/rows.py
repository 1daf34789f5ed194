"""Resources, actors and steps as JSON text, and back. Pure."""

import json
from collections.abc import Mapping
from typing import Final, Literal, get_args

from tallystick.control.entries import Review
from tallystick.control.model import Actor, Key, Kind, Resource, State, Step
from tallystick.terms import TallyError, TenantId

_KINDS: Final[Mapping[str, Kind]] = {kind: kind for kind in get_args(Kind)}
_STATES: Final[Mapping[str, State]] = {state: state for state in get_args(State)}
_Form = Literal["resource", "actor", "step", "note"]


def text_of(text: str) -> str:
    """Text of a JSON text; raises `TallyError` where it is none."""
    value: object = json.loads(text)
    if not isinstance(value, str):
        raise strange(what="no text")
    return value


def kind_of(word: str) -> Kind:
    """Return a kind by its name; raises `TallyError` where this release does not know it."""
    if (kind := _KINDS.get(word)) is None:
        raise strange(what=f"a {word}")
    return kind


def json_text(content: object) -> str:
    """ASCII text that any database keeps, whatever anybody wrote; the order of members stays."""
    return json.dumps(content, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def resource_text(resource: Resource) -> str:
    """Text of a resource."""
    whole = {name: getattr(resource, name) for name in Resource.__dataclass_fields__}
    return json_text(whole)


def resource_of(text: str) -> Resource:
    """Resource of a text; raises `TallyError` for what this release cannot read."""
    fields = object_of(text, "resource")
    return Resource(
        kind=kind_of(_text(fields, "kind")),
        name=_text(fields, "name"),
        tenant=TenantId(_text(fields, "tenant")),
        spec=_part(fields, "spec"),
        labels={name: str(label) for name, label in _part(fields, "labels").items()},
        owner=_text(fields, "owner"),
        state=_state(fields, "state"),
        version=_number(fields, "version"),
        revision=_number(fields, "revision"),
        created=_text(fields, "created"),
        changed=_text(fields, "changed"),
        status=_part(fields, "status"),
    )


def actor_text(actor: Actor) -> str:
    """Text of an actor."""
    return json_text({"name": actor.name, "operator": actor.operator, "caller": actor.caller})


def actor_of(text: str) -> Actor:
    """Actor of a text; raises `TallyError`."""
    fields = object_of(text, "actor")
    caller = fields.get("caller")
    return Actor(_text(fields, "name"), _text(fields, "operator"), _object(caller) if caller is not None else None)


def step_text(step: Step, origin: State, unmet: tuple[str, ...]) -> str:
    """Text of a step that was taken or refused."""
    return json_text(
        {
            "from": origin,
            "to": step.to,
            "comment": step.comment,
            "conditions": step.conditions,
            "expires": step.expires,
            "definition": step.definition,
            "unmet": unmet,
        }
    )


def review_of(revision: int, at: str, actor: str, key: Key, step: str) -> Review:
    """Review of the columns of its row; raises `TallyError`."""
    fields = object_of(step, "step")
    return Review(
        revision,
        at,
        actor_of(actor),
        key,
        _state(fields, "from"),
        _state(fields, "to"),
        _text(fields, "comment"),
        _texts(fields, "conditions"),
        _maybe(fields, "expires"),
        _maybe(fields, "definition"),
        _texts(fields, "unmet"),
    )


def object_of(text: str, form: _Form = "note") -> dict[str, object]:
    """Object of a JSON text; raises `TallyError` where it is none."""
    value: object = json.loads(text)
    if not isinstance(value, dict):
        raise strange(what=f"no {form}: {text[:80]}")
    return _object(value)  # pyright: ignore[reportUnknownArgumentType] - JSON


def _object(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise strange(what="no object")
    return {str(name): part for name, part in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def _part(fields: Mapping[str, object], name: str) -> dict[str, object]:
    return _object(fields.get(name))


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise strange(what=f"no {name}")
    return value


def _maybe(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    return value if isinstance(value, str) else None


def _texts(fields: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = fields.get(name)
    return tuple(str(part) for part in value) if isinstance(value, list) else ()  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON


def _number(fields: Mapping[str, object], name: str) -> int:
    value = fields.get(name)
    if not isinstance(value, int):
        raise strange(what=f"no {name}")
    return value


def _state(fields: Mapping[str, object], name: str) -> State:
    state = _STATES.get(_text(fields, name))
    if state is None:
        raise strange(what=f"state {fields[name]}")
    return state


def strange(what: str) -> TallyError:
    """Return the error for what another release, or somebody by hand, has written."""
    return TallyError(code="internal", message=f"the control database holds what this release cannot read ({what})")
