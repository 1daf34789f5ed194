"""Rules and a schema to a schema that allows less (JSON Schema 2020-12, section 10: keywords side by side all hold).

Every keyword is added beside those that are there or replaces a looser one of the same name, so the outcome accepts no
value that the given schema refuses.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from tallystick import guard
from tallystick.registry.plain import as_list, as_number, as_object
from tallystick.registry.rules.keywords import MONEY, OTHERS, REQUIRED
from tallystick.registry.rules.money import with_money

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_DEFINITIONS: Final = ("$schema", "$defs", "definitions")
_LOWER: Final = {"minLength": "length", "minItems": "length", "minimum": "number", "exclusiveMinimum": "number"}
_UPPER: Final = {"maxLength": "length", "maxItems": "length", "maximum": "number", "exclusiveMaximum": "number"}
_RIVALS: Final = {
    "minimum": ("minimum", "exclusiveMinimum"),
    "exclusiveMinimum": ("minimum", "exclusiveMinimum"),
    "maximum": ("maximum", "exclusiveMaximum"),
    "exclusiveMaximum": ("maximum", "exclusiveMaximum"),
}
_FOR: Final[Mapping[str, frozenset[str]]] = {
    "pattern": frozenset({"string"}),
    "minLength": frozenset({"string"}),
    "maxLength": frozenset({"string"}),
    "minimum": frozenset({"number", "integer"}),
    "maximum": frozenset({"number", "integer"}),
    "exclusiveMinimum": frozenset({"number", "integer"}),
    "exclusiveMaximum": frozenset({"number", "integer"}),
    "minItems": frozenset({"array"}),
    "maxItems": frozenset({"array"}),
    "uniqueItems": frozenset({"array"}),
    "items": frozenset({"array"}),
    "properties": frozenset({"object"}),
    "additionalProperties": frozenset({"object"}),
    MONEY: frozenset({"string", "number", "integer"}),
}
"""Which types a keyword says something about."""


class _Scope(NamedTuple):
    """Where a rule stands, the definitions that the schema's references lead to, and why rules are no tightening."""

    place: str
    definitions: Mapping[str, object]
    faults: list[str]

    def at(self, step: str) -> "_Scope":
        return _Scope(f"{self.place}.{step}" if self.place else step, self.definitions, self.faults)

    def fault(self, what: str) -> None:
        self.faults.append(f"{self.place} {what}".strip())


def tighten(schema: Mapping[str, object], rules: Mapping[str, object]) -> Mapping[str, object] | str:
    """Return `schema` with the `rules` (argument -> rule, of sound form: `read_rules`), or why they do not tighten it.

    Not a tightening is: an unknown argument, a value that the schema refuses, a bound outside of the schema's own, a
    keyword that says nothing about the argument's type, rules that leave no value at all.
    """
    scope = _Scope("", {name: schema[name] for name in _DEFINITIONS if name in schema}, [])
    named = {name: as_object(rule) for name, rule in rules.items() if name != OTHERS}
    tight = _members(_with_siblings(schema), named, scope)
    if rules.get(OTHERS) is False:
        tight["additionalProperties"] = False
    judged = guard.compile_schema(tight)
    if isinstance(judged, guard.BadSchema) and not scope.faults:
        scope.fault(f"gives a schema that nothing can be judged by: {judged.what}")
    return "; ".join(scope.faults) or tight


def _with_siblings(schema: Mapping[str, object]) -> Mapping[str, object]:
    """Return the same schema in a form in which what stands beside a reference counts: older drafts do not look."""
    if "$ref" not in schema:
        return schema
    rest = {name: part for name, part in schema.items() if name != "$ref"}
    return {**rest, "allOf": [*as_list(schema.get("allOf")), {"$ref": schema["$ref"]}]}


def _members(
    schema: Mapping[str, object], rules: Mapping[str, Mapping[str, object]], scope: _Scope
) -> dict[str, object]:
    properties = dict(as_object(schema.get("properties")))
    required = [*as_list(schema.get("required"))]
    for name, rule in rules.items():
        known = properties.get(name)
        if name not in properties or known is False:
            scope.at(name).fault(f"is no argument; known: {', '.join(sorted(properties)) or 'none'}")
            continue
        properties[name] = _value(as_object(known), rule, scope.at(name))
        if rule.get(REQUIRED) is True and name not in required:
            required.append(name)
    tight = {**schema, "properties": properties}
    if required:
        tight["required"] = required
    for name, rule in rules.items():
        if MONEY in rule:
            bounded = with_money(tight, name, as_object(rule[MONEY]))
            if isinstance(bounded, str):
                scope.at(name).at(MONEY).fault(bounded)
            else:
                tight = dict(bounded)
    return tight


def _value(schema: Mapping[str, object], rule: Mapping[str, object], scope: _Scope) -> Mapping[str, object]:
    """Return what one argument may be."""
    for keyword in rule:
        fits = _FOR.get(keyword)
        types = _types(schema)
        if fits is not None and types is not None and not fits & types:
            scope.at(keyword).fault(f"says nothing about {' or '.join(sorted(types))}")
    if any(name in schema for name in _REFERENCES):
        # Older drafts do not look at what stands beside a reference.
        return {"allOf": [schema, _beside({}, schema, rule, scope)]}
    return _beside(schema, schema, rule, scope)


def _beside(
    schema: Mapping[str, object], whole: Mapping[str, object], rule: Mapping[str, object], scope: _Scope
) -> Mapping[str, object]:
    tight = dict(schema)
    # INVARIANT: a rule about numbers lets no text pass, whatever the schema allows: a bound that another type evades is
    # none. Null stays where it is allowed: it stands for no value.
    spoken = frozenset[str]().union(*(_FOR[name] for name in rule if name in _FOR))
    if spoken:
        types = _types(whole)
        kept = sorted(spoken if types is None else types & (spoken | {"null"}))
        tight["type"] = kept[0] if len(kept) == 1 else kept
    for name, value in rule.items():
        tight |= dict(_one(tight, whole, (name, value), scope))
    _check_room(tight, scope)
    return tight


def _one(
    schema: Mapping[str, object], whole: Mapping[str, object], said: tuple[str, object], scope: _Scope
) -> Iterator[tuple[str, object]]:
    name, value = said
    match name:
        case "enum" | "const":
            values = as_list(value) if name == "enum" else [value]
            for one in values:
                _check_accepted(one, whole, scope.at(name))
            yield "enum", values
        case "pattern" if "pattern" in schema:
            yield "allOf", [*as_list(schema.get("allOf")), {"pattern": value}]
        case "items":
            _check_items(schema, as_object(value), scope)
            yield "items", _value(as_object(schema.get("items")), as_object(value), scope.at("items"))
        case "properties":
            rules = {member: as_object(rule) for member, rule in as_object(value).items()}
            yield from _members(schema, rules, scope).items()
        case "required" | "money":
            pass
        case _:
            _check_bound(schema, name, value, scope)
            yield name, value


def _check_items(schema: Mapping[str, object], rule: Mapping[str, object], scope: _Scope) -> None:
    if MONEY in rule:
        # INVARIANT: a rule that cannot be kept is refused, never left out.
        scope.at("items").at(MONEY).fault(
            "cannot be kept: there is no argument beside an element that names a currency"
        )
    if "prefixItems" in schema or isinstance(schema.get("items"), list | bool):
        scope.at("items").fault("cannot be added: the schema says something of its own about each element")


def _check_accepted(value: object, schema: Mapping[str, object], scope: _Scope) -> None:
    judged = guard.compile_schema({**scope.definitions, "properties": {"it": schema}})
    if isinstance(judged, guard.BadSchema):
        scope.fault(f"cannot be judged by the schema: {judged.what}")
    elif guard.check_arguments(judged, {"it": value}) is not None:
        scope.fault(f"has {value!r}, which the schema does not allow")


def _check_bound(schema: Mapping[str, object], name: str, value: object, scope: _Scope) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return
    there = [bound for rival in _RIVALS.get(name, (name,)) if (bound := as_number(schema.get(rival))) is not None]
    if name in _LOWER and any(value < bound for bound in there):
        scope.at(name).fault(f"is {value}, below the schema's own {max(there)}")
    if name in _UPPER and any(value > bound for bound in there):
        scope.at(name).fault(f"is {value}, above the schema's own {min(there)}")


def _check_room(schema: Mapping[str, object], scope: _Scope) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        least, most = as_number(schema.get(low)), as_number(schema.get(high))
        if least is not None and most is not None and least > most:
            scope.fault(f"leaves nothing: {low} is {least} and {high} {most}")


def _types(schema: Mapping[str, object]) -> frozenset[str] | None:
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else as_list(kind)
    return frozenset(str(one) for one in kinds) or None
