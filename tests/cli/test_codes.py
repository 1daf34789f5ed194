"""Exit codes: one table, and every kind of error has its place in it."""

import pytest
from click import Context, Group

from tallystick.cli import codes, tally
from tallystick.cli.main import tell
from tallystick.remote import GatewayError, RemoteError
from tallystick.remote.messages.told import Problem
from tallystick.terms import TallyError
from tallystick.terms.refusal import Code
from tests.cli.desk import Desk


@pytest.mark.parametrize(
    ("code", "number"),
    [
        ("invalid", codes.WRONG),
        ("not_found", codes.UNKNOWN),
        ("unauthenticated", codes.NOT_SIGNED_IN),
        ("denied", codes.DENIED),
        ("approval_required", codes.DENIED),
        ("conflict", codes.CONFLICT),
        ("limited", codes.UNREACHABLE),
        ("unavailable", codes.UNREACHABLE),
        ("upstream", codes.UNREACHABLE),
        ("internal", codes.FAILED),
    ],
)
def test_what_a_console_refuses_has_its_exit_code(code: Code, number: int) -> None:
    assert codes.code_of(RemoteError(code, "no")) == number
    assert codes.code_of(GatewayError(code, "no")) == number


def test_what_is_broken_on_this_machine_is_a_wrong_call() -> None:
    assert codes.code_of(TallyError(code="unavailable", message="no key")) == codes.WRONG
    assert codes.code_of(codes.CommandError(codes.FINDINGS, "drift")) == codes.FINDINGS


def test_an_error_says_what_why_and_the_next_command() -> None:
    problem = Problem("about:blank", "denied", 403, "No.", "", "denied", ["policy_denied"])
    told = tell(GatewayError("denied", "No\u001b[2J.", problem, 7), codes.DENIED)
    assert told.splitlines() == [
        "No\ufffd[2J.",
        "  reasons: policy_denied",
        "  record: 7",
        "  next: see who you are and what you may with `tally whoami`",
    ]
    assert "next:" not in tell(TallyError(code="invalid", message="wrong"), codes.WRONG)


def test_the_page_has_every_code() -> None:
    assert all(f"| {code} | " in codes.page() for code in codes.CODES)


def every_command(group: Group, above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Return the words of every command of a group and below."""
    context, found = Context(group), list[tuple[str, ...]]()
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found.append((*above, name))
        if isinstance(command, Group):
            found += every_command(command, (*above, name))
    return found


@pytest.mark.parametrize("words", every_command(tally), ids=" ".join)
def test_every_command_tells_of_itself(words: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> None:
    said = Desk(tmp_path_factory.getbasetemp())(*words, "--help")
    assert said.code == 0
    assert said.out.startswith("Usage: tally")


def test_a_wrong_call_and_an_interrupt_have_their_codes(tmp_path_factory: pytest.TempPathFactory) -> None:
    desk = Desk(tmp_path_factory.getbasetemp())
    assert desk("server", "list", "--no-such").code == codes.WRONG
    assert desk("completion", "csh").code == codes.WRONG
    assert desk("version").out.startswith("tally ")
    assert desk("version", "-o", "json").json()["kind"] == "Version"
