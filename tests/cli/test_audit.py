"""`tally audit` as a person or a script meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tallystick.cli.main import tally
from tests.audit.sample import Ticking, denial, intent, log_directory, opened_log, opened_state, outcome


@pytest.fixture
def log(tmp_path: Path) -> Path:
    with opened_state(tmp_path) as state:
        opened = opened_log(state)
        opened.append([intent(0), outcome(0, 0), denial(1)])
        opened.publish(Ticking())
    return log_directory(tmp_path)


def _run(*arguments: str | Path, state: Path | None = None) -> Result:
    environment = {"TALLY_STATE": str(state)} if state else {}
    return CliRunner().invoke(tally, ["audit", *map(str, arguments)], env=environment)


def test_tail_prints_a_table_and_json(log: Path) -> None:
    table = _run("tail", log, "-n", "2")
    assert table.exit_code == 0
    assert [line.split()[0] for line in table.output.splitlines()] == ["INDEX", "1", "2"]
    rows = [json.loads(line) for line in _run("tail", log, "--json").output.splitlines()]
    assert [(row["index"], row["kind"]) for row in rows] == [(0, "intent"), (1, "outcome"), (2, "denial")]


def test_show_prints_one_leaf(log: Path) -> None:
    assert json.loads(_run("show", "0", log).output)["caller"]["subject"] == "alice@bank.example"
    assert _run("show", "0", log, "--raw").output.encode() == intent(0)


def test_a_proof_is_written_and_checked_without_the_log(log: Path, tmp_path: Path) -> None:
    proof, leaf = tmp_path / "proof", tmp_path / "leaf"
    assert _run("proof", "2", log, "-o", proof).exit_code == 0
    leaf.write_bytes(denial(1))
    checked = _run("verify", "--proof", proof, "--leaf", leaf, "--vkey", log / "vkey")
    assert (checked.exit_code, "Proven" in checked.output) == (0, True)
    leaf.write_bytes(denial(2))
    refused = _run("verify", "--proof", proof, "--leaf", leaf, "--vkey", log / "vkey")
    assert (refused.exit_code, "NOT PROVEN" in refused.output) == (1, True)
    assert _run("verify", "--proof", proof).exit_code == 2


def test_verify_tells_a_sound_log_from_a_damaged_one(log: Path) -> None:
    assert _run("verify", log, "--vkey", log / "vkey").exit_code == 0
    bundle = log / "tile" / "entries" / "000.p" / "3"
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes().replace(b"alice", b"carol"))
    damaged = _run("verify", log)
    assert (damaged.exit_code, "tile/entries/000.p/3, leaf 0" in damaged.output) == (1, True)
    report = json.loads(_run("verify", log, "--json").output)
    assert (report["ok"], report["damage"][0]["index"]) == (False, 0)


def test_the_only_log_is_found_and_two_are_listed(log: Path, tmp_path: Path) -> None:
    assert _run("verify", state=tmp_path).exit_code == 0
    other = log.parent.parent / "other" / "2026"
    other.mkdir(parents=True)
    (other / "checkpoint").touch()
    several = _run("verify", state=tmp_path)
    assert (several.exit_code, "there are 2 logs" in several.output) == (2, True)
    assert _run("verify", state=tmp_path / "nowhere").exit_code == 2
