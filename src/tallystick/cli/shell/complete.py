"""`tally completion` and `tally version`, and the names of servers for a shell that asks."""

from typing import TYPE_CHECKING, Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from tallystick.cli.codes import FAILED, CommandError
from tallystick.cli.connection import Connection
from tallystick.cli.output import API_VERSION, Shape, shaped
from tallystick.settings import places
from tallystick.terms import TallyError

if TYPE_CHECKING:
    from tallystick.remote import messages

_VARIABLE: Final = "_TALLY_COMPLETE"
_PATIENCE_S: Final = 1.0
"""Seconds that a console gets to name servers: somebody has just pressed a key."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete `tally`: source it.

    bash: source <(tally completion bash). zsh: source <(tally completion zsh). fish: tally completion fish | source.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise CommandError(FAILED, f"there is no completion for {shell}")
    click.echo(kind(click.Command("tally"), {}, "tally", _VARIABLE).source())


@click.command()
@shaped
def version(shape: Shape) -> None:
    """Print the version of this program."""
    from importlib.metadata import version as version_of  # noqa: PLC0415 - loaded when it is asked

    found = version_of("tallystick")
    item: dict[str, object] = {"apiVersion": API_VERSION, "kind": "Version", "version": found}
    if shape.form == "table":
        click.echo(f"tally {found}")
    else:
        shape.one(item, {"VERSION": "version"})


def names(kind: "messages.resources.Kind", incomplete: str) -> list[CompletionItem]:
    """Return names of resources of a kind that begin so; nothing where no console answers at once."""
    try:
        found = Connection("", places().state).client(_PATIENCE_S).every(kind)
        return [CompletionItem(one.metadata.name) for one in found if one.metadata.name.startswith(incomplete)]
    except TallyError:
        return []
