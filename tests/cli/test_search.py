"""`tally audit search` as a person or a script meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tallystick.cli.main import tally
from tests.audit.sample import Ticking, denial, intent, log_directory, opened_log, opened_state, outcome


def _log(state_directory: Path) -> Path:
    with opened_state(state_directory) as state:
        opened = opened_log(state)
        opened.append([intent(0), outcome(0, 0), denial(1)])
        opened.publish(Ticking())
    return log_directory(state_directory)


def _run(*arguments: str, state: Path) -> Result:
    return CliRunner().invoke(tally, ["audit", "search", *arguments], env={"TALLY_STATE": str(state)})


def test_a_person_sees_a_table(tmp_path: Path) -> None:
    _log(tmp_path)
    shown = _run("--person", "alice@bank.example", state=tmp_path)
    assert shown.exit_code == 0
    header, row = shown.output.splitlines()
    assert header.split()[:4] == ["LOG", "INDEX", "TS", "KIND"]
    assert {"alice@bank.example", "payments-agent", "accounts.list", "success"} <= set(row.split())


def test_a_script_gets_json_with_the_total(tmp_path: Path) -> None:
    _log(tmp_path)
    found = json.loads(_run("--json", "-n", "1", state=tmp_path).output)
    assert (found["total"], len(found["records"])) == (2, 1)


def test_nothing_found_is_told_by_the_exit_code(tmp_path: Path) -> None:
    _log(tmp_path)
    assert _run("--person", "nobody", state=tmp_path).exit_code == 1


def test_a_log_that_is_named_gets_no_file_beside_it(tmp_path: Path) -> None:
    log = _log(tmp_path)
    assert _run(str(log), state=tmp_path / "elsewhere").exit_code == 0
    assert not (tmp_path / "index").exists()


def test_what_is_no_amount_and_what_is_no_log_are_told(tmp_path: Path) -> None:
    assert "TALLY_STATE" in _run(state=tmp_path).output
    _log(tmp_path)
    wrong = _run("--amount-from", "much", state=tmp_path)
    assert wrong.exit_code == 2
    assert "decimal number" in wrong.output


@pytest.mark.parametrize(
    ("option", "remedy"),
    [
        (("--since", "yesterday"), "such as 2026-11-21"),
        (("--until", "21.11.2026"), "such as 2026-11-21"),
        (("--kind", "denials"), "denial, "),
        (("--decision", "permit"), "known: allow, deny"),
    ],
)
def test_a_word_that_no_record_can_fit_is_no_empty_answer(option: tuple[str, str], remedy: str, tmp_path: Path) -> None:
    _log(tmp_path)
    wrong = _run(*option, state=tmp_path)
    assert (wrong.exit_code, remedy in wrong.output) == (2, True)


def test_a_time_with_its_z_takes_in_the_second_that_it_names(tmp_path: Path) -> None:
    _log(tmp_path)
    found = json.loads(_run("--json", state=tmp_path).output)["records"]
    second = max(record["ts"] for record in found)[:19]
    assert _run("--since", f"{second}Z", state=tmp_path).exit_code == 0
    assert _run("--until", f"{second}Z", "--since", second, state=tmp_path).exit_code == 1
