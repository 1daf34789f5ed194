"""The tree of commands.

Exit codes: 0 done, 1 the answer is no (damage, a failed demo, a server that is left alone), 2 the call or the
configuration is wrong.
"""

import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from tallystick.cli.audit import audit
from tallystick.cli.demo import INTERRUPTED, demo, demo_bank, end_on_terminate
from tallystick.cli.export import export_events, follow
from tallystick.cli.gateway import gateway, gateway_worker
from tallystick.cli.health import show_health
from tallystick.cli.places import config_option, state_option
from tallystick.cli.witness import witness
from tallystick.terms import TallyError

WRONG: Final = 2
NOTHING_SERVED: Final = (
    "note: no server is configured here, so nothing is served. "
    "Add one as servers/<name>.yaml, and pin it with `tally pin`."
)

NO_PLACE: Final = Path("config")
"""Where a configuration is looked for when nobody names one."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def tally() -> None:
    """Tallystick: a control plane between AI agents and MCP servers."""


@tally.command()
@config_option
@state_option
@click.pass_context
def up(context: click.Context, config: Path, state: Path) -> None:
    """Serve the configuration until interrupted, and follow its changes.

    Where there is none (no --config, no $TALLY_CONFIG, no ./config), the demo bank is set up in ./var/demo and served.
    """
    given = [name for name in ("config", "state") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    alone = not given and config == NO_PLACE and not config.exists()
    end_on_terminate()
    try:
        _run(_up_demo() if alone else _up(config, state))
    except KeyboardInterrupt:
        click.echo("tally: ended", err=True)
        context.exit(INTERRUPTED)


def _run(coroutine: Coroutine[object, object, None]) -> None:
    from tallystick.wiring import run  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    run(coroutine)


async def _up(config: Path, state: Path, advice: tuple[str, ...] = ()) -> None:
    from tallystick.wiring import (  # noqa: PLC0415 - `tally --help` must not load the whole gateway
        Places,
        serve,
        settle_memory,
    )

    async with serve(Places(config, state)) as served:
        settle_memory()
        click.echo(f"Tallystick listens at {served.url}")
        if served.development:
            click.echo("DEVELOPMENT ISSUER: anybody on this machine can sign in as anybody in development-people.yaml.")
        for route in served.gateway.routes:
            click.echo(f"  connect an MCP client to {served.url}/{route}/mcp")
        if not served.gateway.routes:
            click.echo(NOTHING_SERVED, err=True)
        for line in advice:
            click.echo(line)
        await served.ended.wait()


async def _up_demo() -> None:
    async with demo_bank() as (config, state, advice):
        await _up(config, state, advice)


@tally.command("pin")
@config_option
@click.argument("servers", nargs=-1)
def pin_servers(config: Path, servers: tuple[str, ...]) -> None:
    """Ask SERVERS (default: all) for their tools and write pins/<server>.json, for review and for serving."""
    _run(_pin(config, servers))


async def _pin(config: Path, servers: tuple[str, ...]) -> None:
    from tallystick.wiring import pin  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    async for pinned in pin(config, servers):
        counted = ", ".join(
            f"{list(pinned.tools.values()).count(kind)} {kind}" for kind in sorted(set(pinned.tools.values()))
        )
        click.echo(f"{pinned.server}: {', '.join(pinned.eras)}: {counted or 'no tools'} -> {pinned.file}")


@tally.command()
@config_option
@state_option
@click.option("--as", "person", required=True, help="A person of development-people.yaml.")
@click.option("--url", help="The gateway's public URL; default: as tally.yaml says.")
def token(config: Path, state: Path, person: str, url: str | None) -> None:
    """Print an access token of the DEVELOPMENT issuer."""
    from tallystick.wiring import Places, token_for  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    click.echo(token_for(Places(config, state), person, url))


@tally.group()
def config() -> None:
    """Look at the configuration without serving it."""


@config.command("check")
@config_option
def check_config(config: Path) -> None:
    """Compile the configuration and name every problem."""
    from tallystick.wiring import check  # noqa: PLC0415 - `tally --help` must not load the whole gateway

    snapshot = check(config)
    for notice in snapshot.notices:
        click.echo(f"note: {notice}", err=True)
    click.echo(f"{config} is valid: {len(snapshot.routes)} routes, snapshot {snapshot.digest}")
    if not snapshot.routes:
        click.echo(NOTHING_SERVED, err=True)


tally.add_command(audit)
tally.add_command(demo)
tally.add_command(export_events)
tally.add_command(follow)
tally.add_command(gateway)
tally.add_command(gateway_worker)
tally.add_command(show_health)
tally.add_command(witness)


def main() -> None:
    """Run the command: the translation point of the command line, where errors become sentences and exit codes."""
    try:
        tally(standalone_mode=True)
    except TallyError as error:
        click.echo(f"tally: {error.message}", err=True)
        sys.exit(WRONG)
    except KeyboardInterrupt:
        sys.exit(130)
