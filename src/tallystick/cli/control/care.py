"""What stands before a change: --dry-run, --yes, --no-input, and the name that is typed to remove something."""

import sys
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import click

from tallystick.cli.codes import WRONG, CommandError
from tallystick.cli.output import say

F = TypeVar("F", bound=Callable[..., object])
_PREFIX: Final = "tallystick.care."


class Care(NamedTuple):
    """How careful a command is. `is_sure`: nothing is asked."""

    is_dry: bool
    is_sure: bool
    is_silent: bool
    is_quiet: bool

    def confirm(self, what: str, name: str) -> None:
        """Have the name typed, or raise CommandError; nothing is asked with --yes, and nobody with --no-input."""
        if self.is_sure or self.is_dry:
            return
        if self.is_silent or not sys.stdin.isatty():
            raise CommandError(WRONG, f"{what}? Nobody is here to be asked. Say --yes if it is meant")
        typed = click.prompt(f"{what}? Type {name} to go on", default="", show_default=False, err=True)
        if typed != name:
            raise CommandError(WRONG, f"{typed!r} is not {name}; nothing was changed")

    def tell(self, text: str) -> None:
        """Say what was done, unless nobody wants to know."""
        if not self.is_quiet:
            say(f"{text} (dry run: nothing was changed)" if self.is_dry else text)


def careful(command: F) -> F:
    """Give a command the parameter `care`."""
    command = _flag("--yes", "sure", "Do not ask.")(command)
    command = _flag("--no-input", "silent", "Never ask; end with 2 where something would have to be asked.")(command)
    command = _flag("--quiet", "quiet", "Do not say what was done.")(command)
    return click.option(
        "--dry-run", "care", is_flag=True, callback=_care, help="Say what would happen, and change nothing."
    )(command)


def _flag(name: str, key: str, text: str) -> Callable[[F], F]:
    def note(context: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click calls it so
        del parameter
        context.meta[_PREFIX + key] = value

    return click.option(name, is_flag=True, expose_value=False, is_eager=True, callback=note, help=text)


def _care(context: click.Context, parameter: click.Parameter, value: bool) -> Care:  # noqa: FBT001 - click calls it so
    del parameter
    sure, silent, quiet = (bool(context.meta.get(_PREFIX + key)) for key in ("sure", "silent", "quiet"))
    return Care(value, sure, silent, quiet)
