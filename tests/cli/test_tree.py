"""The tree of commands tells of itself without loading what it tells of."""

import subprocess
import sys

import pytest
from click import Command, Context
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from tallystick.cli import tally
from tallystick.cli.branch import Branch, Tree
from tallystick.cli.tree import BRANCHES


def branches(table: "dict[str, Branch] | None" = None, above: str = "tally") -> list[tuple[str, Branch]]:
    """Return every branch of the tree with its full name."""
    found: list[tuple[str, Branch]] = []
    for name, branch in (table or dict(BRANCHES)).items():
        found.append((f"{above} {name}", branch))
        loaded = branch.load()
        if isinstance(loaded, Tree):
            found += branches(dict(loaded.branches), f"{above} {name}")
    return found


@pytest.mark.parametrize(("name", "branch"), branches())
def test_help_says_of_a_command_what_the_command_says_of_itself(name: str, branch: Branch) -> None:
    loaded = branch.load()
    assert isinstance(loaded, Command)
    assert branch.says == loaded.get_short_help_str(limit=100)
    assert branch.hidden == loaded.hidden
    assert loaded.name == name.rpartition(" ")[2]


def test_help_loads_no_room_but_the_words() -> None:
    program = (
        "import sys\nfrom click.testing import CliRunner\nfrom tallystick.cli import tally\n"
        "answer = CliRunner().invoke(tally, ['--help'])\nassert answer.exit_code == 0\n"
        "print(*sorted(name for name in sys.modules if name.startswith('tallystick.')))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    rooms = {name.split(".")[1] for name in told.stdout.split()}
    assert rooms == {"cli", "terms"}


def test_names_are_completed_without_loading_commands() -> None:
    complete = ShellComplete(tally, {}, "tally", "_TALLY_COMPLETE")
    assert [item.value for item in complete.get_completions([], "aud")] == ["audit"]
    assert "gateway-worker" not in [item.value for item in complete.get_completions([], "gate")]


def test_an_unknown_command_is_refused_with_the_usage() -> None:
    answer = CliRunner().invoke(tally, ["adit"])
    assert answer.exit_code == 2
    assert "No such command 'adit'" in answer.output


def test_a_hidden_command_is_not_in_the_help() -> None:
    assert "gateway-worker" not in tally.get_help(Context(tally, info_name="tally"))
