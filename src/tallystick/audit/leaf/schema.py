"""The published JSON Schema of leaves, out of the table of kinds."""

from collections.abc import Mapping
from typing import Final

from tallystick.audit.leaf.kinds import EVERY_LEAF, KINDS, Field

ID: Final = "https://tallystick.dev/schema/leaf-v1.json"


def leaf_schema() -> dict[str, object]:
    """JSON Schema (2020-12) of every kind of leaf; a leaf is valid if exactly one kind fits."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "A leaf of Tallystick's record",
        "description": "Canonical JSON (RFC 8785) of at most 8192 bytes. Fields ending in _c are keyed commitments "
        "(HMAC-SHA-256) to payloads, which are never in a leaf.",
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in sorted(KINDS)],
        "$defs": {name: _kind(name, {**EVERY_LEAF, **kind.fields}, kind.says) for name, kind in sorted(KINDS.items())},
    }


def _kind(name: str, fields: Mapping[str, Field], says: str) -> dict[str, object]:
    properties = {field: {**found.schema, "description": found.says} for field, found in sorted(fields.items())}
    properties["kind"] = {"const": name, "description": EVERY_LEAF["kind"].says}
    return {
        "type": "object",
        "description": says,
        "properties": properties,
        "required": sorted(field for field, found in fields.items() if found.required),
        "additionalProperties": False,
    }
