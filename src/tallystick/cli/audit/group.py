"""The group of commands, and what several of them take."""

from pathlib import Path
from typing import Final

import click

from tallystick.settings import places

_PLATFORM: Final = "platform"
DAMAGED: Final = 1
NOT_VERIFIED: Final = 3

existing_file = click.Path(path_type=Path, exists=True, dir_okay=False)
log_argument = click.argument("log", metavar="[LOG]", required=False, type=click.Path(path_type=Path, file_okay=False))
index_argument = click.argument("index", type=click.IntRange(min=0))
output_option = click.option(
    "-o", "output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


@click.group()
def audit() -> None:
    """Read the record.

    LOG is the directory of one log (`<state>/audit/<tenant>/<year>`); it can be left out
    while one tenant alone has one; the platform's own log is read when it is named.
    """


def write(output: Path | None, content: bytes) -> None:
    """Print, or write to the file that is named."""
    if output is None:
        click.echo(content, nl=False)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        message = f"{output} cannot be written: {error.strerror}. Name another file with -o"
        raise click.UsageError(message) from error


def log_of(given: Path | None) -> Path:
    """The log that is meant: the one that is named, or the only one that there is."""
    if given is not None:
        return given
    state = places()[1]
    logs = meant([*(state / "audit").glob("*/*/checkpoint")])
    if len(logs) == 1:
        return logs[0]
    if not logs:
        where = "name the log's directory (<state>/audit/<tenant>/<year>), or set TALLY_STATE to the state directory"
        message = f"no log under {state / 'audit'}: {where}"
        raise click.UsageError(message)
    listed = "\n".join(f"  {path}" for path in logs)
    message = f"there are {len(logs)} logs; name one:\n{listed}"
    raise click.UsageError(message)


def meant(checkpoints: list[Path]) -> list[Path]:
    """The logs that are meant where none is named: all, but the platform's where a tenant has one too.

    The platform's log tells of strangers and of the installation as a whole; who means it says so.
    """
    logs = sorted(path.parent for path in checkpoints)
    return [log for log in logs if log.parent.name != _PLATFORM] or logs
