"""Checks a leaf against the table of kinds and against RFC 8785, fast enough for millions of them.

Each kind becomes a decoder whose fields stand in the order that RFC 8785 sorts them. A leaf that it reads, and that it
writes again byte by byte, has exactly the fields of its kind and is canonical: no duplicate, no space, no other order.
"""

from collections.abc import Mapping, Sequence
from types import GenericAlias
from typing import Annotated, Final, Literal, Union

import msgspec

from tallystick.audit.leaf.kinds import EVERY_LEAF, KINDS, Field
from tallystick.audit.offline.read import is_fields, is_items

_SAFE = 2**53 - 1


class Glimpse(msgspec.Struct):
    """What every leaf says, and what tells how it goes with others."""

    kind: str = ""
    ts: str = ""
    v: int | None = None
    id: str | None = None
    intent: int | None = None


_glimpse: Final = msgspec.json.Decoder(Glimpse).decode
_encode: Final = msgspec.json.Encoder().encode


def glimpse(leaf: bytes) -> Glimpse | None:
    """Read what tells how a leaf goes with others; None for one that cannot be read."""
    try:
        return _glimpse(leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def fault(leaf: bytes, kind: str) -> str | None:
    """Say what is wrong with the form of a leaf of this kind; None for nothing."""
    decoder = _DECODERS.get(kind)
    if decoder is None:
        return "the leaf has no known kind"
    try:
        fields = decoder.decode(leaf)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return f"the leaf is not what a leaf of kind {kind} can be: {error}"
    if _encode(fields) != leaf:
        return "the leaf is not canonical JSON"
    for name in _FLAGS[kind]:
        if getattr(fields, name) is False:
            return f"the leaf is not what a leaf of kind {kind} can be: {name} is false"
    return None


def _part(schema: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = schema.get(name)
    return found if is_fields(found) else {}


def _parts(schema: Mapping[str, object], name: str) -> Sequence[object]:
    found = schema.get(name)
    return found if is_items(found) else ()


def _number(schema: Mapping[str, object], name: str, otherwise: int | None = None) -> int | None:
    found = schema.get(name)
    return found if isinstance(found, int) else otherwise


def _struct(name: str, properties: Mapping[str, object], required: Sequence[object]) -> type[msgspec.Struct]:
    # INVARIANT: sorted by name, which RFC 8785 asks for; that holds for nested objects by the same line.
    fields: list[tuple[str, object] | tuple[str, object, object]] = []
    for field, schema in sorted(properties.items()):
        form = _type(schema if is_fields(schema) else {}, f"{name}_{field}")
        fields.append((field, form) if field in required else (field, _union((form, msgspec.UnsetType)), msgspec.UNSET))
    return msgspec.defstruct(name, fields, kw_only=True, forbid_unknown_fields=True)


def _union(forms: tuple[object, ...]) -> object:
    return Union[forms]  # noqa: UP007 - made of a list that is known at run time only


def _type(schema: Mapping[str, object], name: str) -> object:
    """Type that reads what a schema of the table allows; raises LookupError for one that is not understood here."""
    if schema.get("const") is True:
        return bool
    if "const" in schema or "enum" in schema:
        return Literal[tuple(_parts(schema, "enum") or (schema["const"],))]
    if "anyOf" in schema:
        return _union(tuple(_type(part, name) for part in _parts(schema, "anyOf") if is_fields(part)))
    return _union(tuple(_plain(schema, kind, name) for kind in _parts(schema, "type") or (schema["type"],)))


def _plain(schema: Mapping[str, object], kind: object, name: str) -> object:
    match kind:
        case "null":
            return type(None)
        case "integer":
            least, most = _number(schema, "minimum", -_SAFE), _number(schema, "maximum", _SAFE)
            return Annotated[int, msgspec.Meta(ge=least, le=most)]
        case "string":
            pattern = schema.get("pattern")
            expression = pattern.replace("$", r"\Z") if isinstance(pattern, str) else None
            return Annotated[str, msgspec.Meta(max_length=_number(schema, "maxLength"), pattern=expression)]
        case "array":
            items = GenericAlias(list, (_type(_part(schema, "items"), f"{name}_item"),))
            return Annotated[items, msgspec.Meta(max_length=_number(schema, "maxItems"))]
        case "object":
            return _struct(name, _part(schema, "properties"), _parts(schema, "required"))
        case _:
            message = f"{name}: a schema of type {kind!r} is not understood"
            raise LookupError(message)


def _fields(kind: str) -> Mapping[str, Field]:
    return {**EVERY_LEAF, **KINDS[kind].fields}


_FLAGS: Final = {
    kind: tuple(name for name, field in _fields(kind).items() if field.schema.get("const") is True) for kind in KINDS
}
_DECODERS: Final = {
    kind: msgspec.json.Decoder(
        _struct(
            kind,
            {name: field.schema for name, field in _fields(kind).items()},
            [name for name, field in _fields(kind).items() if field.required],
        )
    )
    for kind in KINDS
}
