"""`tally follow`: bring the record to sinks, and say how far they are."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.places import config_option, state_option
from tallystick.cli.run.demo import INTERRUPTED, end_on_terminate
from tallystick.cli.terminal import counted, tame
from tallystick.terms import TallyError

if TYPE_CHECKING:
    from tallystick import export as export_room

NOT_ALL_WELL: Final = 1
sink_argument = click.argument("sink")


@click.group(invoke_without_command=True)
@config_option
@state_option
@click.option("--sink", "names", multiple=True, help="Follow for this sink only; may be given more than once.")
@click.option("--child", is_flag=True, hidden=True)
@click.pass_context
def follow(context: click.Context, config: Path, state: Path, names: tuple[str, ...], child: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Bring the record to every sink of the configuration until interrupted.

    `tally up` and `tally gateway` do so themselves. Each sink has a cursor in <state>/export: nothing is skipped, and
    what a kill left unconfirmed is sent again.
    """
    if context.invoked_subcommand is not None:
        return
    from tallystick.wiring import followers  # noqa: PLC0415 - loaded when it is called

    end_on_terminate()
    try:
        followers.follow(
            followers.Following(config, state, names),
            child=child,
            say=lambda text: click.echo(f"tally: {text}", err=True),
        )
    except KeyboardInterrupt:
        context.exit(0 if child else INTERRUPTED)


@follow.command()
@config_option
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON: times in seconds.")
@click.option("--prometheus", is_flag=True, help="Print the same in the text format of Prometheus.")
def status(config: Path, state: Path, as_json: bool, prometheus: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Tell how far each sink is: lag in records and seconds, what fails, and how many events it refused.

    Exit code 1: some sink fails, refused an event, or a log cannot be followed.
    """
    from tallystick import export  # noqa: PLC0415 - loaded when it is called
    from tallystick.wiring import followers  # noqa: PLC0415 - as above

    entries, source = [*followers.sinks_in(config).values()], followers.source_of(config, state)
    told = export.statuses(state, source, entries, followers.clock())
    if as_json:
        click.echo(json.dumps([sink.to_json() for sink in told], indent=2))
    elif prometheus:
        click.echo(export.prometheus(told), nl=False)
    else:
        for line in (line for sink in told for line in _lines(sink, followers.clock())):
            click.echo(line)
        if not told:
            click.echo("The configuration has no sinks: write one as sinks/<name>.yaml.")
    sys.exit(0 if all(sink.well for sink in told) else NOT_ALL_WELL)


@follow.command()
@state_option
@sink_argument
@click.option("--index", type=int, help="Only the event of this leaf.")
@click.option("--list", "only_list", is_flag=True, help="Only print them.")
def retry(state: Path, sink: str, index: int | None, only_list: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Have events that SINK refused sent once more; the follower does so with its next batch."""
    from tallystick import export  # noqa: PLC0415 - loaded when it is called

    ledger = export.Ledger.existing(state, sink)
    for entry in ledger.aside():
        if index is None or entry.index == index:
            click.echo(f"{entry.origin} {entry.index}: {tame(entry.reason)}")
    if not only_list:
        click.echo(f"{counted(ledger.try_again(index), 'event')} to be sent once more")
    elif not ledger.aside():
        click.echo("No event was refused.")
    ledger.close()


@follow.command()
@state_option
@sink_argument
@click.option("--tenant", required=True)
@click.option("--year", type=int, required=True)
@click.option("--from-index", type=click.IntRange(min=0), required=True)
def replay(state: Path, sink: str, tenant: str, year: int, from_index: int) -> None:
    """Have everything of one log from an index on sent to SINK again, in order."""
    from tallystick import export  # noqa: PLC0415 - loaded when it is called

    ledger = export.Ledger.existing(state, sink)
    moved = ledger.replay(export.Place(tenant, year), from_index)
    ledger.close()
    if not moved:
        message = f"sink {sink} never followed the log of {tenant} for {year}"
        raise TallyError(code="not_found", message=message)
    click.echo(f"{sink} gets {tenant}/{year} again from leaf {from_index} on")


@follow.command()
@config_option
@state_option
@sink_argument
def trust(config: Path, state: Path, sink: str) -> None:
    """Have SINK's follower trust the keys that stand beside the logs now, after a rotation that it did not see."""
    from tallystick import export  # noqa: PLC0415 - loaded when it is called
    from tallystick.wiring import followers  # noqa: PLC0415 - as above

    ledger, source = export.Ledger.existing(state, sink), followers.source_of(config, state)
    for place in source.places():
        stated = (source.read(place)("vkey") or b"").decode(errors="replace").split("\n")
        vkeys = [line.strip() for line in stated if line.strip()]
        ledger.trust(place, vkeys)
        click.echo("\n".join(tame(vkey) for vkey in vkeys))
    ledger.close()


def _lines(sink: "export_room.SinkStatus", now: float) -> list[str]:
    rule = ", mandatory" if sink.mandatory else ""
    failing = ""
    if sink.failing is not None:
        since = "" if sink.failing_since is None else f" for {max(0.0, now - sink.failing_since):.0f} s"
        failing = f"; FAILING{since}: {tame(sink.failing)}"
    aside = f"; {sink.aside} refused" if sink.aside else ""
    head = f"{sink.sink} ({sink.type}{rule}): {sink.behind} records and {sink.behind_s:.0f} s behind{aside}{failing}"
    stopped = [f"; STOPPED: {tame(log.trouble)}" if log.trouble else "" for log in sink.logs]
    logs = [f"  {log.tenant}/{log.year}: {log.next} of {log.size} taken" for log in sink.logs]
    return [head, *map(str.__add__, logs, stopped)]
