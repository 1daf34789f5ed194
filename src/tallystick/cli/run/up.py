"""`tally up`: everything in one process."""

from pathlib import Path
from typing import Final

import click
from click.core import ParameterSource

from tallystick.cli.places import config_option, state_option
from tallystick.cli.run.demo import INTERRUPTED, demo_bank, end_on_terminate

NOTHING_SERVED: Final = (
    "note: no server is approved here, so nothing is served. Bring one in with `tally apply -f FILE` and have it "
    "reviewed, or add it as servers/<name>.yaml and pin it with `tally pin`."
)

NO_PLACE: Final = Path("config")
"""Where a configuration is looked for when nobody names one."""


@click.command()
@config_option
@state_option
@click.pass_context
def up(context: click.Context, config: Path, state: Path) -> None:
    """Serve the configuration until interrupted, and follow its changes.

    Where there is none (no --config, no $TALLY_CONFIG, no ./config), the demo bank is set up in ./var/demo and served.
    """
    from tallystick.wiring import run  # noqa: PLC0415 - loaded when it is served

    given = [name for name in ("config", "state") if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    alone = not given and config == NO_PLACE and not config.exists()
    end_on_terminate()
    try:
        run(_up_demo() if alone else _up(config, state))
    except KeyboardInterrupt:
        click.echo("tally: ended", err=True)
        context.exit(INTERRUPTED)


async def _up(config: Path, state: Path, advice: tuple[str, ...] = ()) -> None:
    from tallystick.wiring import Places, serve, settle_memory  # noqa: PLC0415 - loaded when it is served

    async with serve(Places(config, state)) as served:
        settle_memory()
        click.echo(f"Tallystick listens at {served.url}")
        if served.console is not None:
            click.echo(f"  its console at {served.console}")
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
