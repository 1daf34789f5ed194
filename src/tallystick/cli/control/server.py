"""`tally server`: find servers, bring them in, look at what they say of themselves."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import click

from tallystick.cli.branch import Tree, branch
from tallystick.cli.codes import FINDINGS
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.kinds import SERVER, branches, name_of
from tallystick.cli.control.steps import VERBS, reviews, steps
from tallystick.cli.output import Shape, at, shaped
from tallystick.cli.terminal import tame_lines

if TYPE_CHECKING:
    from tallystick.remote import messages

_RISKS: Final[Mapping[str, "messages.asked.Risk"]] = {
    "low": "low",
    "medium": "medium",
    "high": "high",
    "critical": "critical",
}
_FOUND: Final = {
    "SERVER": "server",
    "TOOL": "tool",
    "TENANT": "tenant",
    "STATE": "state",
    "OPERATION": "operation",
    "RISK": "risk",
    "HELD BACK": "quarantined",
    "DESCRIPTION": "description",
}
_TOOLS: Final = {name: path for name, path in _FOUND.items() if path not in {"server", "tenant", "state"}}
DEFINITION: Final = {
    "SERVER": "server",
    "PINNED": "pinned_digest",
    "OBSERVED": "observed_digest",
    "HELD BACK": "quarantined",
    "DIFFERENCE": "text",
}

server = Tree(
    "server",
    "Find, bring in, review and stop servers.",
    {
        **branches(SERVER, "show", "history", "rm"),
        **steps(SERVER, {verb: verb for verb in VERBS}),
        "reviews": reviews(SERVER),
        "list": branch("List servers, as they are or as they were on a day.", "control.deployed", "list_servers"),
        "diff": branch("Show how a server differs from what was approved.", "control.deployed", "diff_server"),
        "search": branch("Find servers and tools: all words, and every filter.", "control.server", "search"),
        "tools": branch("List the tools of a server.", "control.server", "tools"),
        "definition": branch(
            "Show what a server says of itself: as approved, as seen last, and the difference.",
            "control.server",
            "definition",
        ),
        "scan": branch("Have a server asked now what it says of itself.", "control.server", "scan"),
        "add": branch("Register a server as a draft.", "control.bring", "add"),
        "import": branch("Bring in servers that are written down elsewhere, as drafts.", "control.bring", "bring_in"),
    },
)


@click.command()
@connected
@shaped
@click.option("--tools", "of", flag_value="tools", help="Tools only.")
@click.option("--servers", "of", flag_value="servers", help="Servers only.")
@click.option("--tenant", help="Of this tenant only.")
@click.option("--risk", type=click.Choice(["low", "medium", "high", "critical"]), help="Tools of this risk only.")
@click.argument("words", nargs=-1)
def search(console: Connection, shape: Shape, words: tuple[str, ...], **filters: str | None) -> None:
    """Find servers and tools: all words, and every filter."""
    shape.many(found_by(console, " ".join(words), filters), _FOUND)


def found_by(console: Connection, words: str, filters: Mapping[str, str | None]) -> list[dict[str, object]]:
    """Return everything that a search finds, page by page."""
    from tallystick.remote import messages, plain  # noqa: PLC0415 - loaded when it is asked

    client, cursor, items = console.client(), "", list[dict[str, object]]()
    while True:
        query = messages.asked.Search(
            q=words,
            of="tools" if filters.get("of") == "tools" else "servers" if filters.get("of") == "servers" else None,
            tenant=filters.get("tenant"),
            risk=_RISKS.get(filters.get("risk") or ""),
            limit=500,
            cursor=cursor,
        )
        page = client.search(query)
        items += [plain(one) for one in page.items]
        if page.next is None:
            return items
        cursor = page.next


@click.command()
@connected
@shaped
@name_of(SERVER)
def tools(console: Connection, shape: Shape, name: str) -> None:
    """List the tools of a server."""
    from tallystick.remote import messages, plain  # noqa: PLC0415 - loaded when it is asked

    path = f"/servers/{quote(name)}/tools"
    found = console.client().ask("GET", path, messages.told.Findings)
    shape.many([plain(one) for one in found.items], _TOOLS)


@click.command()
@connected
@shaped
@click.pass_context
@name_of(SERVER)
def definition(context: click.Context, console: Connection, shape: Shape, name: str) -> None:
    """Show what a server says of itself: as approved, as seen last, and the difference.

    Exit code 6: it says something else than what was approved.
    """
    from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

    tell_definition(context, shape, plain(console.client().definition(name)))


@click.command()
@connected
@shaped
@click.pass_context
@name_of(SERVER)
def scan(context: click.Context, console: Connection, shape: Shape, name: str) -> None:
    """Have a server asked now what it says of itself. Exit code 6: something else than what was approved."""
    from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

    tell_definition(context, shape, plain(console.client().scan(name)))


def tell_definition(context: click.Context, shape: Shape, found: dict[str, object]) -> None:
    """Print what a server says, and end with 6 where it differs from what was approved."""
    if shape.form == "table" and not shape.field:
        held = found.get("quarantined")
        # Why each is held back stands in the difference below, in more words.
        names = sorted(map(str, held)) if isinstance(held, Mapping) else held  # pyright: ignore[reportUnknownArgumentType] - JSON
        shown = {**{name: value for name, value in found.items() if name != "text"}, "quarantined": names}
        shape.one(shown, DEFINITION)
        # What differs, and without a difference all of it: nobody approves what was not shown.
        differs = bool(found.get("pinned") and found.get("diff"))
        offered = () if differs else _offered(found.get("observed") or found.get("pinned"))
        click.echo(tame_lines("\n".join([*offered, str(found.get("text") or "")])).rstrip())
    else:
        shape.one(found, DEFINITION)
    if found.get("pinned") and found.get("diff"):
        context.exit(FINDINGS)


def _offered(document: object) -> Iterator[str]:
    """Yield what a server says of itself, every text to its end: models read them to their ends, too."""
    eras = at(document, "eras")
    opened: dict[object, object] = dict(eras) if isinstance(eras, Mapping) else {}  # pyright: ignore[reportUnknownArgumentType] - JSON
    said = {str(text) for answer in opened.values() if (text := at(answer, "instructions"))}
    yield from (f"instructions: {text}" for text in sorted(said))
    for part, word in (("tools", "tool"), ("prompts", "prompt"), ("resource_templates", "template")):
        listed = at(document, part)
        entries: list[object] = list(listed) if isinstance(listed, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON
        for entry in entries:
            yield f"{word} {at(entry, 'name')}: {at(entry, 'description') or ''}"
            schema = at(entry, "inputSchema")
            if schema is not None:
                yield f"    {json.dumps(schema, ensure_ascii=False, sort_keys=True)}"
