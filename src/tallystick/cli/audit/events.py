"""`tally audit events`: the events of one log, as a sink would get them."""

import sys
from pathlib import Path

import click

from tallystick.cli.audit.group import audit


@audit.command("events")
@click.argument("log", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--format", "written", default="ocsf", show_default=True, help="ocsf, ecs, cef, leef, syslog, leaf, ...")
@click.option("--from-index", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--count", type=click.IntRange(min=1), help="Print at most so many leaves' events.")
def events(log: Path, written: str, from_index: int, count: int | None) -> None:
    """Print the events of the verified leaves of LOG (<state>/audit/<tenant>/<year>), one on a line."""
    from tallystick import export  # noqa: PLC0415 - loaded when it is called

    for line in export.events_of(log, written, from_index, count):
        sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
