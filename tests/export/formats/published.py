"""Checks of an event against the published OCSF schema, and of a document against the published fields of ECS."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from tallystick.export.formats.leaf import is_list, is_object

_HERE = Path(__file__).with_name("published")
_PRIMITIVES: dict[str, tuple[type, ...]] = {
    "string_t": (str,),
    "integer_t": (int,),
    "long_t": (int,),
    "timestamp_t": (int,),
    "port_t": (int,),
    "float_t": (int, float),
    "boolean_t": (bool,),
}
_LARGEST = {"integer_t": 2**31 - 1, "long_t": 2**63 - 1, "timestamp_t": 2**63 - 1, "port_t": 65535}
_ECS_TYPES: dict[str, tuple[type, ...]] = {
    "keyword": (str,),
    "wildcard": (str,),
    "match_only_text": (str,),
    "constant_keyword": (str,),
    "date": (str,),
    "long": (int,),
    "float": (int, float),
    "boolean": (bool,),
}

Faults = Iterator[str]


@cache
def _read(name: str) -> Mapping[str, object]:
    found: object = json.loads((_HERE / name).read_text())
    assert is_object(found)
    return found


def _inner(value: Mapping[str, object], *names: str) -> Mapping[str, object]:
    for name in names:
        found = value.get(name, {})
        assert is_object(found)
        value = found
    return value


def ocsf_faults(event: Mapping[str, object]) -> list[str]:
    """Everything in which an event breaks its class; empty if it is valid."""
    classes = _inner(_read("ocsf-1.8.0.json"), "classes")
    of = [found for found in classes.values() if is_object(found) and found["uid"] == event.get("class_uid")]
    if not of:
        return [f"no class {event.get('class_uid')}"]
    profiles = _inner(event, "metadata").get("profiles", [])
    assert is_list(profiles)
    found = list(_object_faults("$", of[0], event, frozenset(map(str, profiles))))
    class_uid, activity = event["class_uid"], event["activity_id"]
    assert isinstance(class_uid, int)
    assert isinstance(activity, int)
    if event["type_uid"] != class_uid * 100 + activity:
        found.append("type_uid is not class_uid * 100 + activity_id")
    if event["category_uid"] != class_uid // 1000:
        found.append("category_uid is not that of the class")
    return found


def _object_faults(
    path: str, of: Mapping[str, object], value: Mapping[str, object], profiles: frozenset[str]
) -> Faults:
    attributes = _inner(of, "attributes")
    for name, item in value.items():
        if name not in attributes:
            yield f"{path}.{name}: no such attribute"
            continue
        attribute = _inner(attributes, name)
        if attribute.get("profile") and attribute["profile"] not in profiles:
            yield f"{path}.{name}: of profile {attribute['profile']}, which the event does not name"
        yield from _attribute_faults(f"{path}.{name}", attribute, item, profiles)
    for name in attributes:
        attribute = _inner(attributes, name)
        wanted = attribute.get("requirement") == "required" and attribute.get("profile", None) in {None, *profiles}
        if wanted and name not in value:
            yield f"{path}.{name}: required"
    yield from _constraint_faults(path, _inner(of, "constraints"), value)


def _constraint_faults(path: str, constraints: Mapping[str, object], value: Mapping[str, object]) -> Faults:
    for rule, names in constraints.items():
        assert is_list(names)
        there = sum(name in value for name in names)
        if not there or (rule == "just_one" and there != 1):
            yield f"{path}: {rule} of {names}"


def _attribute_faults(path: str, attribute: Mapping[str, object], value: object, profiles: frozenset[str]) -> Faults:
    if attribute.get("is_array"):
        if not is_list(value):
            yield f"{path}: not an array"
            return
        for place, item in enumerate(value):
            yield from _value_faults(f"{path}[{place}]", attribute, item, profiles)
    else:
        yield from _value_faults(path, attribute, value, profiles)


def _value_faults(path: str, attribute: Mapping[str, object], value: object, profiles: frozenset[str]) -> Faults:
    name = str(attribute.get("object_type") or attribute.get("type"))
    objects = _inner(_read("ocsf-1.8.0.json"), "objects")
    if name in {"object", "json_t"}:
        return
    if objects.get(name):
        if is_object(value):
            yield from _object_faults(path, _inner(objects, name), value, profiles)
        else:
            yield f"{path}: not an object"
        return
    types = _inner(_read("ocsf-1.8.0.json"), "types")
    primitive = name if name in _PRIMITIVES else str(_inner(types, name).get("type"))
    allowed = _PRIMITIVES[primitive]
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
        yield f"{path}: {value!r} is no {name}"
    elif isinstance(value, int) and value > _LARGEST.get(primitive, value):
        yield f"{path}: {value} is too large"
    enum = attribute.get("enum")
    if is_list(enum) and primitive == "integer_t" and str(value) not in enum:
        yield f"{path}: {value} is none of {enum}"
    regex = _inner(types, name).get("regex") if name in types else None
    if isinstance(regex, str) and isinstance(value, str) and not re.search(regex, value):
        yield f"{path}: {value!r} is no {name}"


def ecs_faults(document: Mapping[str, object]) -> list[str]:
    """Everything in which a document with dotted names breaks the fields of ECS; empty if it is valid."""
    known, found = _read("ecs-9.5.0-dev.json"), list[str]()
    for name, value in document.items():
        if name.startswith("tallystick."):
            # A field set of our own, of numbers only.
            found += [] if isinstance(value, int) else [f"{name}: no number"]
        elif name not in known:
            found.append(f"{name}: no such field")
        else:
            found += _field_faults(name, _inner(known, name), value)
    return found


def _field_faults(name: str, field: Mapping[str, object], value: object) -> Faults:
    if field["type"] == "object":
        if not is_object(value) or not all(isinstance(item, str) for item in value.values()):
            yield f"{name}: not an object of texts"
        return
    if is_list(value) and not field.get("normalize"):
        yield f"{name}: an array"
    allowed = field.get("allowed")
    for item in value if is_list(value) else [value]:
        if is_list(allowed) and item not in allowed:
            yield f"{name}: {item} is not allowed"
        if not _fits(field["type"], item):
            yield f"{name}: {item!r} is no {field['type']}"


def _fits(kind: object, value: object) -> bool:
    return isinstance(value, _ECS_TYPES.get(str(kind), (str,))) and (kind == "boolean" or not isinstance(value, bool))
