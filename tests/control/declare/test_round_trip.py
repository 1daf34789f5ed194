"""A configuration through plan and commit is the configuration: the same digest, and nothing left to change."""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from tallystick.control import Control, Sqlite, declare
from tallystick.control.model import DIRECTORY, EVERYWHERE, Actor, Committed, Put
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Snapshot, compile_snapshot
from tests.control.declare.bank import bank
from tests.control.stage import done, opened, publish
from tests.snapshot.files import FILES

ACTOR = Actor("directory", operator="directory")
MORE: dict[str, bytes] = {
    "grants/audit.yaml": (
        b"tenant: retail\ntoolset: desk\nto: {groups: [auditors]}\npurpose: audit\nexpires: 2027-01-01T00:00:00Z\n"
    ),
    "agents/robot.yaml": b"tenant: retail\ntitle: Robot\nowner: {person: ada, team: payments}\n",
    "roles/everywhere.yaml": b"role: auditor\npeople: [eve]\n",
    "webhooks/desk.yaml": b"tenant: retail\nurl: https://hooks.example/in\nsecret: desk\n",
}


@pytest.fixture
def control(tmp_path: Path) -> Iterator[Control]:
    """Control state in a file of its own."""
    with opened(Sqlite(tmp_path / "control.db")) as control:
        yield control


def _wanted(files: Mapping[str, bytes]) -> tuple[Put, ...]:
    puts = [one for one in declare.from_directory(files) if isinstance(one, Put)]
    assert puts, declare.from_directory(files)
    return tuple(puts)


def _read(files: Mapping[str, bytes]) -> tuple[Put, ...]:
    puts = tuple(one for one in declare.read_documents(files, DIRECTORY) if isinstance(one, Put))
    assert puts, declare.read_documents(files, DIRECTORY)
    return puts


def _apply(control: Control, files: Mapping[str, bytes]) -> declare.Plan:
    plan = declare.plan(control.all(), _wanted(files), DIRECTORY, prune=True)
    done(control, *plan.changes, actor=ACTOR)
    publish(control)
    return plan


def _snapshot(control: Control) -> Snapshot:
    compiled = Compiler().compile(control.documents())
    assert isinstance(compiled, Snapshot), compiled
    return compiled


@pytest.mark.parametrize("files", [FILES, FILES | MORE], ids=["small", "every kind"])
def test_a_directory_and_the_state_made_of_it_have_one_digest(control: Control, files: Mapping[str, bytes]) -> None:
    _apply(control, files)
    compiled = compile_snapshot(files)
    assert isinstance(compiled, Snapshot), compiled
    assert _snapshot(control).digest == compiled.digest


def test_the_demo_bank_through_plan_and_commit_is_the_demo_bank(control: Control) -> None:
    _apply(control, bank())
    assert _snapshot(control).digest == _snapshot_of(bank()).digest
    text = declare.to_yaml(declare.to_documents(control.all().values()))
    wanted = _read({"bank.yaml": text.encode()})
    assert declare.plan(control.all(), wanted, DIRECTORY, prune=True).changes == ()


def test_a_second_reading_changes_nothing(control: Control) -> None:
    _apply(control, FILES | MORE)
    again = declare.plan(control.all(), _wanted(FILES | MORE), DIRECTORY, prune=True)
    assert again.changes == ()
    assert {item.action for item in again.items} == {"unchanged"}


def test_canonical_files_recompute_the_digest_with_sha256sum_alone(control: Control) -> None:
    _apply(control, FILES | MORE)
    files = declare.to_canonical_files(control.all().values())
    assert isinstance(files, Mapping)
    printed = "".join(f"{sha256(files[path]).hexdigest()}  {path}\n" for path in sorted(files))
    assert f"sha256:{sha256(printed.encode()).hexdigest()}" == _snapshot(control).digest


def test_what_is_exported_applies_again_without_a_change(control: Control) -> None:
    _apply(control, FILES | MORE)
    text = declare.to_yaml(declare.to_documents(control.all().values()))
    puts = _read({"all.yaml": text.encode()})
    assert len(puts) == len(control.all())
    assert declare.plan(control.all(), puts, DIRECTORY, prune=True).changes == ()


def test_what_is_exported_makes_the_same_state_elsewhere(control: Control, tmp_path: Path) -> None:
    _apply(control, FILES | MORE)
    text = declare.to_yaml(declare.to_documents(control.all().values()))
    with opened(Sqlite(tmp_path / "other.db")) as other:
        _apply(other, {"everything.yaml": text.encode()})
        assert _snapshot(other).digest == _snapshot(control).digest


def test_files_of_the_spine_and_documents_stand_side_by_side(control: Control) -> None:
    document = """apiVersion: tallystick.dev/v1
kind: Toolset
metadata: {name: second, tenant: retail}
spec:
  members: [{server: clock}]
"""
    plan = _apply(
        control, FILES | {"toolsets/second.yaml": document.encode(), "deep/er/empty.yaml": b"---\n# nothing\n"}
    )
    assert "toolset/second" in {str(item.key) for item in plan.items}
    assert "toolsets/second" in _snapshot(control).routes


def test_a_file_that_is_gone_is_pruned_and_its_resource_with_it(control: Control) -> None:
    _apply(control, FILES | MORE)
    plan = _apply(control, FILES)
    removed = {str(item.key) for item in plan.items if item.action == "remove"}
    assert removed == {"grant/audit", "agent/robot", "role/everywhere", "webhook/desk"}
    assert _snapshot(control).digest == _snapshot_of(FILES).digest


def _snapshot_of(files: Mapping[str, bytes]) -> Snapshot:
    compiled = compile_snapshot(files)
    assert isinstance(compiled, Snapshot), compiled
    return compiled


def test_process_settings_and_sinks_are_no_control_state() -> None:
    sink = {"sinks/siem.yaml": b"type: file\nfile: {path: x}\n"}
    assert _wanted(FILES | sink) == _wanted({name: raw for name, raw in FILES.items() if name != "tally.yaml"})


def test_a_policy_in_a_tenants_folder_binds_that_tenant() -> None:
    files = FILES | {"policies/retail/own.cedar": b'@id("own") permit(principal, action, resource);'}
    tenants = {put.name: put.tenant for put in _wanted(files) if put.kind == "Policy"}
    assert tenants == {"desk": EVERYWHERE, "own": "retail"}


def test_the_same_thing_in_two_files_is_a_problem_that_names_both() -> None:
    twice = b"apiVersion: tallystick.dev/v1\nkind: Tenant\nmetadata: {name: group}\nspec: {}\n"
    problems = declare.from_directory(FILES | {"other.yaml": twice})
    assert [str(one) for one in problems if isinstance(one, Problem)], problems
    assert "tenants/group.yaml" in str(problems)
    assert "describes tenant/group again" in str(problems)


def test_a_change_of_one_file_is_one_change(control: Control) -> None:
    _apply(control, FILES)
    files = FILES | {"tenants/retail.yaml": b"title: Retail banking\nparent: group\n"}
    plan = declare.plan(control.all(), _wanted(files), DIRECTORY, prune=True)
    assert [str(change.key) for change in plan.changes] == ["tenant/retail"]
    changed = [item for item in plan.items if item.action == "change"]
    assert changed[0].differences == (declare.Difference("/spec/title", "Retail", "Retail banking"),)
    assert isinstance(control.commit(plan.changes, ACTOR), Committed)


def test_a_pin_whose_file_is_gone_is_gone_too(control: Control) -> None:
    _apply(control, FILES)
    rest = {name: raw for name, raw in FILES.items() if name != "pins/bank.json"}
    plan = _apply(control, rest)
    assert {str(item.key) for item in plan.items if item.action == "remove"} == {"pin/bank"}
    assert _snapshot(control).digest == _snapshot_of(rest).digest
