"""One table of kinds, and from it the commands that every kind has: list, show, history, rm."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import click
from click.shell_completion import CompletionItem

from tallystick.cli.branch import Branch
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.care import Care, careful
from tallystick.cli.output import Shape, at, shaped

if TYPE_CHECKING:
    from tallystick.remote import messages


F = TypeVar("F", bound=Callable[..., object])


class Noun(NamedTuple):
    """A kind of resource at the command line. `titles`: column -> dotted path into the resource."""

    kind: "messages.resources.Kind"
    name: str
    plural: str
    titles: Mapping[str, str]


STATES: Final[Mapping[str, "messages.resources.State"]] = {
    "draft": "draft",
    "in_review": "in_review",
    "approved": "approved",
    "suspended": "suspended",
    "retired": "retired",
}

_FIRST: Final = {"NAME": "metadata.name", "TENANT": "metadata.tenant"}
_LAST: Final = {"OWNER": "metadata.owner", "CHANGED": "metadata.changed"}

SERVER: Final = Noun(
    "Server",
    "server",
    "servers",
    {**_FIRST, "STATE": "status.state", "TITLE": "spec.title", "PURPOSE": "spec.purpose", **_LAST},
)
TOOLSET: Final = Noun("Toolset", "toolset", "toolsets", {**_FIRST, "TITLE": "spec.title", **_LAST})
GRANT: Final = Noun(
    "Grant",
    "grant",
    "grants",
    {
        **_FIRST,
        "STATE": "status.state",
        "TOOLSET": "spec.toolset",
        "SERVER": "spec.server",
        "TO": "spec.to",
        "EXPIRES": "spec.expires",
    },
)
POLICY: Final = Noun("Policy", "policy", "policies", {**_FIRST, **_LAST})
TENANT: Final = Noun(
    "Tenant",
    "tenant",
    "tenants",
    {"NAME": "metadata.name", "TITLE": "spec.title", "JURISDICTION": "spec.jurisdiction", "PARENT": "spec.parent"},
)
AGENT: Final = Noun("Agent", "agent", "agents", {**_FIRST, "TITLE": "spec.title", "PURPOSE": "spec.purpose", **_LAST})
ROLE: Final = Noun(
    "Role",
    "role",
    "roles",
    {**_FIRST, "ROLE": "spec.role", "PEOPLE": "spec.people", "GROUPS": "spec.groups", "AGENTS": "spec.agents"},
)
WEBHOOK: Final = Noun(
    "Webhook", "webhook", "webhooks", {**_FIRST, "FORMAT": "spec.format", "URL": "spec.url", "EVENTS": "spec.events"}
)
SECRET: Final = Noun("Secret", "secret", "secrets", {**_FIRST, "SET": "spec.set", "CHANGED": "metadata.changed"})
ISSUER: Final = Noun("Issuer", "issuer", "issuers", {**_FIRST, "ISSUER": "spec.issuer", **_LAST})

CHANGES: Final = {
    "REVISION": "revision",
    "AT": "at",
    "ACTOR": "actor",
    "KIND": "kind",
    "NAME": "name",
    "WHAT": "what",
    "WHY": "why",
}
"""Columns of a history."""


def name_of(noun: Noun, parameter: str = "name") -> Callable[[F], F]:
    """Return the argument that names one of a kind; a shell completes it with what the console knows."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del context, parameter
        from tallystick.cli.shell.complete import names  # noqa: PLC0415 - only a shell asks

        return names(noun.kind, incomplete)

    return click.argument(parameter, shell_complete=complete)


def branches(noun: Noun, *verbs: str) -> Mapping[str, Branch]:
    """Return the branches of a kind: of list, show, history and rm those that are named, or all."""
    makers = {"list": _list, "show": _show, "history": _history, "rm": _rm}
    return {
        verb: Branch(_SAYS[verb].format(noun.name, noun.plural), partial(maker, noun))
        for verb, maker in makers.items()
        if not verbs or verb in verbs
    }


_SAYS: Final = {
    "list": "List {1}.",
    "show": "Show one {0}.",
    "history": "Show every change of a {0}, oldest first.",
    "rm": "Remove a {0}; its history stays.",
}


def _list(noun: Noun) -> click.Command:
    @click.command("list", help=_SAYS["list"].format(noun.name, noun.plural))
    @connected
    @shaped
    @click.option("--tenant", help="Of this tenant only.")
    @click.option("--in", "state", type=click.Choice(list(STATES)), help="In this state of the lifecycle only.")
    @click.option("--owner", help="With this owner only, such as git:risk.")
    @click.option("--label", help="With this label only: <label>=<value>.")
    @click.argument("words", nargs=-1)
    def command(console: Connection, shape: Shape, words: tuple[str, ...], **filters: str | None) -> None:
        listing(console, shape, noun, words, filters)

    return command


def listing(
    console: Connection, shape: Shape, noun: Noun, words: tuple[str, ...], filters: Mapping[str, str | None]
) -> None:
    """Print what there is of a kind: all words have to be found, and every filter to fit."""
    from tallystick.remote import document_of, messages, plain  # noqa: PLC0415 - loaded when it is asked

    wanted = messages.asked.Listing(
        limit=500,
        tenant=filters.get("tenant"),
        state=STATES.get(filters.get("state") or ""),
        owner=filters.get("owner"),
        label=filters.get("label"),
        q=" ".join(words),
    )
    found = list(console.client().every(noun.kind, wanted))
    shape.many([plain(one) for one in found], noun.titles, [document_of(one) for one in found])


def _show(noun: Noun) -> click.Command:
    @click.command("show", help=_SAYS["show"].format(noun.name, noun.plural))
    @connected
    @shaped
    @name_of(noun)
    def command(console: Connection, shape: Shape, name: str) -> None:
        from tallystick.remote import document_of, plain  # noqa: PLC0415 - loaded when it is asked

        found = console.client().get(noun.kind, name).resource
        titles = {**noun.titles, **_LAST, "VERSION": "metadata.version", "NOTICES": "status.notices"}
        # A policy is its text, and the rest of a spec is its fields: both are what somebody wants to read.
        fields = {f"spec.{field}": f"spec.{field}" for field in found.spec}
        known = set(titles.values())
        shape.one(
            plain(found),
            {**titles, **{name: path for name, path in fields.items() if path not in known}},
            document_of(found),
        )

    return command


def _history(noun: Noun) -> click.Command:
    @click.command("history", help=_SAYS["history"].format(noun.name, noun.plural))
    @connected
    @shaped
    @name_of(noun)
    def command(console: Connection, shape: Shape, name: str) -> None:
        from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

        changes = console.client().history(noun.kind, name)
        shape.many([{**plain(one), "what": what_of(plain(one))} for one in changes], CHANGES)

    return command


def what_of(change: Mapping[str, object]) -> str:
    """Return what a change was: created, removed, a new state, or changed."""
    before, after = change.get("before"), change.get("after")
    if before is None or after is None:
        return "created" if before is None else "removed"
    old, new = at(before, "status.state"), at(after, "status.state")
    return "changed" if old == new else f"{old} -> {new}"


def _rm(noun: Noun) -> click.Command:
    @click.command("rm", help=_SAYS["rm"].format(noun.name, noun.plural))
    @connected
    @careful
    @click.option("--why", default="", help="Kept with the change.")
    @click.option("--take-over", is_flag=True, help="Remove it even where another owner has it.")
    @name_of(noun)
    def command(console: Connection, care: Care, name: str, why: str, take_over: bool) -> None:  # noqa: FBT001 - click passes flags so
        from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

        client = console.client()
        etag = client.get(noun.kind, name).etag
        care.confirm(f"Remove {noun.name} {name}", name)
        how = messages.asked.Dry(dry_run=care.is_dry, take_over=take_over, why=why)
        client.delete(noun.kind, name, etag, how)
        care.tell(f"{noun.name} {name} is removed")

    return command
