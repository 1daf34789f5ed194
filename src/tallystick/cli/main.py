"""The command `tally`: errors become sentences and exit codes here, and nowhere else (the table is in `codes`)."""

import sys
from typing import Final

import click

from tallystick.cli import codes
from tallystick.cli.branch import Tree
from tallystick.cli.tree import BRANCHES
from tallystick.terms import TallyError

tally = Tree("tally", "Tallystick: a control plane between AI agents and MCP servers.", BRANCHES)

_NEXT: Final = {
    codes.UNKNOWN: "see what there is with the `list` command of its kind",
    codes.NOT_SIGNED_IN: "sign in with `tally login`",
    codes.DENIED: "see who you are and what you may with `tally whoami`",
    codes.UNREACHABLE: "see what works with `tally doctor`",
}
"""The next command, where the error does not name one itself."""


def main() -> None:
    """Run the command."""
    try:
        # Not click's own ending: that makes Ctrl-C a failure like any other.
        ended: object = tally.main(prog_name="tally", standalone_mode=False)
        sys.exit(ended if isinstance(ended, int) else codes.DONE)
    except TallyError as error:
        code = codes.code_of(error)
        click.echo(f"tally: {tell(error, code)}", err=True)
        sys.exit(code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(codes.INTERRUPTED)


def tell(error: TallyError, code: int) -> str:
    """Return what a person is told: what happened, its reason codes, and the next command."""
    from tallystick.cli.terminal import tame_lines  # noqa: PLC0415 - only errors need it
    from tallystick.remote import GatewayError, RemoteError  # noqa: PLC0415 - loaded when it is asked

    # A step that is refused for several reasons tells one sentence after the other.
    lines = [tame_lines(error.message.replace(".; ", ".\n  "))]
    problem = error.problem if isinstance(error, RemoteError) else None
    if problem is not None and problem.unmet:
        lines = [line.removesuffix("\n" + "\n".join(problem.unmet)) for line in lines]
        lines.append(f"  unmet: {', '.join(problem.unmet)}")
    if problem is not None and problem.reasons:
        lines.append(f"  reasons: {', '.join(problem.reasons)}")
    if isinstance(error, GatewayError) and error.record is not None:
        lines.append(f"  record: {error.record}")
    if code in _NEXT and "tally " not in error.message:
        lines.append(f"  next: {_NEXT[code]}")
    return "\n".join(lines)
