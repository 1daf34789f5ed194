"""`tally doctor`: every check, one line each."""

from pathlib import Path
from typing import Final

import click

from tallystick.cli.codes import FINDINGS
from tallystick.cli.connection import Connection, connected
from tallystick.cli.doctor import distant, local
from tallystick.cli.doctor.check import Check, Told, run
from tallystick.cli.output import API_VERSION, Shape, say, shaped
from tallystick.cli.places import config_option
from tallystick.terms import TallyError

_CHECKS: Final = {"ID": "id", "STATUS": "status", "EVIDENCE": "evidence", "FIX": "fix"}


@click.command()
@connected
@shaped
@config_option
@click.pass_context
def doctor(context: click.Context, console: Connection, shape: Shape, config: Path) -> None:
    """Check this machine and the console: id, status, evidence and fix of each. Exit code 6: a check failed."""
    found = local.checks(config, console.state)
    try:
        found += distant.checks(console.client(timeout_s=15.0), console.place)
    except TallyError as error:
        away = Told("failed", error.message, "tally up, or tally login URL")
        found.append(Check("console", lambda: away))
    rows: list[dict[str, object]] = []
    for number, check in enumerate(found, 1):
        if shape.form == "table":
            say(f"[{number}/{len(found)}] {check.id}")
        rows.append(run(check))
    if shape.form == "json" and not shape.field:
        shape.one({"apiVersion": API_VERSION, "kind": "Checks", "items": rows}, {})
    else:
        shape.many(rows, _CHECKS)
    if any(row["status"] == "failed" for row in rows):
        context.exit(FINDINGS)
