"""`summary.json`: the account for other tools, and the verdict over it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tallystick_demo_bank.demo.model import Check, Done
from tallystick_demo_bank.demo.people import AGENT
from tallystick_demo_bank.demo.prepare import Installation


class _Judged(msgspec.Struct):
    expected: str
    observed: str


def summary(made: Installation, vkey: str, steps: Sequence[Done], checks: Sequence[Check]) -> dict[str, object]:
    """Return the account as a JSON object."""
    told: dict[str, object] = {
        "steps": [_step(done) for done in steps],
        "checks": [{"what": c.what, "expected": c.expected, "observed": c.observed, "ok": c.ok} for c in checks],
        "skipped": made.skipped,
        "log_dir": str(made.log),
        "vkey": vkey,
        "gateway": made.gateway,
    }
    return {"ok": holds(told), **told}


def holds(told: Mapping[str, object]) -> bool:
    """Judge an account: every step and every check has to be as expected, and there have to be some."""
    return all(_all_as_expected(told.get(part)) for part in ("steps", "checks"))


def write(file: Path, told: Mapping[str, object]) -> None:
    """Write an account."""
    file.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _all_as_expected(entries: object) -> bool:
    try:
        judged = msgspec.convert(entries, list[_Judged])
    except msgspec.ValidationError:
        return False
    return bool(judged) and all(entry.expected == entry.observed for entry in judged)


def _step(done: Done) -> dict[str, object]:
    step, recorded = done.step, done.recorded
    return {
        "n": done.n,
        "who": step.who,
        "agent": step.agent or (AGENT if step.who == AGENT else None),
        "client": done.client,
        "era": step.era,
        "route": step.route,
        "method": step.method,
        "tool": step.tool,
        "what": step.what,
        "expected": str(step.expected),
        "observed": str(done.observed),
        "outcome": done.observed.outcome,
        "decision": done.decision,
        "reasons": list(done.observed.reasons),
        "policies": list(done.observed.policies),
        "record": None if recorded is None else recorded.index,
        "outcome_record": None if recorded is None else recorded.outcome_index,
        "ok": done.ok,
    }
