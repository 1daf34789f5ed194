"""`tally audit hold | erase | expire | subject-access | cost | retention`: keeping and forgetting.

Each is an order to the writer of the record: to the running one, or to one that is started for it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import audit, json_option
from tallystick.cli.audit.orders import give_for, objects, tenant_option
from tallystick.cli.terminal import columns as aligned
from tallystick.cli.terminal import counted, tame

NOTHING: Final = 1
_MIB: Final = 1024 * 1024
_NOTHING_KEPT: Final = "Nothing is kept of this subject: look at its spelling, and at --tenant."
subject_option = click.option(
    "--subject",
    required=True,
    help="Whose payloads: a caller's subject, argument=value where a tool names the person so, or a reference.",
)


@audit.group()
def hold() -> None:
    """Place and release legal holds: what one covers is not erased and does not expire."""


@hold.command("place")
@click.argument("name")
@click.option("--matter", required=True, help="Why, as it will stand in the record.")
@click.option("--subject", help="Only this person's payloads.")
@click.option("--retention", help="Only payloads of this class.")
@click.option("--since", help="Only payloads from this time on.")
@click.option("--until", help="Only payloads before this time.")
@tenant_option
@json_option
def place_hold(tenant: str | None, *, as_json: bool, name: str, **asked: str | None) -> None:
    """Put the hold NAME in force."""
    told = give_for("hold", tenant, {"hold": name, **asked})
    _tell(told, f"Hold {name} is in force (leaf {told['leaf']}).", as_json=as_json)


@hold.command("release")
@click.argument("name")
@tenant_option
@json_option
def release_hold(name: str, tenant: str | None, *, as_json: bool) -> None:
    """Put the hold NAME out of force."""
    told = give_for("release", tenant, {"hold": name})
    _tell(told, f"Hold {name} is released (leaf {told['leaf']}).", as_json=as_json)


@hold.command("list")
@tenant_option
@json_option
def list_holds(tenant: str | None, *, as_json: bool) -> None:
    """Print the holds in force."""
    holds = objects(give_for("keeping", tenant, {})["holds"])
    if as_json:
        click.echo(json.dumps(holds, indent=2))
        return
    if not holds:
        click.echo("No hold is in force.")
        return
    _table(("name", "placed", "subject", "retention", "since", "until", "matter"), holds)


@audit.command()
@tenant_option
@json_option
def retention(tenant: str | None, *, as_json: bool) -> None:
    """Print the retention classes in force, with their years and laws."""
    classes = objects(give_for("keeping", tenant, {})["classes"])
    if as_json:
        click.echo(json.dumps(classes, indent=2))
        return
    rows = [{**one, "statutory": "yes" if one.get("statutory") else "no"} for one in classes]
    _table(("name", "years", "statutory", "law"), rows)


@audit.command()
@subject_option
@click.option("--basis", required=True, help="Legal basis, such as 'GDPR Art. 17(1)(b), request 2026-118'.")
@click.option("--class", "classes", multiple=True, help="Only this retention class; may be repeated.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@json_option
def erase(tenant: str | None, *, subject: str, basis: str, classes: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Erase a person's payloads: their keys are destroyed, for good. Leaves and proofs stay valid.

    Refused with the reason where a legal hold or a statute protects any of them; --class leaves protected classes out.
    """
    if not yes:
        click.confirm(f"Destroy the keys of all payloads of {subject}? Nobody can undo this.", abort=True, err=True)
    told = give_for("erase", tenant, {"subject": subject, "basis": basis, "classes": list(classes) or None})
    payloads, keys = counted(told["payloads"], "payload"), counted(told["keys"], "key")
    said = f"{payloads} erased, {keys} destroyed (leaf {told['leaf']})."
    _tell(told, said if told["keys"] else f"{said} {_NOTHING_KEPT}", as_json=as_json)


@audit.command()
@tenant_option
@json_option
def expire(tenant: str | None, *, as_json: bool) -> None:
    """Remove the payloads whose retention is over. Exit code 1: a hold blocks some of them."""
    told = give_for("expire", tenant, {})
    expired, blocked = objects(told["expired"]), objects(told["blocked"])
    if as_json:
        click.echo(json.dumps(told, indent=2))
    else:
        for one in expired:
            payloads = f"{counted(one['payloads'], 'payload')}, {one['stored_bytes']} bytes"
            click.echo(f"{_names(one['classes'])}: {payloads} (leaf {one['leaf']}).")
        for one in blocked:
            click.echo(f"{one['retention']}: kept, {one['why']}")
        if not expired and not blocked:
            click.echo("Nothing is due.")
    click.get_current_context().exit(NOTHING if blocked else 0)


@audit.command("subject-access")
@subject_option
@click.option("--why", required=True, help="Reason, as it will stand in the record.")
@click.option("-o", "output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="A new file.")
@tenant_option
@json_option
def subject_access(tenant: str | None, *, subject: str, why: str, output: Path, as_json: bool) -> None:
    """Write everything that is kept of a person to a file, one JSON object a line."""
    told = give_for("subject-access", tenant, {"subject": subject, "why": why, "file": str(output.absolute())})
    number, gone = counted(told["records"], "payload"), told["unreadable"]
    said = f"{number} ({gone} of them gone) -> {tame(str(told['file']))} (leaf {told['leaf']})."
    _tell(told, said if told["records"] else f"{said} {_NOTHING_KEPT}", as_json=as_json)


@audit.command()
@tenant_option
@json_option
def cost(tenant: str | None, *, as_json: bool) -> None:
    """Print what the record takes on disk, and what it will take, by retention class."""
    told = give_for("cost", tenant, {})
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    log = told["log"]
    if offline.is_fields(log):
        click.echo(f"log: {log['leaves']} leaves, {_mib(log['stored_bytes'])} MiB; leaves are never moved or dropped")
    sizes = ("stored_bytes", "bytes_per_day", "in_a_year_bytes", "steady_bytes")
    rows = [{**one, **{name: _mib(one.get(name)) for name in sizes}} for one in objects(told["classes"])]
    titles = {name: f"{name.removesuffix('_bytes').replace('bytes_', '')} MiB" for name in sizes}
    _table(("retention", "payloads", *sizes, "budget", "law"), rows, titles)


@audit.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--older-than", "days", type=click.IntRange(min=1), required=True, help="Days since their month ended.")
@tenant_option
@json_option
def tier(tenant: str | None, *, directory: Path, days: int, as_json: bool) -> None:
    """Move old payloads to a cheaper DIRECTORY. They stay encrypted, readable and erasable; leaves are not moved."""
    told = give_for("tier", tenant, {"directory": str(directory.absolute()), "days": days})
    _tell(told, f"{told['payloads']} payloads, {told['stored_bytes']} bytes -> {told['directory']}.", as_json=as_json)


@audit.command()
@click.option("--year", type=click.IntRange(min=2000), required=True, help="The log of which year.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@tenant_option
@json_option
def prune(tenant: str | None, *, year: int, yes: bool, as_json: bool) -> None:
    """Remove the leaves of a past year, once the longest retention is over. Its hashes stay, and proofs stay valid.

    Refused with the reason before that, and while a legal hold reaches into the year.
    """
    if not yes:
        click.confirm(f"Remove all leaves of {year}? Nobody can undo this.", abort=True, err=True)
    told = give_for("prune", tenant, {"year": year})
    _tell(told, f"{told['leaves']} leaves of {year} are removed (leaf {told['leaf']}).", as_json=as_json)


def _tell(told: Mapping[str, object], said: str, *, as_json: bool) -> None:
    click.echo(json.dumps(told, indent=2) if as_json else said)


def _names(value: object) -> str:
    match value:
        case list():
            items: list[object] = [*value]
            return ", ".join(map(str, items))
        case _:
            return ""


def _table(columns: tuple[str, ...], rows: list[dict[str, object]], titles: Mapping[str, str] | None = None) -> None:
    shown = [name for name in columns if any(row.get(name) is not None for row in rows)] or list(columns[:1])
    head = [(titles or {}).get(name, name).upper() for name in shown]
    lines = [head, *[[tame(str(row.get(name, ""))) for name in shown] for row in rows]]
    click.echo(aligned(lines))


def _mib(value: object) -> object:
    return f"{value / _MIB:.1f}" if isinstance(value, int | float) else value
