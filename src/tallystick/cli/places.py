"""The two options that say where an installation is."""

from pathlib import Path

import click

from tallystick.settings import places

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: places()[0],
    show_default="$TALLY_CONFIG or ./config",
    help="Configuration directory.",
)
state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: places()[1],
    show_default="$TALLY_STATE or ./var",
    help="State directory: keys and the record.",
)
