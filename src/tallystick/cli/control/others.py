"""What else there is to see: tools, toolsets, tenants, agents, webhooks, what waits for a review, what changes."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.branch import Tree, branch
from tallystick.cli.codes import UNKNOWN, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.kinds import AGENT, CHANGES, GRANT, SERVER, TENANT, TOOLSET, WEBHOOK, branches, what_of
from tallystick.cli.control.server import found_by
from tallystick.cli.output import Shape, at, shaped
from tallystick.cli.terminal import tame

if TYPE_CHECKING:
    from tallystick.remote import Client

_TOOLS: Final = {
    "TOOL": "tool",
    "SERVER": "server",
    "OPERATION": "operation",
    "RISK": "risk",
    "HELD BACK": "quarantined",
    "DESCRIPTION": "description",
}
_WAITS: Final = {
    "WHAT": "what",
    "NAME": "name",
    "TENANT": "tenant",
    "SINCE": "since",
    "BY": "by",
    "WAITS FOR": "waits_for",
    "NEXT": "next",
}
_STATUS: Final = {
    "NAME": "metadata.name",
    "TENANT": "metadata.tenant",
    "ENABLED": "enabled",
    "URL": "spec.url",
    "MARKS": "status.marks",
    "NOTICES": "status.notices",
}

toolset = Tree("toolset", "Look at toolsets: tools of several servers under one address.", branches(TOOLSET))
tenant = Tree("tenant", "Look at tenants.", branches(TENANT, "list", "show", "history"))
agent = Tree("agent", "Look at agents: programs that call by themselves.", branches(AGENT))
webhook = Tree(
    "webhook",
    "Look at webhooks, and at how those who are told of events are doing.",
    {
        **branches(WEBHOOK),
        "status": branch("Tell whether a webhook is on, and what is noted of it.", "control.others", "webhook_status"),
    },
)
tool = Tree(
    "tool",
    "Find tools, and look at one.",
    {
        "list": branch("List tools: all words have to be found.", "control.others", "list_tools"),
        "show": branch("Show one tool as its server offers it.", "control.others", "show_tool"),
    },
)
review = Tree(
    "review",
    "See what waits for a decision.",
    {"list": branch("List what waits for a review, and for whom.", "control.others", "waiting")},
)


@click.command("list")
@connected
@shaped
@click.option("--tenant", help="Of this tenant only.")
@click.option("--risk", type=click.Choice(["low", "medium", "high", "critical"]), help="Of this risk only.")
@click.argument("words", nargs=-1)
def list_tools(console: Connection, shape: Shape, words: tuple[str, ...], **filters: str | None) -> None:
    """List tools: all words have to be found."""
    shape.many(found_by(console, " ".join(words), {**filters, "of": "tools"}), _TOOLS)


@click.command("show")
@connected
@shaped
@click.argument("server")
@click.argument("name")
def show_tool(console: Connection, shape: Shape, server: str, name: str) -> None:
    """Show one tool as its server offers it."""
    client = console.client()
    pin = client.get("Pin", server).resource.spec.get("tools")
    rules = at(client.get("Server", server).resource.spec, "tools")
    pinned: list[object] = list(pin) if isinstance(pin, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON
    found = next((one for one in pinned if at(one, "name") == name), None)
    if found is None:
        raise CommandError(UNKNOWN, f"server {server} has no tool {name}: see tally server tools {server}")
    said = rules.get(name) if isinstance(rules, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON
    item: dict[str, object] = {"server": server, "labels": said, "definition": found}
    titles = {"SERVER": "server", "TOOL": "definition.name", "DESCRIPTION": "definition.description"}
    titles |= {"LABELS": "labels", "ARGUMENTS": "definition.inputSchema"}
    shape.one(item, titles)


@click.command("status")
@connected
@shaped
@click.argument("name", required=False)
def webhook_status(console: Connection, shape: Shape, name: str | None) -> None:
    """Tell whether a webhook is on, and what is noted of it."""
    from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

    client = console.client()
    found = [client.get("Webhook", name).resource] if name else list(client.every("Webhook"))
    shape.many([{**plain(one), "enabled": one.spec.get("enabled", True)} for one in found], _STATUS)


@click.command("list")
@connected
@shaped
@click.option("--tenant", help="Of this tenant only.")
def waiting(console: Connection, shape: Shape, tenant: str | None) -> None:
    """List what waits for a review, and for whom."""
    client = console.client()
    shape.many([*_submitted(client, tenant), *_held(client, tenant)], _WAITS)


def _submitted(client: "Client", tenant: str | None) -> Iterator[dict[str, object]]:
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    listing = messages.asked.Listing(limit=500, tenant=tenant, state="in_review")
    for noun in (SERVER, GRANT):
        for one in client.every(noun.kind, listing):
            name = one.metadata.name
            asked = [step for step in client.reviews(noun.kind, name) if step.to == "in_review" and not step.unmet]
            by = asked[-1].actor if asked else ""
            yield {
                "what": noun.name,
                "name": name,
                "tenant": one.metadata.tenant,
                "since": asked[-1].at if asked else one.metadata.changed,
                "by": by,
                "waits_for": f"a reviewer, not {by}" if by else "a reviewer",
                "next": f"tally {noun.name} approve {name}",
            }


def _held(client: "Client", tenant: str | None) -> Iterator[dict[str, object]]:
    from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

    for pin in client.every("Pin", messages.asked.Listing(limit=500, tenant=tenant)):
        held = None if pin.status is None else pin.status.marks.get("quarantined")
        items: dict[object, object] = dict(held) if isinstance(held, dict) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON
        for name, why in items.items():
            server = pin.metadata.name
            yield {
                "what": "definition",
                "name": server if name == "*" else f"{server}/{name}",
                "tenant": pin.metadata.tenant,
                "since": at(why, "since"),
                "by": "",
                "waits_for": "a reviewer",
                "next": f"tally server definition {server}",
            }


@click.command()
@connected
@shaped
@click.option("--after", type=click.IntRange(min=0), default=0, show_default=True, help="From after this revision on.")
@click.option("--follow", is_flag=True, help="Go on with changes as they come in force (with -o json: one on a line).")
def changes(console: Connection, shape: Shape, after: int, follow: bool) -> None:  # noqa: FBT001 - click passes flags so
    """List what was changed, by whom and why; oldest first."""
    from tallystick.remote import messages, plain  # noqa: PLC0415 - loaded when it is asked

    if not follow:
        client, query, rows = console.client(), messages.asked.Following(after, 500), list[dict[str, object]]()
        while True:
            page = client.ask("GET", "/changes", messages.resources.Changes, query=query)
            rows += [_told(plain(one)) for one in page.items]
            if page.next is None:
                shape.many(rows, CHANGES)
                return
            query = messages.asked.Following(after, 500, page.next)
    for one in console.client(timeout_s=3600.0).follow(after):
        told = _told(plain(one))
        line = (
            json.dumps(told)
            if shape.form == "json"
            else "  ".join(tame(str(at(told, path) or "-")) for path in CHANGES.values())
        )
        click.echo(line)


def _told(change: dict[str, object]) -> dict[str, object]:
    return {**change, "what": what_of(change)}
