"""What may stand in the document of a server."""

from typing import Final

from tallystick.registry import model, rules
from tallystick.registry.kinds.shape import (
    Schema,
    choice,
    flag,
    free,
    integer,
    members,
    named,
    number,
    one_of,
    or_null,
    text,
    texts,
    words,
)
from tallystick.registry.reading.words import DATE, NAME, URL

RULE: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "properties": {name: {**keyword.schema, "description": keyword.doc} for name, keyword in rules.KEYWORDS.items()},
    "additionalProperties": False,
    "description": "What one argument may be, within what the pinned inputSchema allows.",
}
"""A rule refers to itself as `#/$defs/rule`, so every schema that is published has it there."""

RULES: Final[Schema] = {
    "type": "object",
    "properties": {rules.OTHERS: {"const": False, "description": "false: no argument that the schema does not name."}},
    "additionalProperties": {"$ref": "#/$defs/rule"},
    "description": "Rules by argument that narrow the pinned inputSchema (JSON Schema 2020-12).",
}

_TOOL: Final = members(
    "What its owner says of one tool.",
    {
        "operation": choice(
            "What it does to the system behind it. Unknown: execute, the most severe.", *model.OPERATIONS
        ),
        "risk": choice("How bad a wrong call is. Unknown: critical.", *model.RISKS),
        "labels": texts("Labels of the tool, for policies and toolsets to speak of."),
        "data_scope": text("Which data a call can reach."),
        "purpose": text("What the tool is for."),
        "sources": words("Labels of what its results may carry."),
        "sinks": words("Labels of where its arguments may go."),
        "reversibility": choice(
            "R0 reads only; R1 the system itself can undo it; R2 another tool undoes it; R3 it waits and can be called "
            "back; R4 it cannot be undone. Unknown: R4.",
            *model.REVERSIBILITIES,
        ),
        "arguments": RULES,
        "subject": text("The argument that names whose personal data a call is about; without one, its caller's."),
        "retention": text("The retention class of its payloads.", NAME),
        "amount": text("The argument with the sum of money that a call moves."),
        "currency": text("The argument with that sum's currency, or the currency itself (ISO 4217)."),
    },
)
_OWNER: Final[Schema] = {
    "anyOf": [
        {"type": "string"},
        members(
            "A person, a team, a legal entity.",
            {
                "person": text("The person who answers for it."),
                "team": text("The team that runs it."),
                "legal_entity": text("The legal entity that it belongs to."),
            },
        ),
    ],
}


def owner(doc: str) -> Schema:
    """Who answers for something: a text, or its parts."""
    return {**_OWNER, "description": doc}


_TRANSPORT: Final[Schema] = members(
    "How the server is reached: by URL, or by starting it. Exactly one of the two.",
    {
        "http": members(
            "A server behind a URL.",
            {
                "allow_special_addresses": flag("Allow loopback, private and link-local addresses. Default false."),
                "ca_file": text("A file with the authorities that vouch for the server, in PEM."),
            },
            {"url": text("Its URL, http or https, without credentials and fragment.", URL)},
        ),
        "stdio": members(
            "A server that the gateway starts.",
            {
                "env": named("Environment variables, added to an otherwise empty environment.", {"type": "string"}),
                "cwd": text("The directory to start it in. Default: the gateway's."),
            },
            {
                "command": {
                    "type": "array",
                    "prefixItems": [{"type": "string", "minLength": 1}],
                    "items": {"type": "string"},
                    "minItems": 1,
                    "description": "The program and its arguments.",
                }
            },
        ),
    },
    also=one_of("http", "stdio"),
)
_LIMITS: Final = members(
    "Bounds of the calls to this server.",
    {
        "timeout_s": number("Seconds that a call may take. Default 30.", 0.1, 600),
        "result_bytes": integer("Bytes that a result may have. Default 8 MiB.", 1024, 256 << 20),
        "in_flight": integer("Calls under way at once, of all workers together. Default 64.", 1, 10_000),
    },
)
_PROVIDER: Final = members(
    "Who runs the server for the firm.",
    {
        "name": text("The provider's name."),
        "contract": members(
            "What was agreed with it.",
            {
                "sla": text("The service level."),
                "exit": text("How the firm leaves."),
                "sub_processors": words("Who works for the provider."),
            },
        ),
    },
)

SERVER: Final = members(
    "An MCP server that the firm knows, with what its owner says of it and of its tools.",
    {
        "title": text("How people call it. Default: its name."),
        "owner": owner("Who answers for it: a text (person or team), or its parts."),
        "purpose": text("What the firm uses it for."),
        "provider": _PROVIDER,
        "classification": choice("The highest class of data in it. Unknown: restricted.", *model.CLASSIFICATIONS),
        "jurisdictions": words("Where the law of its data is, such as EU or UK."),
        "regions": words("Where it runs and keeps data, such as eu-central-1."),
        "approved_clients": words("The clients that it was approved for, such as vscode."),
        "environments": words("The environments it belongs to, such as production."),
        "security_review": members(
            "When its security was reviewed.",
            {"date": text("The day of the review, YYYY-MM-DD.", DATE), "next": text("The next one is due then.", DATE)},
        ),
        "credentials": choice(
            "How it learns who may use it: none, or environment (what stands in the stdio server's env). That is all "
            "that exists; nothing of the caller's own token is passed on.",
            *model.CREDENTIALS,
        ),
        "support": members(
            "Whom to ask when it fails.",
            {"contact": text("Whom to write to."), "url": text("Where its documents are."), "hours": text("When.")},
        ),
        "limits": _LIMITS,
        "tools": named("Its tools by name; `*` stands for every pinned tool that is not named.", or_null(_TOOL)),
        "state": choice("Where it stands. Only the configuration directory's word counts here.", *model.STATES),
    },
    {"transport": _TRANSPORT},
)

_DEFINITION: Final = {"type": "object"}
PIN: Final = members(
    "What a server said when it was approved. Written by `tally pin` or by an approval, not by hand.",
    {
        "pinned_at": text("When (RFC 3339)."),
        "eras": named("Its answer to the opening of each protocol version.", or_null(free("The answer."))),
        "tools": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 128},
                    "inputSchema": {"type": "object"},
                },
                "required": ["name", "inputSchema"],
            },
            "description": "Its tools as MCP tool objects.",
        },
        "prompts": {
            "type": "array",
            "items": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
            "description": "Its prompts. Absent: never pinned, so not compared.",
        },
        "resource_templates": {
            "type": "array",
            "items": {"type": "object", "properties": {"uriTemplate": {"type": "string"}}, "required": ["uriTemplate"]},
            "description": "Its resource templates. Absent: never pinned, so not compared.",
        },
        "variants": named(
            "What it says otherwise in an older protocol version, by version.", or_null(free("Its lists there."))
        ),
        "quarantined": named(
            "What has differed since, by tool; `*` is the whole server. Written by Tallystick alone.",
            members(
                "Why.",
                {"digest": text("The digest of what was seen."), "why": text("In a sentence.")},
                {"since": text("When it was seen (RFC 3339).")},
            ),
        ),
    },
)
