"""`tally audit`: read, prove and verify the record from its files and public key; no running Tallystick is needed."""

import json
from pathlib import Path

import click

from tallystick.audit import offline
from tallystick.cli.terminal import tame
from tallystick.settings import places

DAMAGED = 1
_COLUMNS = ("INDEX", "TIME", "KIND", "CALLER", "TARGET", "RESULT")

log_argument = click.argument("log", metavar="[LOG]", required=False, type=click.Path(path_type=Path, file_okay=False))
index_argument = click.argument("index", type=click.IntRange(min=0))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
vkey_option = click.option(
    "--vkey",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with the log's public key, got from a source you trust (default: the one beside the log).",
)


@click.group()
def audit() -> None:
    """Read the record.

    LOG is the directory of one log (`<state>/audit/<tenant>/<year>`); it can be left out while there is only one.
    """


@audit.command()
@log_argument
@click.option("-n", "count", type=click.IntRange(min=1), default=20, show_default=True, help="How many leaves.")
@json_option
def tail(log: Path | None, count: int, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print the newest leaves."""
    directory = _log(log)
    size = offline.size_of(directory)
    leaves = offline.read_leaves(directory, range(max(0, size - count), size))
    rows = [(index, offline.read_fields(leaf)) for index, leaf in leaves]
    if as_json:
        for index, fields in rows:
            click.echo(json.dumps({"index": index, **fields}))
        return
    table = [_COLUMNS, *[(str(index), *map(tame, _summary(fields))) for index, fields in rows]]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@audit.command()
@index_argument
@log_argument
@click.option("--raw", is_flag=True, help="Print exactly the bytes that the log holds.")
def show(index: int, log: Path | None, raw: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Print one leaf."""
    leaf = _leaf(_log(log), index)
    if raw:
        click.echo(leaf, nl=False)
        return
    click.echo(json.dumps(offline.read_fields(leaf), indent=2))


@audit.command()
@index_argument
@log_argument
@click.option("-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write the proof to this file.")
def proof(index: int, log: Path | None, output: Path | None) -> None:
    """Prove that one leaf is in the log (a C2SP tlog-proof, checkable without the log)."""
    directory = _log(log)
    text = offline.prove(directory, index)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}. Name another file with -o"
        raise click.UsageError(message) from error
    click.echo(f"Proof of leaf {index} written to {output}. To check it anywhere:")
    click.echo(f"  tally audit show {index} {directory} --raw > leaf.json")
    click.echo(f"  tally audit verify --proof {output} --leaf leaf.json --vkey {directory / 'vkey'}")


@audit.command()
@log_argument
@vkey_option
@click.option(
    "--proof", "proof_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Check this proof."
)
@click.option(
    "--leaf", "leaf_file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The leaf it proves."
)
@click.option("--opaque", is_flag=True, help="Check the tree only, not what the leaves say (logs of other programs).")
@json_option
@click.pass_context
def verify(  # noqa: PLR0913 - one parameter per option
    context: click.Context,
    *,
    log: Path | None,
    vkey: Path | None,
    proof_file: Path | None,
    leaf_file: Path | None,
    opaque: bool,
    as_json: bool,
) -> None:
    """Re-derive a log and check its signature, or check one proof against one leaf. Exit code 1: damaged."""
    if proof_file is not None:
        if leaf_file is None or vkey is None:
            message = "--proof needs --leaf and --vkey: the leaf's bytes (`tally audit show --raw`) and the log's key"
            raise click.UsageError(message)
        context.exit(_verify_proof(proof_file, leaf_file, vkey))
    directory = _log(log)
    key = vkey.read_text(encoding="utf-8") if vkey is not None else offline.read_vkey(directory)
    report = offline.verify_log(directory, key, opaque=opaque)
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        _print(report, directory, trusted=vkey is not None)
    context.exit(0 if report.ok else DAMAGED)


def _verify_proof(proof_file: Path, leaf_file: Path, vkey: Path) -> int:
    key = vkey.read_text(encoding="utf-8")
    found = offline.check_proof(proof_file.read_text(encoding="utf-8"), key, leaf_file.read_bytes())
    if isinstance(found, offline.Damage):
        click.echo(f"NOT PROVEN: {found.text}. Ask for the proof and the leaf again: `tally audit proof`.")
        return DAMAGED
    click.echo(f"Proven: the leaf is in {found.origin}, a log of {found.size} leaves.")
    return 0


def _print(report: offline.Report, directory: Path, *, trusted: bool) -> None:
    if not report.ok:
        click.echo(f"DAMAGED: {directory}: {len(report.damage)} problems")
        for damage in report.damage[:20]:
            where = damage.file if damage.index is None else f"{damage.file}, leaf {damage.index}"
            click.echo(f"  {where}: {damage.text}")
        click.echo("Keep these files as they are, and compare them with a backup or another copy of the log.")
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    click.echo(f"Verified {report.origin}: {report.size} leaves{f' ({kinds})' if kinds else ''}, root {report.root}.")
    if report.opened:
        click.echo(f"  {len(report.opened)} intents have no outcome yet: running, or not yet recovered.")
    if not trusted:
        click.echo("  The key was taken from beside the log; --vkey with a key that you trust rules out a swapped log.")


def _summary(fields: dict[str, object]) -> tuple[str, str, str, str, str]:
    caller = fields.get("caller")
    subject = str(caller.get("subject", "")) if offline.is_fields(caller) else ""
    target = "/".join(str(fields[name]) for name in ("server", "tool") if name in fields) or str(
        fields.get("route", fields.get("snapshot", ""))
    )
    refusal = fields.get("refusal")
    result = str(fields.get("status", ""))
    if offline.is_fields(refusal):
        result = f"{refusal.get('code')}: {refusal.get('reasons')}"
    elif fields.get("intent") is not None:
        result = f"{result} of {fields['intent']}".strip()
    return str(fields.get("ts", "")), str(fields.get("kind", "")), subject, target, result


def _leaf(directory: Path, index: int) -> bytes:
    _, leaf = next(offline.read_leaves(directory, range(index, index + 1)))
    return leaf


def _log(given: Path | None) -> Path:
    if given is not None:
        return given
    state = places()[1]
    logs = sorted(path.parent for path in (state / "audit").glob("*/*/checkpoint"))
    if len(logs) == 1:
        return logs[0]
    if not logs:
        where = "name the log's directory (<state>/audit/<tenant>/<year>), or set TALLY_STATE to the state directory"
        message = f"no log under {state / 'audit'}: {where}"
        raise click.UsageError(message)
    listed = "\n".join(f"  {path}" for path in logs)
    message = f"there are {len(logs)} logs; name one:\n{listed}"
    raise click.UsageError(message)
