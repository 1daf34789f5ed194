"""What may stand in the documents of tenants, issuers, policies, and of everything about callers."""

from typing import Final

from tallystick.registry import model
from tallystick.registry.kinds.server import owner
from tallystick.registry.kinds.shape import Schema, any_of, choice, flag, members, named, one_of, text, words
from tallystick.registry.reading.small import ALGORITHMS
from tallystick.registry.reading.words import MOMENT, NAME, URL

TENANT: Final = members(
    "A legal entity or a business unit. Tenants form a tree; a parent's forbid binds its children.",
    {
        "title": text("How people call it. Default: its name."),
        "jurisdiction": text("The jurisdiction that it is under, such as EU."),
        "parent": text("The tenant above it.", NAME),
    },
)

ISSUER: Final = members(
    "Somebody whose tokens are trusted, and how their claims are read. It speaks for one tenant (`tenant`), or tells "
    "by a claim for which (`tenant_claim`): exactly one of the two.",
    {
        "tenant_claim": text("The claim that names the tenant."),
        "algorithms": {
            "type": "array",
            "items": {"enum": list(ALGORITHMS)},
            "minItems": 1,
            "description": "Signature algorithms that are accepted. Default: all three.",
        },
        "subject_claim": text("The claim that names the person. Default sub."),
        "groups_claim": text("The claim with the person's groups. Default groups."),
        "client_claim": text("The claim that names the client."),
        "agent_claim": text("The claim that tells that an agent calls."),
        "agent_value": text("What that claim holds for an agent. Default true."),
        "jwks_uri": text("Where the keys are, if its metadata does not say.", URL),
        "allow_special_addresses": flag("Allow its documents on loopback and private addresses. Default false."),
    },
    {"issuer": text("Its URL, as tokens say it (`iss`).", URL)},
)

POLICY: Final = members(
    "Cedar policies, each with its `@id`. Without a tenant they bind everybody.",
    {},
    {"cedar": text("The text of the policies.")},
)

_PEOPLE: Final = {
    "people": words("People, by subject; `<issuer>#<subject>` means one issuer's."),
    "groups": words("Groups, by name."),
    "agents": words("Agents, by name."),
}
AUDIENCE: Final = {**_PEOPLE, "clients": words("Client programs, by name.")}

GRANT: Final = members(
    "Lets callers in to a toolset or a server that they are no audience of, until it ends. Policy decides each call "
    "all the same. Exactly one of `toolset` and `server`.",
    {
        "toolset": text("The toolset it is about.", NAME),
        "server": text("The server it is about.", NAME),
        "tools": words("The tools it lets use, by the names they have there. Default: all."),
        "purpose": text("What for. An approval asks for it."),
        "reason": text("Why it was asked for."),
        "expires": text("When it ends (RFC 3339, such as 2027-01-31T18:00:00Z).", MOMENT),
        "state": choice("Where it stands. Only the configuration directory's word counts here.", *model.STATES),
    },
    {"to": members("Who is let in: whom any of the lists names.", AUDIENCE, also=any_of(*AUDIENCE))},
    also=one_of("toolset", "server"),
)

AGENT: Final = members(
    "A program that calls by itself.",
    {
        "title": text("How people call it. Default: its name."),
        "owner": owner("Who answers for it: a text (person or team), or its parts."),
        "purpose": text("What it is for."),
        "clients": words("The clients it calls from."),
    },
)

ROLE: Final = members(
    "Who has a role at the console, in one tenant or, without one, everywhere.",
    _PEOPLE,
    {"role": choice("The role.", *model.CONSOLE_ROLES)},
    also=any_of(*_PEOPLE),
)

_TICKETING: Final = members(
    "How tickets are opened, and whose word there counts.",
    {
        "project": text("Jira: the key of the project; needed there."),
        "kind": text("Jira: the type of ticket. Default Task."),
        "table": text("ServiceNow: the table. Default change_request."),
        "approve": words("The statuses there that stand for a reviewer's yes."),
        "reject": words("The statuses there that stand for a reviewer's no."),
        "people": named(
            "Accounts there to people here; the word of any other account counts for nothing.", {"type": "string"}
        ),
    },
)
_FOR_JIRA: Final[Schema] = {
    "if": {"properties": {"format": {"const": "jira"}}, "required": ["format"]},
    "then": {
        "properties": {
            "ticketing": {
                "type": "object",
                "properties": {"project": {"type": "string", "minLength": 1}},
                "required": ["project"],
            }
        },
        "required": ["ticketing"],
    },
}
WEBHOOK: Final = members(
    "Somebody who is told of events, and who may answer. Without a tenant it is told of those of all.",
    {
        "format": choice("The form of what is sent. Default generic (Standard Webhooks).", *model.WEBHOOK_FORMATS),
        "events": words("The events it is told of. Default: all.", *model.EVENTS),
        "token": text("The Secret that the receiver asks for.", NAME),
        "user": text("The account to sign in as, with that secret as its password."),
        "allow_special_addresses": flag("Allow loopback, private and link-local addresses. Default false."),
        "enabled": flag("Whether it is told at all. Default true."),
        "ticketing": _TICKETING,
    },
    {
        "url": text("Where events go: https, or http on this machine.", URL),
        "secret": text("The Secret that signs what is sent and what comes back.", NAME),
    },
    also=_FOR_JIRA,
)

SECRET: Final = members(
    "A value that is written and never shown again; it is sealed at rest.",
    {
        "value": text("The value. Absent: the one that is there stays."),
        "set": flag("Whether there is a value: told in answers, and passed over when it is sent back."),
    },
)
