"""`tally health`: how the servers behind a running gateway are, as each of its workers sees them."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.places import state_option
from tallystick.cli.terminal import tame
from tallystick.terms import TallyError

if TYPE_CHECKING:
    from tallystick.wiring import health

NOT_ALL_WELL: Final = 1
_UNITS: Final = ((86_400, "days"), (3_600, "h"), (60, "min"))


@click.command("health")
@state_option
@click.option("--json", "as_json", is_flag=True, help="Print the same as JSON: times in seconds.")
def show_health(state: Path, as_json: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Tell how each server is, as each worker of the gateway sees it: circuit, failures, calls, protocol versions.

    Exit code 1: some circuit is not closed, so calls of that server are refused. 2: no gateway runs there.
    """
    from tallystick.wiring import health  # noqa: PLC0415 - loaded when it is called

    now, living, dead = health.health_of(state)
    if not living:
        raise TallyError(code="unavailable", message=_nobody(state, now, dead))
    for worker in dead:
        click.echo(f"note: {_gone(worker, now)}, and is left out", err=True)
    told = [(worker, server) for worker in living for server in worker.servers]
    told.sort(key=lambda one: (one[1].server, one[0].index))
    if as_json:
        click.echo(json.dumps([_fields(worker, server, now) for worker, server in told], indent=2))
    else:
        width = max((len(server.server) for _, server in told), default=0)
        for worker, server in told:
            click.echo(f"{server.server:<{width}}  worker {worker.index}  {_line(worker, server, now)}")
        if not told:
            click.echo("The gateway runs, and has no servers.")
    sys.exit(0 if all(server.circuit == "closed" for _, server in told) else NOT_ALL_WELL)


def _nobody(state: Path, now: float, dead: tuple["health.WorkerHealth", ...]) -> str:
    last = f" {_gone(max(dead, key=lambda worker: worker.said_at), now)}." if dead else ""
    return (
        f"no gateway runs with the state directory {state}.{last} Start one with `tally up --state {state}`, or name "
        "another directory with --state."
    )


def _gone(worker: "health.WorkerHealth", now: float) -> str:
    return f"worker {worker.index} (process {worker.process}) has gone; it last spoke {_age(now - worker.said_at)} ago"


def _line(worker: "health.WorkerHealth", server: "health.ServerHealth", now: float) -> str:
    passes = "calls pass" if server.circuit == "closed" else "no calls pass"
    state = f"{passes} (circuit {server.circuit.replace('_', '-')} for {_age(now - server.since)})"
    failed = f"{server.failures} {_plural('failure', server.failures)} in a row"
    why = f": {server.reason} ({tame(server.detail)})" if server.reason else ""
    again = "" if server.again_at is None else _again(server.again_at - now)
    calls = f"{server.under_way} {_plural('call', server.under_way)} under way"
    speaks = " and ".join(server.eras) or "no version that is known yet"
    return f"{state}, {failed}{why}{again}; {calls}; speaks {speaks}; said {_age(now - worker.said_at)} ago"


def _again(wait_s: float) -> str:
    return f", asked again in {_age(wait_s)}" if wait_s > 0 else ", is being asked again"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _age(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def _fields(worker: "health.WorkerHealth", server: "health.ServerHealth", now: float) -> dict[str, object]:
    return {
        "server": server.server,
        "worker": worker.index,
        "process": worker.process,
        "circuit": server.circuit,
        "since": datetime.fromtimestamp(server.since, UTC).isoformat(timespec="milliseconds"),
        "for_s": round(now - server.since, 3),
        "failures": server.failures,
        "reason": server.reason or None,
        "detail": server.detail or None,
        "asked_again_in_s": None if server.again_at is None else round(max(0.0, server.again_at - now), 3),
        "calls_under_way": server.under_way,
        "speaks": list(server.eras),
        "said_s_ago": round(max(0.0, now - worker.said_at), 3),
    }
