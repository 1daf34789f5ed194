"""What may stand in the document of a toolset."""

from typing import Final

from tallystick.registry import model
from tallystick.registry.kinds.others import AUDIENCE
from tallystick.registry.kinds.server import RULES
from tallystick.registry.kinds.shape import (
    Schema,
    choice,
    free,
    integer,
    listed,
    members,
    named,
    or_null,
    text,
    texts,
    words,
)
from tallystick.registry.reading import overrides
from tallystick.registry.reading.words import NAME
from tallystick.registry.toolset import CONFLICTS

_PATH: Final = r"\$(?:\.[^\W\d][\w-]*|\['[^'\\]+'\]|\[\*\])*"
"""A JSONPath (RFC 9535) of names and `[*]` alone."""

_SELECTION: Final = {
    "servers": words("Servers, by name; `*` in a name is any run of characters, here and below."),
    "labels": words("Tools with one of these labels."),
    "operations": words("Tools with one of these operations.", *model.OPERATIONS),
    "risks": words("Tools with one of these risks.", *model.RISKS),
    "tools": words("Tools, by name."),
    "prompts": words("Prompts, by name."),
    "resources": words("Resources, by URI or template."),
}
_ASKED: Final[Schema] = {
    "anyOf": [{"properties": {name: {"type": "array"}}, "required": [name]} for name in _SELECTION]
}
_FIELDS: Final = members(
    "Which fields stay, by JSONPath of names and `[*]`, such as `$.accounts[*].iban`.",
    {"keep": listed("Only these.", text("A path.", _PATH)), "drop": listed("All but these.", text("A path.", _PATH))},
)
_ROWS: Final = members(
    "A list that is cut.",
    {},
    {
        "path": text("Where the list is.", _PATH),
        "first": integer("How many of its first elements stay.", 0, overrides.ROWS),
    },
)
_SOMETHING: Final[Schema] = {
    "anyOf": [
        {
            "properties": {
                "fields": {
                    "type": "object",
                    "anyOf": [
                        {"properties": {"keep": {"type": "array"}}, "required": ["keep"]},
                        {"properties": {"drop": {"type": "array", "minItems": 1}}, "required": ["drop"]},
                    ],
                }
            },
            "required": ["fields"],
        },
        {"properties": {"rows": {"type": "array", "minItems": 1}}, "required": ["rows"]},
        {"properties": {"bytes": {"type": "integer"}}, "required": ["bytes"]},
    ]
}
_TRIM: Final = members(
    "What is kept of its results. What was cut is marked, and the record says so.",
    {
        "fields": _FIELDS,
        "rows": listed("Lists that are cut.", _ROWS),
        "bytes": integer("Bytes of text that a result may have.", 1, overrides.TEXT_BYTES),
    },
    also=_SOMETHING,
)


def _not_empty(schema: Schema) -> Schema:
    """A text that is absent, null, or as it has to be; unlike elsewhere an empty one is no way to leave it out."""
    return {"anyOf": [schema, {"type": "null"}], "description": schema["description"]}


_WORDS: Final = {
    "name": _not_empty(text("The name it is published by, as it is.", overrides.NAME)),
    "title": text("What people read."),
    "description": text("What models read."),
}


_TARGET: Final = "[^/]+/.+"
_OVERRIDES: Final = members(
    "What is published otherwise than the server says it.",
    {
        "tools": named(
            "Tools, as `<server>/<tool>`.",
            or_null(
                members(
                    "What is different.",
                    {
                        **_WORDS,
                        "arguments": RULES,
                        "fixed": free("Arguments that the gateway puts in; clients do not see them."),
                        "trim": _TRIM,
                    },
                )
            ),
            _TARGET,
        ),
        "prompts": named("Prompts, as `<server>/<prompt>`.", or_null(members("What is different.", _WORDS)), _TARGET),
        "resources": named(
            "Resources, by URI or template.",
            or_null(
                members(
                    "What is different.",
                    {
                        "server": text("Whose it is, where several servers offer it."),
                        "title": _WORDS["title"],
                        "description": _WORDS["description"],
                    },
                )
            ),
        ),
    },
)
_MEMBER: Final = members(
    "A server with all of its known tools, or some.",
    {
        "tools": texts("Its tools by name. Default: all that are known."),
        "prompts": words("Its prompts by pattern."),
        "resources": words("Its resources by pattern of their URI or template."),
    },
    {"server": text("The server's name.", NAME)},
)

TOOLSET: Final = members(
    "A virtual MCP server: tools, prompts and resources of several servers of one tenant. `members` or `include` has "
    "to choose something.",
    {
        "title": text("How people call it. Default: its name."),
        "members": listed("Servers, by name.", _MEMBER),
        "include": listed("Rules: what all members of one of them hold for is chosen.", members("A rule.", _SELECTION)),
        "exclude": listed(
            "Rules: what one of them holds for is left out.", members("A rule.", _SELECTION, also=_ASKED)
        ),
        "conflicts": choice(
            "How two things of one name end: every name gets the prefix `<server>__` (default), the server wins that "
            "`priority` names first, every collision is settled by an override, or none may be.",
            *CONFLICTS,
        ),
        "priority": words("Servers, the one that wins first; only with `conflicts: priority`."),
        "audience": members("Who may enter. Absent: the whole tenant. Empty: nobody without a grant.", AUDIENCE),
        "overrides": _OVERRIDES,
    },
    also={
        "allOf": [
            {
                "anyOf": [
                    {"properties": {"members": {"type": "array", "minItems": 1}}, "required": ["members"]},
                    {"properties": {"include": {"type": "array", "minItems": 1}}, "required": ["include"]},
                ]
            },
            {
                "if": {"properties": {"conflicts": {"const": "priority"}}, "required": ["conflicts"]},
                "then": {"properties": {"priority": {"type": "array", "minItems": 1}}, "required": ["priority"]},
                "else": {"properties": {"priority": {"anyOf": [{"type": "null"}, {"maxItems": 0}]}}},
            },
        ]
    },
)
