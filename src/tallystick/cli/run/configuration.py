"""`tally config`, `tally pin` and `tally token`: the configuration directory and what belongs to it."""

from pathlib import Path

import click

from tallystick.cli.places import config_option, state_option
from tallystick.cli.run.up import NOTHING_SERVED


@click.command("pin")
@config_option
@click.argument("servers", nargs=-1)
def pin_servers(config: Path, servers: tuple[str, ...]) -> None:
    """Ask SERVERS (default: all) for their tools and write pins/<server>.json, for review and for serving."""
    from tallystick.wiring import run  # noqa: PLC0415 - loaded when it is called

    run(_pin(config, servers))


async def _pin(config: Path, servers: tuple[str, ...]) -> None:
    from tallystick.wiring import pin  # noqa: PLC0415 - loaded when it is called

    async for pinned in pin(config, servers):
        counted = ", ".join(
            f"{list(pinned.tools.values()).count(kind)} {kind}" for kind in sorted(set(pinned.tools.values()))
        )
        click.echo(f"{pinned.server}: {', '.join(pinned.eras)}: {counted or 'no tools'} -> {pinned.file}")


@click.command()
@config_option
@state_option
@click.option("--as", "person", required=True, help="A person of development-people.yaml.")
@click.option("--url", help="The gateway's public URL; default: as tally.yaml says.")
def token(config: Path, state: Path, person: str, url: str | None) -> None:
    """Print an access token of the DEVELOPMENT issuer."""
    from tallystick.wiring import Places, token_for  # noqa: PLC0415 - loaded when it is called

    click.echo(token_for(Places(config, state), person, url))


@click.group()
def config() -> None:
    """Look at the configuration without serving it."""


@config.command("check")
@config_option
def check_config(config: Path) -> None:
    """Compile the configuration and name every problem."""
    from tallystick.wiring import check  # noqa: PLC0415 - loaded when it is called

    snapshot = check(config)
    for notice in snapshot.notices:
        click.echo(f"note: {notice}", err=True)
    click.echo(f"{config} is valid: {len(snapshot.routes)} routes, snapshot {snapshot.digest}")
    if not snapshot.routes:
        click.echo(NOTHING_SERVED, err=True)
