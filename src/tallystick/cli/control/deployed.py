"""`tally server list` and `diff`: as things are, and what the record of this machine says they were."""

from collections.abc import Iterator, Mapping
from typing import Final

import click

from tallystick.cli.codes import FINDINGS, UNKNOWN, WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.kinds import SERVER, STATES, listing, name_of
from tallystick.cli.control.server import tell_definition
from tallystick.cli.output import Shape, shaped

_THEN: Final = {"NAME": "name", "STATE": "state", "DIGEST": "digest", "SINCE": "since", "REVISION": "revision"}
_SINCE: Final = {
    "AT": "at",
    "OBJECT": "name",
    "REVISION": "revision",
    "ACTION": "action",
    "BY": "by",
    "BEFORE": "before",
    "AFTER": "after",
    "TOOLS": "tools",
}


@click.command("list")
@connected
@shaped
@click.option("--tenant", help="Of this tenant only.")
@click.option("--in", "state", type=click.Choice(list(STATES)), help="In this state of the lifecycle only.")
@click.option("--owner", help="With this owner only, such as git:risk.")
@click.option("--label", help="With this label only: <label>=<value>.")
@click.option("--on", "day", metavar="DATE", help="As the record of this machine says it was: a day (its end), a time.")
@click.argument("words", nargs=-1)
def list_servers(
    console: Connection, shape: Shape, words: tuple[str, ...], day: str | None, **filters: str | None
) -> None:
    """List servers, as they are or as they were on a day."""
    if day is None:
        listing(console, shape, SERVER, words, filters)
        return
    if words or any(filters.values()):
        raise CommandError(WRONG, "--on lists everything of that day: leave the filters out")
    from tallystick.registry import definition  # noqa: PLC0415 - loaded when it is asked

    try:
        found = definition.deployed.deployed(leaves(console), day)
    except ValueError as error:
        raise CommandError(WRONG, f"--on {day}: {error}") from error
    rows = [
        {
            "name": name.removeprefix("server/"),
            "state": one.state,
            "digest": one.digest,
            "since": one.since,
            "revision": one.revision,
        }
        for name, one in found.items()
        if name.startswith("server/")
    ]
    shape.many(rows, _THEN)


@click.command("diff")
@connected
@shaped
@click.option(
    "--since", metavar="DATE", help="What changed since, as the record of this machine says: a day or a time."
)
@name_of(SERVER)
@click.pass_context
def diff_server(context: click.Context, console: Connection, shape: Shape, since: str | None, name: str) -> None:
    """Show how a server differs from what was approved.

    With --since: what was changed about it since then. Exit code 6: it differs, or something was changed.
    """
    if since is None:
        from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

        tell_definition(context, shape, plain(console.client().definition(name)))
        return
    from tallystick.registry import definition  # noqa: PLC0415 - loaded when it is asked

    try:
        told = definition.deployed.changes_since(leaves(console), since, name)
    except ValueError as error:
        raise CommandError(WRONG, f"--since {since}: {error}") from error
    rows: list[dict[str, object]] = []
    for one in told:
        old, new = ({} if part is None else dict(part.tools) for part in (one.before, one.after))
        rows.append(
            {
                "at": one.at,
                "name": one.name,
                "revision": one.revision,
                "action": one.action,
                "by": one.by,
                "before": None if one.before is None else one.before.digest,
                "after": None if one.after is None else one.after.digest,
                "tools": sorted(tool for tool in {*old, *new} if old.get(tool) != new.get(tool)),
            }
        )
    shape.many(rows, _SINCE)
    if rows:
        context.exit(FINDINGS)


def leaves(console: Connection) -> Iterator[Mapping[str, object]]:
    """Yield the verified leaves about what is deployed, from every log of this machine."""
    from tallystick.audit import offline  # noqa: PLC0415 - loaded when it is asked

    logs = sorted(path.parent for path in (console.state / "audit").glob("*/*/checkpoint"))
    if not logs:
        message = f"there is no record below {console.state}: name the state directory of its machine with --state"
        raise CommandError(UNKNOWN, message)
    for log in logs:
        followed = offline.Followed(offline.reader(log), offline.read_vkey(log).split("\n"))
        followed.refresh()
        for _, leaf in followed.leaves(0):
            yield offline.read_fields(leaf)
