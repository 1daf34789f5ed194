"""The command `tally`: errors become sentences and exit codes here, and nowhere else.

Exit codes: 0 done, 1 the answer is no (damage, a failed demo, a server that is left alone), 2 the call or the
configuration is wrong.
"""

import sys
from typing import Final

import click

from tallystick.cli.branch import Tree
from tallystick.cli.tree import BRANCHES
from tallystick.terms import TallyError

WRONG: Final = 2

tally = Tree("tally", "Tallystick: a control plane between AI agents and MCP servers.", BRANCHES)


def main() -> None:
    """Run the command."""
    try:
        tally(standalone_mode=True)
    except TallyError as error:
        click.echo(f"tally: {error.message}", err=True)
        sys.exit(WRONG)
    except KeyboardInterrupt:
        sys.exit(130)
