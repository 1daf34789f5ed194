"""The baseline: a known difference passes, an unknown and a stale one do not; and what the sets are made of."""

import json
from pathlib import Path

import pytest

from conformance import baseline, suite
from conformance.baseline import Known
from conformance.legs import Compared, legs
from conformance.suite import Verdicts

LEG = "server 2026-07-28"
KNOWN = (Known(LEG, "caching:*", "there is no cache"), Known("another leg", "ping:ping/Ping", "of another leg"))


def _verdicts(*passed: str) -> Verdicts:
    return Verdicts(frozenset(passed), frozenset(), required_ok=True, told={"ping:ping/Ping": "failure: no answer"})


def test_checks_that_pass_on_one_side_only_differ() -> None:
    compared = Compared(LEG, ("ping", "both"), _verdicts("both", "ping:ping/Ping"), _verdicts("both", "won"))
    assert compared.differences() == {
        "ping:ping/Ping": "lost: failure: no answer",
        "won": "won: directly was not reached",
    }


def test_a_scenario_is_green_without_a_failure() -> None:
    told = {"ping:b/B": "failure: no", "tools-list:b/B": "warning: meh"}
    found = Verdicts(frozenset({"ping:a/A", "tools-list:a/A"}), frozenset(told), required_ok=False, told=told)
    assert found.green(("ping", "tools-list", "never-ran")) == 1


def test_a_check_that_only_fails_through_the_gateway_differs() -> None:
    skipped = Verdicts(frozenset(), frozenset({"a:b/B"}), required_ok=True, told={"a:b/B": "skipped: no request"})
    failed = Verdicts(frozenset(), frozenset({"a:b/B"}), required_ok=False, told={"a:b/B": "failure: bad header"})
    found = Compared(LEG, (), skipped, failed).differences()
    assert found == {"a:b/B": "fails: directly skipped: no request; failure: bad header"}
    assert Compared(LEG, (), failed, failed).differences() == {}
    assert Compared(LEG, (), failed, skipped).differences() == {}


def test_only_a_difference_of_its_own_leg_is_explained() -> None:
    found = {"caching:a/A": "lost", "ping:ping/Ping": "lost"}
    assert baseline.unexplained(found, LEG, KNOWN) == {"ping:ping/Ping": "lost"}


def test_an_entry_without_its_difference_is_stale() -> None:
    assert baseline.stale({"ping:ping/Ping": "lost"}, LEG, KNOWN) == ["caching:*"]
    assert baseline.stale({"caching:a/A": "lost"}, LEG, KNOWN) == []


def test_an_entry_for_several_legs_has_to_hold_in_each() -> None:
    several = [Known("server *", "caching:*", "there is no cache")]
    assert baseline.unexplained({"caching:a/A": "lost"}, "server 2025-11-25", several) == {}
    assert baseline.stale({}, LEG, several) == ["caching:*"]
    assert baseline.stale({}, "client 2026-07-28", several) == []


def test_an_entry_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "baseline.toml"
    file.write_text('[[difference]]\nleg = "a"\ncheck = "b"\nreason = " "\n')
    with pytest.raises(KeyError, match="no reason"):
        baseline.read(file)


def test_the_baseline_names_legs_that_there_are() -> None:
    assert baseline.strangers(baseline.read(), legs()) == set()
    assert baseline.strangers(KNOWN, [LEG]) == {"another leg"}


def test_a_check_is_passed_if_each_occurrence_is(tmp_path: Path) -> None:
    results = tmp_path / "server-ping-2026-11-21T15-17-06-158Z"
    results.mkdir()
    found = [("twice", "SUCCESS"), ("twice", "FAILURE"), ("once", "SUCCESS"), ("told", "INFO")]
    checks = [{"id": name, "name": name.title(), "status": status, "description": "x"} for name, status in found]
    (results / "checks.json").write_text(json.dumps(checks))
    verdicts = suite.read(tmp_path, "server-", required_ok=True)
    assert verdicts.passed == {"ping:once/Once"}
    assert verdicts.failed == {"ping:twice/Twice"}


def test_the_suite_is_locked_with_hashes_and_without_addresses() -> None:
    file = Path(suite.__file__).with_name("package-lock.json")
    packages: dict[str, dict[str, object]] = json.loads(file.read_text())["packages"]
    assert [
        name for name, entry in packages.items() if name and ("integrity" not in entry or "resolved" in entry)
    ] == []
