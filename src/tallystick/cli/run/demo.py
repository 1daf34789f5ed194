"""`tally demo`, and `tally up` without a configuration: both drive the demo bank, which comes with an extra."""

import shutil
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Final

import anyio
import click

from tallystick.terms import TallyError

FOLDER: Final = Path("var/demo")
_NEEDED: Final = ("mcp", "mcp_server_time", "mcp_server_git", "tallystick_demo_bank")
_FAILED: Final = 1
INTERRUPTED: Final = 130


@click.command()
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=FOLDER,
    show_default=True,
    help="Folder for everything that the demo makes.",
)
@click.option("--keep", is_flag=True, help="Move an earlier run aside instead of replacing it.")
def demo(folder: Path, keep: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Run the demo bank behind the gateway: people, an agent, a verified record. Exit code 1: not all held."""
    require_extra()
    from tallystick_demo_bank.demo import DemoError, run  # noqa: PLC0415 - only there with the extra

    width = shutil.get_terminal_size((120, 24)).columns
    end_on_terminate()
    try:
        held = anyio.run(partial(run, folder, keep=keep, say=click.echo, width=width))
    except* DemoError as group:
        click.echo(f"tally demo: {_told(group)}", err=True)
        sys.exit(_FAILED)
    except* KeyboardInterrupt:
        click.echo("tally demo: interrupted; everything that it started has ended", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0 if held else _FAILED)


@asynccontextmanager
async def demo_bank() -> AsyncGenerator[tuple[Path, Path, tuple[str, ...]]]:
    """Run the demo bank's servers; give configuration, state and what to tell whoever connects.

    Raises `TallyError` when the extra is missing or the bank cannot start.
    """
    require_extra()
    from tallystick_demo_bank.demo import DemoError, stand  # noqa: PLC0415 - only there with the extra

    try:
        async with stand(FOLDER, click.echo) as bank:
            yield bank.config, bank.state, bank.advice
    except* DemoError as group:
        raise TallyError(code="unavailable", message=_told(group)) from None


def require_extra() -> None:
    """Raise `TallyError` ("not_found") unless the packages of the extra are there."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        message = f"the demo needs {', '.join(missing)}. Run: pip install 'tallystick[demo]'"
        raise TallyError(code="not_found", message=message)


def end_on_terminate() -> None:
    """Let SIGTERM end this process as Ctrl-C does: in order, with everything that it started."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, interrupt)
    # A shell that starts a command in the background makes it ignore SIGINT: then it would never end.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _told(group: BaseExceptionGroup[Exception]) -> str:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
