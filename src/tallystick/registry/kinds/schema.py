"""The JSON Schemas (2020-12) of specs, of files of the configuration directory, and of Kubernetes-style documents."""

from collections.abc import Mapping
from typing import Final

from tallystick.registry.kinds.server import RULE
from tallystick.registry.kinds.shape import Schema, members, named, one_of, or_null, said, text
from tallystick.registry.kinds.table import KINDS, KindEntry
from tallystick.registry.plain import as_list, as_object
from tallystick.registry.reading.words import NAME

API_VERSION: Final = "tallystick.dev/v1"
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
POLICY_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
"""Names of policies: their files were never bound to small letters."""
_LABEL: Final = "[A-Za-z0-9]([A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?"
_DEFS: Final = {"rule": RULE}


def spec_schema(kind: str) -> dict[str, object]:
    """Return the schema of a kind's `spec`."""
    return {"$schema": DIALECT, **KINDS[kind].spec, "$defs": _DEFS}


def file_schema(kind: str) -> dict[str, object]:
    """Return the schema of a kind's file in a configuration directory, where name and tenant stand beside the rest."""
    return {"$schema": DIALECT, **_file(KINDS[kind]), "$defs": _DEFS}


def document_schema(kind: str) -> dict[str, object]:
    """Return the schema of a kind's Kubernetes-style document."""
    return {"$schema": DIALECT, **_document(KINDS[kind]), "$defs": _DEFS}


def any_schema(kind: str) -> dict[str, object]:
    """Return the schema of both forms of a kind: an `apiVersion` makes it a document."""
    entry = KINDS[kind]
    if entry.suffix in {"", ".cedar"}:
        return document_schema(kind) | {"title": kind}
    return {
        "$schema": DIALECT,
        "title": kind,
        "if": {"type": "object", "required": ["apiVersion"]},
        "then": _document(entry),
        "else": _file(entry),
        "$defs": _DEFS,
    }


def documents_schema() -> dict[str, object]:
    """Return the schema of a Kubernetes-style document of any kind."""
    return {
        "$schema": DIALECT,
        "title": "Tallystick resources",
        "type": "object",
        "properties": {"apiVersion": {"const": API_VERSION}, "kind": {"enum": list(KINDS)}},
        "required": ["apiVersion", "kind"],
        "allOf": [
            {
                "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
                "then": {"$ref": f"#/$defs/{kind}"},
            }
            for kind in KINDS
        ],
        "$defs": _DEFS | {kind: _document(entry) for kind, entry in KINDS.items()},
    }


def _document(entry: KindEntry) -> Schema:
    needed = {"name": text("Its name, unique among all of its kind.", POLICY_NAME if entry.kind == "Policy" else NAME)}
    optional: dict[str, Schema] = {
        "labels": named("Labels, to choose by.", {"type": "string"}, _LABEL),
        "annotations": named("Remarks that Tallystick does not read.", {"type": "string"}, _LABEL),
    }
    if entry.tenant == "one":
        needed["tenant"] = text("The tenant it belongs to.", NAME)
    elif entry.tenant == "optional":
        optional["tenant"] = text("The tenant it belongs to. Absent: the whole installation.", NAME)
    elif entry.tenant == "itself":
        optional["tenant"] = text("Its own name, or absent.", NAME)
    else:
        optional["tenant"] = text("That of its server, or absent.", NAME)
    also: Schema = {}
    if entry.kind == "Issuer":
        whose = {"properties": {"metadata": said("tenant")}}
        claimed = {"properties": {"spec": said("tenant_claim")}}
        also = {"oneOf": [whose, claimed]}
    return members(
        entry.doc,
        {},
        {
            "apiVersion": {"const": API_VERSION, "description": "The version of this form."},
            "kind": {"const": entry.kind, "description": "What it is."},
            "metadata": members("What names it and whose it is.", optional, needed),
            "spec": entry.spec,
        },
        also,
    )


def _file(entry: KindEntry) -> Schema:
    spec = dict(entry.spec)
    properties, required = as_object(spec["properties"]), as_list(spec.get("required"))
    named_by = "server" if entry.kind == "Pin" else "name"
    own = text("Its name: that of the file without suffix. May be left out.", NAME)
    properties[named_by] = {**own, "type": ["string", "null"]}
    if entry.tenant == "one":
        properties["tenant"] = text("The tenant it belongs to.", NAME)
        required.append("tenant")
    elif entry.tenant == "optional":
        properties["tenant"] = or_null(text("The tenant it belongs to. Absent: the whole installation.", NAME))
    if entry.kind == "Issuer":
        spec |= one_of("tenant", "tenant_claim")
    return {**spec, "properties": properties, "required": required}


def schemas() -> Mapping[str, Mapping[str, object]]:
    """Return every schema that is published, by the name of its file."""
    return {f"{kind.lower()}.json": any_schema(kind) for kind in KINDS} | {"tallystick.json": documents_schema()}
