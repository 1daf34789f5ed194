"""`tally audit search`: find records by who, what, when and how it ended."""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import click

from tallystick.audit import index as record_index
from tallystick.cli.audit.group import audit, json_option
from tallystick.cli.terminal import columns, tame
from tallystick.settings import places

NOTHING: Final = 1
_SHOWN: Final = (
    "log",
    "index",
    "ts",
    "kind",
    "person",
    "agent",
    "server",
    "tool",
    "decision",
    "outcome",
    "amount",
    "call",
)
_DECISIONS: Final = ("allow", "deny")
_TIME: Final = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d+)?)?)?)?)?)?")
_EQUAL: Final = {
    "person": "Subject of the person.",
    "agent": "Subject of the agent: on its own, or acting for a person.",
    "client": "OAuth client.",
    "server": "Server, by its registered name.",
    "tool": "Tool, by the server's own name.",
    "tenant": "Tenant.",
    "kind": "Kind of leaf, such as denial, key or hold.",
    "decision": "What policy said: allow or deny.",
    "outcome": "How it ended: success, tool_error, timeout, in_doubt, denied ...",
    "call": "One call, by its id.",
    "trace": "Trace id.",
    "subject": "Reference of the person whose data it is.",
    "currency": "Currency of the amount (ISO 4217).",
    "policy": "A policy that decided.",
    "reason": "A reason code.",
    "since": "From this time on (UTC, RFC 3339 or its beginning: 2026-11-21T09).",
    "until": "Before this time.",
}


def _equal_options(command: Callable[..., None]) -> Callable[..., None]:
    for name, text in reversed(_EQUAL.items()):
        command = click.option(f"--{name}", help=text)(command)
    return command


@audit.command()
@click.argument("logs", metavar="[LOG]...", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@_equal_options
@click.option("--amount-from", metavar="AMOUNT", help="Sum of money, at least.")
@click.option("--amount-to", metavar="AMOUNT", help="Sum of money, at most.")
@click.option("-n", "limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many records.")
@click.option("--oldest-first", is_flag=True, help="From the beginning (default: newest first).")
@click.option("--index", "file", type=click.Path(path_type=Path, dir_okay=False), help="Where the index is kept.")
@json_option
@click.pass_context
def search(
    context: click.Context,
    *,
    logs: tuple[Path, ...],
    limit: int,
    oldest_first: bool,
    file: Path | None,
    as_json: bool,
    **asked: str | None,
) -> None:
    """Find records. Exit code 1: none fits.

    LOG is a log's directory (default: all under the state directory). The index is brought up to date from the logs
    first; it holds nothing of its own and may be deleted. What is found can be proved: `tally audit proof INDEX LOG`.
    """
    least, most = (_amount(name, asked.pop(name)) for name in ("amount_from", "amount_to"))
    bounds = record_index.Query(amount_from=least, amount_to=most, newest_first=not oldest_first, limit=limit)
    query = replace(bounds, **_checked(asked))
    state = places()[1]
    found = [*logs] or sorted(path.parent for path in (state / "audit").glob("*/*/checkpoint"))
    if not found:
        message = f"no log under {state / 'audit'}: name its directory, or set TALLY_STATE to the state directory"
        raise click.UsageError(message)
    # Somebody else's log gets an index in memory: nothing is written beside evidence.
    index = record_index.Index(file or (None if logs else state / record_index.PLACE))
    try:
        index.follow(found, _progress if sys.stderr.isatty() else None)
        records, total = index.search(query), index.count(query)
    finally:
        index.close()
    if as_json:
        click.echo(json.dumps({"records": records, "total": total}, indent=2))
    else:
        _print(records, total)
    context.exit(0 if records else NOTHING)


def _checked(asked: dict[str, str | None]) -> dict[str, str | None]:
    """Return what was asked; raises UsageError for what no record can ever fit: a slip must not look like a no."""
    known = {"decision": _DECISIONS, "kind": sorted(record_index.KINDS)}
    for name, words in known.items():
        if asked[name] not in (None, *words):
            message = f"--{name} {asked[name]}: there is no such word; known: {', '.join(words)}"
            raise click.UsageError(message)
    for name in ("since", "until"):
        # Times are compared as texts: without its `Z`, a time is the beginning of all that falls into it.
        asked[name] = text = (asked[name] or "").removesuffix("Z") or None
        if text is not None and not _TIME.fullmatch(text):
            message = f"--{name} {text}: write a time in UTC or its beginning, such as 2026-11-21 or 2026-11-21T09:30"
            raise click.UsageError(message)
    return asked


def _amount(name: str, text: str | None) -> int | None:
    value = record_index.millionths(text)
    if text is not None and value is None:
        message = f"--{name.replace('_', '-')} {text}: write a decimal number, such as 12500.00"
        raise click.UsageError(message)
    return value


def _progress(done: int, total: int) -> None:
    end = "\n" if done == total else "\r"
    sys.stderr.write(f"indexed {done} of {total} new records ({100 * done // max(1, total)} %){end}")
    sys.stderr.flush()


def _print(records: list[dict[str, object]], total: int) -> None:
    if not records:
        click.echo("No record fits. `tally audit tail` shows the newest ones.", err=True)
        return
    shown = [name for name in _SHOWN if name in record_index.COLUMNS and any(name in record for record in records)]
    rows = [[name.upper() for name in shown], *[[tame(_cell(record, name)) for name in shown] for record in records]]
    click.echo(columns(rows))
    if total > len(records):
        click.echo(f"{len(records)} of {total} records; -n {total} shows all.", err=True)


def _cell(record: dict[str, object], name: str) -> str:
    if name == "amount":
        return f"{record.get('amount', '')} {record.get('currency', '')}".strip()
    return str(record.get(name, ""))
