"""`tally demo` for real, once: its exit code, its account, its record, and that nothing is left behind."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tallystick_demo_bank.demo import DemoError
from tallystick_demo_bank.demo.model import Account
from tallystick_demo_bank.demo.prepare import claimed, clear
from tallystick_demo_bank.demo.summary import holds
from tallystick_demo_bank.demo.tell import Table

from tallystick.audit import offline

MODERN, LEGACY = "2026-07-28", "2025-11-25"
TALLY = [sys.executable, "-m", "tallystick.cli"]
WITHIN_S = 180


class Step(msgspec.Struct):
    """One step of the account."""

    n: int
    who: str
    agent: str | None
    era: str
    route: str
    method: str
    tool: str | None
    expected: str
    observed: str
    outcome: str
    decision: str
    reasons: list[str]
    policies: list[str]
    record: int
    outcome_record: int | None
    ok: bool


class Summary(msgspec.Struct):
    """What `summary.json` holds."""

    ok: bool
    steps: list[Step]
    checks: list[dict[str, object]]
    skipped: dict[str, str]
    log_dir: str
    vkey: str
    gateway: str


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of the demo."""

    folder: Path
    status: int
    printed: str
    summary: Summary


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("demo") / "bank"
    command = [*TALLY, "demo", "--dir", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    written = folder / "summary.json"
    assert written.exists(), done.stdout + done.stderr
    return Ran(folder, done.returncode, done.stdout, msgspec.json.decode(written.read_bytes(), type=Summary))


def test_everything_that_the_demo_asserts_holds(ran: Ran) -> None:
    wrong = [
        f"{step.n}: expected {step.expected}; observed {step.observed}" for step in ran.summary.steps if not step.ok
    ]
    wrong += [str(check) for check in ran.summary.checks if not check["ok"]]
    assert not wrong
    assert ran.summary.ok
    assert ran.status == 0, ran.printed[-2000:]


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_each_era_shows_every_way_a_call_can_end(ran: Ran, era: str) -> None:
    ends = {step.outcome for step in ran.summary.steps if step.era == era}
    assert ends == {
        "success",
        "tool_error",
        "denied",
        "invalid",
        "approval_required",
        "cancelled",
        "upstream_failure",
    }


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_each_person_and_the_agent_take_part_in_each_era(ran: Ran, era: str) -> None:
    seats = {(step.who, step.agent) for step in ran.summary.steps if step.era == era}
    assert seats == {
        ("ana.alvarez", None),
        ("ana.alvarez", "nightly-reconciler"),
        ("pete.clark", None),
        ("rita.olsen", None),
        ("nightly-reconciler", "nightly-reconciler"),
    }


def test_a_changed_policy_decides_the_next_call(ran: Ran) -> None:
    frozen = [step for step in ran.summary.steps if step.policies == ["change-freeze"]]
    assert {step.era for step in frozen} == {MODERN, LEGACY}
    assert {(step.decision, step.reasons[0]) for step in frozen} == {("deny", "policy_forbids")}


def test_the_record_names_the_agent_that_acts_for_a_person(ran: Ran) -> None:
    step = next(step for step in ran.summary.steps if step.agent and step.who != step.agent)
    _, leaf = next(offline.read_leaves(Path(ran.summary.log_dir), range(step.record, step.record + 1)))
    caller = json.loads(leaf)["caller"]
    assert (caller["subject"], caller["actors"]) == ("ana.alvarez", ["nightly-reconciler"])


def test_the_log_verifies_with_the_key_in_the_account(ran: Ran) -> None:
    report = offline.verify_log(Path(ran.summary.log_dir), ran.summary.vkey)
    assert report.ok
    assert not report.opened
    numbers = [step.record for step in ran.summary.steps]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] < report.size


def test_a_receipt_is_proved_by_the_key_and_what_the_call_said_is_in_no_file(ran: Ran) -> None:
    receipt = offline.read_receipt((ran.folder / "receipt.json").read_text())
    assert not isinstance(receipt, offline.Damage)
    proved = offline.check_proof(receipt[0], ran.summary.vkey, receipt[1])
    assert isinstance(proved, offline.Checkpoint)
    told = {str(check["what"]): check["observed"] for check in ran.summary.checks}
    assert told["files of the state directory that hold 'Invoice 2026-1001'"] == "none"
    assert told["the arguments of that call, as the record tells them to who says why"] == "told"


def test_the_account_is_told_in_plain_text_for_a_file(ran: Ran) -> None:
    assert "Everything held" in ran.printed
    assert ran.printed.isascii()
    assert "\x1b" not in ran.printed


def test_nothing_of_the_demo_is_left_running(ran: Ran) -> None:
    assert not _processes_of(ran.folder)


def test_a_wrong_expectation_fails_the_demo(ran: Ran) -> None:
    told = json.loads((ran.folder / "summary.json").read_bytes())
    assert holds(told)
    told["steps"][3]["expected"] = told["steps"][0]["expected"]
    assert not holds(told)


@pytest.mark.parametrize("part", ["steps", "checks"])
def test_a_demo_that_asserted_nothing_fails(ran: Ran, part: str) -> None:
    told = json.loads((ran.folder / "summary.json").read_bytes())
    assert not holds({**told, part: []})


def test_an_interrupted_demo_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "bank"
    command = [*TALLY, "demo", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "pinning" in line:
                break
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)
    assert process.returncode == 130
    assert not _processes_of(folder)


def test_a_folder_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("mine")
    with pytest.raises(DemoError, match="--dir"), claimed(tmp_path):
        pass
    assert (tmp_path / "letters.txt").read_text() == "mine"


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "bank"), pytest.raises(DemoError, match="another demo"), claimed(tmp_path / "bank"):
        pass


def test_an_earlier_run_is_moved_aside_when_it_is_to_be_kept(tmp_path: Path) -> None:
    folder, said = tmp_path / "bank", list[str]()
    with claimed(folder):
        (folder / "summary.json").write_text("{}")
        clear(folder, keep=True, say=said.append)
    assert (tmp_path / "bank.1" / "summary.json").read_text() == "{}"
    assert not (folder / "summary.json").exists()
    assert said == [f"the earlier run is kept in {tmp_path / 'bank.1'}"]


def test_the_table_fits_the_terminal() -> None:
    heading = Table(80).heading()[-1].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert len(heading) <= 80


def test_expected_and_observed_read_the_same_when_they_are_the_same() -> None:
    expected = Account("success", "ana.alvarez", policies=("analysts-read",), shows=("ACC-0007",), progress=3)
    assert str(expected) == (
        "success for ana.alvarez; policy_allows analysts-read; 3 progress reports; shows 'ACC-0007'"
    )


def _processes_of(folder: Path) -> list[str]:
    """Return the command lines, of any process of this machine, that name the folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [line] if str(folder) in line else []
    return found
