"""`tally audit tail | show | proof | events`: leaves as they are stored, the proof of one, and as events."""

import json
import sys
from pathlib import Path
from typing import Final

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import audit, index_argument, json_option, log_argument, log_of, output_option, write
from tallystick.cli.terminal import columns, tame

_COLUMNS: Final = ("INDEX", "TIME", "KIND", "CALLER", "METHOD", "TARGET", "RESULT")
_DIGEST: Final = len("sha256:") + 12
"""Characters of a digest that tell one from another for a person; `show` prints all of it."""


@audit.command()
@log_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many leaves.")
@json_option
def tail(log: Path | None, count: int, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print the newest leaves."""
    directory = log_of(log)
    size = offline.size_of(directory)
    leaves = offline.read_leaves(directory, range(max(0, size - count), size))
    rows = [(index, offline.read_fields(leaf)) for index, leaf in leaves]
    if as_json:
        for index, fields in rows:
            click.echo(json.dumps({"index": index, **fields}))
        return
    click.echo(columns([_COLUMNS, *[(str(index), *map(tame, _summary(fields))) for index, fields in rows]]))


@audit.command()
@index_argument
@log_argument
@click.option("--raw", is_flag=True, help="Exactly the bytes that the log holds.")
@output_option
def show(index: int, log: Path | None, raw: bool, output: Path | None) -> None:  # noqa: FBT001 - click passes flags so
    """Print one leaf."""
    leaf = _leaf(log_of(log), index)
    write(output, leaf if raw else json.dumps(offline.read_fields(leaf), indent=2).encode() + b"\n")


@audit.command()
@index_argument
@log_argument
@output_option
def proof(index: int, log: Path | None, output: Path | None) -> None:
    """Prove that one leaf is in the log (a C2SP tlog-proof, checkable without the log)."""
    directory = log_of(log)
    text = offline.prove(directory, index)
    write(output, text.encode())
    if output is None:
        return
    click.echo(f"Proof of leaf {index} written to {output}. To check it anywhere:")
    click.echo(f"  tally audit show {index} {directory} --raw -o leaf.json")
    click.echo(f"  tally audit verify --proof {output} --leaf leaf.json --vkey {directory / 'vkey'}")


def _summary(fields: dict[str, object]) -> tuple[str, str, str, str, str, str]:
    caller = fields.get("caller")
    subject = str(caller.get("subject", "")) if offline.is_fields(caller) else ""
    target = "/".join(str(fields[name]) for name in ("server", "tool") if name in fields)
    target = target or str(fields.get("route", "")) or str(fields.get("snapshot", ""))[:_DIGEST]
    refusal = fields.get("refusal")
    result = str(fields.get("status", fields.get("action", "")))
    if offline.is_fields(refusal):
        result = f"{refusal.get('code')}: {_listed(refusal.get('reasons'))}"
    elif fields.get("intent") is not None:
        result = f"{result} of {fields['intent']}".strip()
    method = str(fields.get("method", ""))
    return str(fields.get("ts", "")), str(fields.get("kind", "")), subject, method, target, result


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else ""  # pyright: ignore[reportUnknownArgumentType] - JSON


def _leaf(directory: Path, index: int) -> bytes:
    _, leaf = next(offline.read_leaves(directory, range(index, index + 1)))
    return leaf


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
