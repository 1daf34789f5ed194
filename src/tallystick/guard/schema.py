"""Tool arguments against the pinned input schema (JSON Schema 2020-12 unless `$schema` names another known draft)."""

from collections.abc import Mapping
from dataclasses import dataclass

import jsonschema_rs

from tallystick.terms import Reason, Refusal

BACKTRACKS = 10_000
"""Steps that a pattern with look-around or back-references may take; all others run in linear time anyway."""
_PATH = 200
"""Characters of a path that are told: it holds the caller's own member names, which may be of any length."""


@dataclass(frozen=True, slots=True)
class BadSchema:
    """Why an input schema cannot be used."""

    what: str


class Validator:
    """A compiled input schema."""

    __slots__ = ("compiled",)

    def __init__(self, compiled: jsonschema_rs.Validator) -> None:
        self.compiled = compiled


def compile_schema(input_schema: Mapping[str, object]) -> Validator | BadSchema:
    """Return the compiled schema. References may only point into the schema itself; nothing is ever fetched."""
    bounded = jsonschema_rs.FancyRegexOptions(backtrack_limit=BACKTRACKS)
    try:
        return Validator(jsonschema_rs.validator_for(dict(input_schema), retriever=_refuse, pattern_options=bounded))
    except ValueError as error:
        return BadSchema(str(error).partition("\n")[0])


def check_arguments(validator: Validator, arguments: Mapping[str, object]) -> Refusal | None:
    """Return None if `arguments` fit, else a Refusal that names the first place and rule, and never a value."""
    if validator.compiled.is_valid(arguments):
        return None
    error = next(validator.compiled.iter_errors(arguments), None)
    place, rule = _explain(error) if error else ("/", "schema")
    text = f"The arguments do not fit the tool's input schema: at {place}, rule {rule}. Correct them and call again."
    return Refusal("invalid", (Reason.ARGUMENTS_INVALID,), text, detail=f"{place}: {rule}")


def _explain(error: jsonschema_rs.ValidationError) -> tuple[str, str]:
    steps = [str(step).replace("~", "~0").replace("/", "~1") for step in error.instance_path]
    place = ("/" + "/".join(steps))[:_PATH]
    kind = error.kind
    if isinstance(kind, jsonschema_rs.ValidationErrorKind.Required):
        return place, f'"required" (member "{kind.property}" is missing)'
    return place, f'"{kind.name}"'


def _refuse(uri: str) -> None:
    msg = f"references outside of the schema are not followed: {uri}"
    raise ValueError(msg)
