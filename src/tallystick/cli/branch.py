"""A group of commands that are loaded when they are called, so that help and completion cost next to nothing."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import NamedTuple

import click
from click.shell_completion import CompletionItem


class Branch(NamedTuple):
    """One command of a group: what help says of it in the list, and how it is loaded.

    INVARIANT: `says` is the short help that the loaded command gives of itself; a test compares them.
    """

    says: str
    load: Callable[[], click.Command]
    hidden: bool = False


def branch(says: str, module: str, name: str) -> Branch:
    """Return a branch that is `name` of a module below `tallystick.cli`."""

    def load() -> click.Command:
        found: object = getattr(import_module(f"tallystick.cli.{module}"), name)
        if not isinstance(found, click.Command):
            message = f"{module}.{name} is no command"
            raise TypeError(message)
        return found

    return Branch(says, load)


class Tree(click.Group):
    """A group that knows its commands by name and first sentence, and imports one when it is called."""

    def __init__(self, name: str, says: str, branches: Mapping[str, Branch]) -> None:
        """Take the table of commands; nothing is loaded."""
        super().__init__(name, help=says, context_settings={"help_option_names": ["-h", "--help"]})
        self.branches = branches

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, in order."""
        return sorted(self.branches)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load a command."""
        branch = self.branches.get(cmd_name)
        return None if branch is None else branch.load()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without loading any."""
        rows = [(name, branch.says) for name, branch in sorted(self.branches.items()) if not branch.hidden]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command without loading any."""
        rows = [
            CompletionItem(name, help=branch.says)
            for name, branch in sorted(self.branches.items())
            if name.startswith(incomplete) and not branch.hidden
        ]
        return rows + click.Command.shell_complete(self, ctx, incomplete)
