"""`tally status`: how a console, its state and its gateway stand, on one screen."""

from typing import Final

import click

from tallystick.cli.codes import UNREACHABLE
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.kinds import GRANT, SERVER
from tallystick.cli.output import API_VERSION, Shape, say, shaped
from tallystick.cli.terminal import tame

_STATUS: Final = {
    "CONSOLE": "console",
    "STATUS": "status",
    "VERSION": "version",
    "DATABASE": "database",
    "RECORD": "record",
    "TROUBLES": "troubles",
    "YOU": "you",
    "REVISION": "revision",
    "IN FORCE": "published",
    "SNAPSHOT": "snapshot",
    "ENTRANCES": "entrances",
    "NOTICES": "notices",
    "IN REVIEW": "in_review",
}


@click.command()
@connected
@shaped
@click.pass_context
def status(context: click.Context, console: Connection, shape: Shape) -> None:
    """Tell how things stand: console, record, revision, entrances, what waits. Exit code 8: it works in part only."""
    from tallystick.remote import RemoteError, messages  # noqa: PLC0415 - loaded when it is asked

    client = console.client()
    health, me = client.health(), client.whoami()
    item: dict[str, object] = {
        "apiVersion": API_VERSION,
        "kind": "Status",
        "console": console.place,
        "status": health.status,
        "version": health.version,
        "database": health.database,
        "record": health.record,
        "troubles": [f"{name}: {what}" for name, what in health.troubles.items()],
        "you": me.name,
    }
    try:
        revision, snapshot = client.revision(), client.snapshot()
        listing = messages.asked.Listing(limit=500, state="in_review")
        item |= {
            "revision": revision.head,
            "published": revision.published,
            "snapshot": snapshot.digest,
            "entrances": len(snapshot.routes),
            "notices": len(snapshot.notices),
            "in_review": sum(1 for noun in (SERVER, GRANT) for _ in client.every(noun.kind, listing)),
        }
        for notice in snapshot.notices:
            say(f"note: {tame(notice.where)}: {tame(notice.what)} ({tame(notice.remedy)})")
    except RemoteError as error:
        if error.code != "denied":
            raise
        say("You have no role that sees more. Run: tally whoami")
    shape.one(item, _STATUS)
    if health.status != "ok":
        context.exit(UNREACHABLE)
