"""What commands end with: one table, from which main, the tests and docs/reference/exit-codes.md are made."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.terms import TallyError

DONE: Final = 0
FAILED: Final = 1
WRONG: Final = 2
UNKNOWN: Final = 3
NOT_SIGNED_IN: Final = 4
DENIED: Final = 5
FINDINGS: Final = 6
CONFLICT: Final = 7
UNREACHABLE: Final = 8
INTERRUPTED: Final = 130


class Row(NamedTuple):
    """One exit code: what it means, and what a script does about it."""

    means: str
    do: str


CODES: Final[Mapping[int, Row]] = {
    DONE: Row("Done.", "Go on."),
    FAILED: Row("It failed, or the answer is no.", "Read the sentence on standard error."),
    WRONG: Row(
        "The call, a document or the configuration is wrong; nothing was changed.",
        "Correct it; asking again helps not.",
    ),
    UNKNOWN: Row("There is no such thing, or none that you may see.", "Look at the list of what there is."),
    NOT_SIGNED_IN: Row("Nobody is signed in, or not any more.", "Run `tally login`."),
    DENIED: Row("A policy or a role says no, or an approval is needed first.", "Read the reason codes it printed."),
    FINDINGS: Row(
        "Something was found: changes that a plan would make, drift, checks that failed.",
        "Look at what was printed; for a plan, apply it.",
    ),
    CONFLICT: Row(
        "It collides with what is there: another version, another owner, a gate that is not met.",
        "Read it again, and repeat the change.",
    ),
    UNREACHABLE: Row("The console or the gateway cannot be reached, or works in part only.", "Try again later."),
    INTERRUPTED: Row("It was interrupted.", ""),
}
"""Every exit code of the commands that speak with a console or a gateway, and of errors everywhere."""


class CommandError(TallyError):
    """A command cannot go on for a reason of its own; `exit_code` is one of the table."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(code="invalid", message=message)
        self.exit_code = exit_code


def code_of(error: TallyError) -> int:
    """Return what a command ends with for an error. Broken configuration or state on this machine is WRONG."""
    if isinstance(error, CommandError):
        return error.exit_code
    from tallystick.remote import RemoteError  # noqa: PLC0415 - help and completion do without it

    return error.exit_code if isinstance(error, RemoteError) else WRONG


def page() -> str:
    """Return docs/reference/exit-codes.md."""
    lines = ["# Exit codes\n", "| code | means | what to do |", "| --- | --- | --- |"]
    lines += [f"| {code} | {row.means} | {row.do} |" for code, row in CODES.items()]
    lines += [
        "",
        "`tally audit ...`, `tally witness ...`, `tally health` and `tally follow` work on files and processes of the",
        "machine; what 1 and 3 mean there is in [their help](cli.md): `tally audit verify` ends with 1 for a damaged",
        "record and with 3 where something is not verified.",
        "",
    ]
    return "\n".join(lines)
