"""`tally gateway`: several worker processes behind one address, and the hidden command that is one of them."""

from pathlib import Path

import click

from tallystick.cli.places import config_option, state_option
from tallystick.cli.run.demo import INTERRUPTED, end_on_terminate


@click.command()
@config_option
@state_option
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Processes that serve.")
@click.pass_context
def gateway(context: click.Context, config: Path, state: Path, workers: int) -> None:
    """Serve the configuration with several processes that share one record, until interrupted.

    A worker or audit writer that dies is started again. Exit code 2: it could not start.
    """
    from tallystick.wiring import Places, run, supervise  # noqa: PLC0415 - loaded when it is called

    end_on_terminate()
    try:
        run(supervise(Places(config, state), workers, click.echo))
    except KeyboardInterrupt:
        click.echo("tally: ended", err=True)
        context.exit(INTERRUPTED)


@click.command("gateway-worker", hidden=True)
@config_option
@state_option
@click.option("--index", type=int, required=True)
@click.option("--of", type=int, required=True)
@click.option("--port", type=int, required=True)
def gateway_worker(config: Path, state: Path, index: int, of: int, port: int) -> None:
    """Be one worker of `tally gateway`, which starts it."""
    from tallystick.wiring import Places, run, work  # noqa: PLC0415 - loaded when it is called

    end_on_terminate()
    try:
        run(work(Places(config, state), index, of, port))
    except KeyboardInterrupt:
        return
