"""`tally audit verify`: the whole record, a part of it, one proof or one receipt; `tally audit verifier`.

Exit codes: 0 whole, 1 damaged (or, with --strict, a finding), 2 called wrongly, 3 what was given is not enough to tell.
"""

import json
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from os import cpu_count
from pathlib import Path
from typing import Final, TypedDict, Unpack

import click

from tallystick.audit import offline
from tallystick.cli.audit.group import (
    DAMAGED,
    NOT_VERIFIED,
    audit,
    existing_file,
    json_option,
    log_argument,
    log_of,
    output_option,
    write,
)
from tallystick.cli.terminal import tame
from tallystick.terms import TallyError

_LISTED: Final = 20
_MOST_PROCESSES: Final = 8


class _Asked(TypedDict):
    """The command's options."""

    log: Path | None
    vkey: Path | None
    every_key: bool
    part: str | None
    since: str | None
    witnesses: tuple[str, ...]
    witness_ca: Path | None
    policy: Path | None
    payloads: Path | None
    proof_file: Path | None
    leaf_file: Path | None
    receipt_file: Path | None
    opaque: bool
    strict: bool
    processes: int | None
    as_json: bool


@audit.command()
@log_argument
@click.option(
    "--vkey",
    type=existing_file,
    help="File with the log's public keys, got from a source you trust (default: the one beside the log).",
)
@click.option("--every-key", is_flag=True, help="All keys of --vkey must have signed, not only one of them.")
@click.option(
    "--range", "part", metavar="A:B", help="Only leaves A to B-1, and what is above them; A or B may be missing."
)
@click.option(
    "--since",
    metavar="SINCE",
    help="Only what came after: a time (RFC 3339), an index, or an older checkpoint file, which must be continued.",
)
@click.option(
    "--witness",
    "witnesses",
    metavar="URL|FILE",
    multiple=True,
    help="Compare with what a witness has seen: its monitoring URL, or a file with the checkpoint from there.",
)
@click.option("--witness-ca", type=existing_file, help="Whose certificate the witness has (default: the system's).")
@click.option("--policy", type=existing_file, help="Trust policy (C2SP tlog-policy): who must have cosigned.")
@click.option(
    "--payloads",
    type=click.Path(path_type=Path, file_okay=False),
    help="Directory of the tenant's payloads (default: <state>/payload/<tenant>, where the log is in <state>).",
)
@click.option("--proof", "proof_file", type=existing_file, help="Check this proof of one leaf.")
@click.option("--leaf", "leaf_file", type=existing_file, help="The leaf it proves.")
@click.option("--receipt", "receipt_file", type=existing_file, help="Check the receipt of one call (JSON).")
@click.option("--opaque", is_flag=True, help="Check the tree only, not what the leaves say (logs of other programs).")
@click.option("--strict", is_flag=True, help="Findings fail, too: gaps in the heartbeat, clock steps ...")
@click.option("--processes", type=click.IntRange(1, 64), help="Processes that work at it (default: one per core).")
@json_option
@click.pass_context
def verify(context: click.Context, **asked: Unpack[_Asked]) -> None:
    """Re-derive a log and check its signatures, or check one proof or receipt.

    Exit codes: 0 whole; 1 damaged; 2 called wrongly; 3 what was given (keys, policy, witnesses) is not enough to tell.
    """
    keys = _keys(asked["vkey"])
    policy = _policy(asked["policy"])
    if asked["proof_file"] is not None or asked["receipt_file"] is not None:
        context.exit(_verify_one(asked, keys, policy))
    directory = log_of(asked["log"])
    if not directory.is_dir():
        message = f"there is no log at {directory}: name its directory, <state>/audit/<tenant>/<year>"
        raise click.UsageError(message)
    untold: list[str] = []
    heard = [_heard(given, asked["witness_ca"], directory, untold) for given in asked["witnesses"]]
    if keys is None and policy is not None and (named := policy.log_keys(offline.origin_of(directory))):
        keys = "".join(f"{key.vkey}\n" for key in named)
    start, stop, older = _extent(asked, directory)
    wanted = offline.Wanted(
        part=(start, stop),
        others=(*filter(None, heard), *older),
        policy=policy,
        every_key=asked["every_key"],
        payloads=_payloads(asked["payloads"], directory),
        processes=asked["processes"] or min(_MOST_PROCESSES, cpu_count() or 1),
    )
    with _progress((_size(directory) if stop is None else stop) - start) as progress:
        report = offline.verify_log(directory, keys, wanted, opaque=asked["opaque"], progress=progress)
    report = replace(report, unverified=(*report.unverified, *untold))
    if asked["as_json"]:
        click.echo(json.dumps(report.to_json(), indent=2))
    else:
        _print(report, directory, trusted=keys is not None)
    context.exit(_exit_code(report, strict=asked["strict"]))


@audit.command()
@output_option
def verifier(output: Path | None) -> None:
    """Print the stand-alone verifier: one file that needs Python and `cryptography` only, written to be read."""
    write(output, offline.VERIFIER.read_bytes())


def _exit_code(report: offline.Report, *, strict: bool) -> int:
    if report.damage or (strict and report.findings):
        return DAMAGED
    return NOT_VERIFIED if report.unverified else 0


def _verify_one(asked: _Asked, keys: str | None, policy: offline.Policy | None) -> int:
    """Check one proof with its leaf, or one receipt."""
    if asked["receipt_file"] is not None:
        if keys is None:
            message = "--receipt needs --vkey, the log's key"
            raise click.UsageError(message)
        pair = offline.read_receipt(asked["receipt_file"].read_text(encoding="utf-8", errors="replace"))
        source = f"{asked['receipt_file']} "
    else:
        source = ""
        if asked["leaf_file"] is None or asked["proof_file"] is None or keys is None:
            message = "--proof needs --leaf and --vkey: the leaf's bytes (`tally audit show --raw`) and the log's key"
            raise click.UsageError(message)
        pair = asked["proof_file"].read_text(encoding="utf-8", errors="replace"), asked["leaf_file"].read_bytes()
    found = pair if isinstance(pair, offline.Damage) else offline.check_proof(pair[0], keys, pair[1], policy)
    if isinstance(found, offline.Untold):
        click.echo(f"NOT VERIFIED: {tame(found.text)}")
        return NOT_VERIFIED
    if isinstance(found, offline.Damage):
        click.echo(
            f"NOT PROVEN: {source}{tame(found.text)}. Ask for the proof and the leaf again: `tally audit proof`."
        )
        return DAMAGED
    click.echo(f"Proven: the leaf is in {found.origin}, a log of {found.size} leaves.")
    return 0


def _keys(file: Path | None) -> str | None:
    if file is None:
        return None
    text = file.read_text(encoding="utf-8", errors="replace")
    try:
        offline.parse_vkeys(text)
    except TallyError as error:
        message = f"{file} is no file of verifier keys: {error.message}"
        raise click.UsageError(message) from error
    return text


def _policy(file: Path | None) -> offline.Policy | None:
    if file is None:
        return None
    try:
        return offline.parse_policy(file.read_bytes())
    except TallyError as error:
        message = f"{file} is no trust policy: {error.message}"
        raise click.UsageError(message) from error


def _heard(given: str, ca_file: Path | None, directory: Path, untold: list[str]) -> str | None:
    """What a witness shows of the log; what cannot be had is told, and is no damage."""
    try:
        if given.startswith(("http://", "https://")):
            return offline.ask_witness(given, offline.origin_of(directory), ca_file)
        return offline.text(Path(given))
    except TallyError as error:
        untold.append(error.message)
        return None


def _extent(asked: _Asked, directory: Path) -> tuple[int, int | None, tuple[str, ...]]:
    """First leaf, leaf to stop at, and older checkpoints that the log has to continue."""
    part, since = asked["part"], asked["since"]
    if part is not None and since is not None:
        message = "--range and --since exclude each other"
        raise click.UsageError(message)
    if part is not None:
        first, colon, last = part.partition(":")
        if not colon or not all(end == "" or end.isdecimal() for end in (first, last)):
            message = "--range reads A:B, two indices of which either may be left out"
            raise click.UsageError(message)
        return int(first or 0), int(last) if last else None, ()
    if since is None:
        return 0, None, ()
    if since.isdecimal():
        return int(since), None, ()
    try:
        if Path(since).is_file():
            text = offline.text(Path(since))
            return offline.stated_size(text, since), None, (text,)
        return offline.first_at(directory, since), None, ()
    except TallyError as error:
        message = f"--since: {error.message}"
        raise click.UsageError(message) from error


def _payloads(given: Path | None, directory: Path) -> Path | None:
    if given is not None:
        return given
    tenant = directory.absolute().parent
    beside = tenant.parent.parent / "payload" / tenant.name
    return beside if beside.is_dir() else None


def _size(directory: Path) -> int:
    """Number of leaves for the progress bar; a checkpoint that does not tell is reported by the verification."""
    try:
        return offline.size_of(directory)
    except TallyError:
        return 0


@contextmanager
def _progress(leaves: int) -> Generator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=max(1, leaves), label="verifying", file=sys.stderr) as bar:
        yield bar.update


def _print(report: offline.Report, directory: Path, *, trusted: bool) -> None:
    if report.damage:
        click.echo(f"DAMAGED: {directory}: {report.damages} problem{'s' if report.damages > 1 else ''}")
        for damage in report.damage[:_LISTED]:
            where = damage.file if damage.index is None else f"{damage.file}, leaf {damage.index}"
            click.echo(f"  {tame(where)}: {tame(damage.text)}")
        click.echo("Keep these files as they are, and compare them with a backup or another copy of the log.")
        return
    for text in report.unverified:
        click.echo(f"NOT VERIFIED: {tame(text)}")
    if not report.origin:
        return
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(report.kinds.items()))
    first, stop = report.part
    part = "" if report.part == (0, report.size) else f", of which {first} to {stop - 1} were read"
    part = ", none of them new" if first >= stop and report.size else part
    word = "Consistent" if report.unverified else "Verified"
    click.echo(
        f"{word} {report.origin}: {report.size} leaves{part}{f' ({kinds})' if kinds else ''}, root {report.root}."
    )
    _print_rest(report)
    if not trusted:
        click.echo("  The key was taken from beside the log; --vkey with a key that you trust rules out a swapped log.")


def _print_rest(report: offline.Report) -> None:
    if report.minimum:
        click.echo(f"  Leaves before {report.minimum} were pruned, under {report.pruned_under or 'no leaf'}.")
    if report.cosigned is not None:
        click.echo(f"  A quorum of witnesses has cosigned the first {report.cosigned} leaves.")
    if report.opened:
        click.echo(f"  {len(report.opened)} intents have no outcome yet: running, or not yet recovered.")
    if report.payloads:
        states = ", ".join(f"{count} {state}" for state, count in sorted(report.payloads.items()))
        click.echo(f"  Payloads: {states}.")
    for gone in report.payloads_gone[:_LISTED]:
        click.echo(f"    leaf {gone.index}, {tame(gone.field)}: {gone.state} under {tame(gone.under)}")
    if report.findings:
        click.echo(f"  Findings, to be explained by who runs it ({report.found}):")
    for finding in report.findings[:_LISTED]:
        where = "" if finding.index is None else f", leaf {finding.index}"
        click.echo(f"    {finding.kind}{where}: {tame(finding.text)}")
