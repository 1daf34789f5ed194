"""What leaves say is judged: their form, their pairs, their times and heartbeats, the keys and years they name."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log
from tallystick.audit import offline
from tallystick.audit.leaf import call_id
from tallystick.audit.leaf.event import event
from tallystick.audit.leaf.kinds import KINDS
from tallystick.audit.model import Event, EventKind
from tallystick.audit.offline.content.forms import fault
from tallystick.audit.tlog.note import verifier_of
from tests.audit.sample import BANK, NOON, ORIGIN, denial, intent, outcome


def _event(kind: EventKind, at: float, **fields: object) -> bytes:
    return event(Event(kind, call_id(at, bytes(10)), at, BANK, fields))


def _beat(at: float, size: int, **more: object) -> bytes:
    return _event("heartbeat", at, every_s=60, size=size, opened=0, **more)


def _verified(directory: Path, leaves: list[bytes]) -> offline.Report:
    return offline.verify_log(directory, write_log(directory, len(leaves), iter(leaves)))


def test_every_kind_of_leaf_has_a_form() -> None:
    for kind in KINDS:
        assert "is not what a leaf of kind" in str(fault(b"{}", kind))
    assert fault(intent(0), "no-such-kind") == "the leaf has no known kind"


@pytest.mark.parametrize("leaf", [intent(0), outcome(0, 0), denial(0), _beat(NOON, 1, start=True, step_ms=-3)])
def test_leaves_of_our_own_have_their_form(leaf: bytes) -> None:
    assert fault(leaf, json.loads(leaf)["kind"]) is None


def _with(**fields: object) -> Callable[[Mapping[str, object]], bytes]:
    return lambda known: json.dumps({**known, **fields}, sort_keys=True, separators=(",", ":")).encode()


CHANGED: list[Callable[[Mapping[str, object]], bytes]] = [
    _with(extra=1),
    _with(tenant=None),
    _with(args_c="E" * 64),
    _with(request_bytes=-1),
    _with(request_bytes=1.5),
    _with(request_bytes=2**53),
    _with(v=2),
    _with(ts="2026-05-28T20:26:40Z"),
    _with(caller={}),
    lambda known: json.dumps(known, sort_keys=True).encode(),
    lambda known: json.dumps(known, separators=(",", ":")).encode()[:-1] + b',"a":1}',
    lambda known: _with()(known).replace(b'"v":1', b'"v":1,"v":1'),
    lambda known: _with()(known) + b"\n",
    lambda known: _with()(known).replace(b"alice", b"\\u0061lice"),
]


@pytest.mark.parametrize("change", CHANGED)
def test_a_leaf_of_another_form_is_damage(tmp_path: Path, change: Callable[[Mapping[str, object]], bytes]) -> None:
    report = _verified(tmp_path, [change(json.loads(intent(0)))])
    assert [(damage.file, damage.index) for damage in report.damage] == [("tile/entries/000.p/1", 0)]


def test_a_flag_that_is_false_is_none() -> None:
    leaf = _beat(NOON, 0, start=True).replace(b'"start":true', b'"start":false')
    assert "start is false" in str(fault(leaf, "heartbeat"))


def test_an_intent_is_closed_once_and_by_its_own_call(tmp_path: Path) -> None:
    report = _verified(tmp_path, [intent(0), intent(1), outcome(0, 0), outcome(0, 0), outcome(2, 1), intent(3)])
    assert [damage.index for damage in report.damage] == [3, 4]
    assert report.opened == (5,)


def test_silence_between_heartbeats_is_a_finding_and_no_damage(tmp_path: Path) -> None:
    beats = [_beat(NOON, 0, start=True), _beat(NOON + 60, 1), _beat(NOON + 135, 2), _beat(NOON + 211, 3)]
    report = _verified(tmp_path, beats)
    assert (report.verdict, [(finding.kind, finding.index) for finding in report.findings]) == (
        "whole",
        [("silence", 3)],
    )
    assert "76 s without a heartbeat since leaf 2" in report.findings[0].text


def test_a_writer_that_was_stopped_as_told_may_be_silent(tmp_path: Path) -> None:
    stopped = [_beat(NOON, 0, start=True), _beat(NOON + 10, 1, stop=True), _beat(NOON + 9000, 2, start=True)]
    assert _verified(tmp_path / "stopped", stopped).findings == ()
    killed = [_beat(NOON, 0, start=True), _beat(NOON + 10, 1), _beat(NOON + 9000, 2, start=True)]
    (finding,) = _verified(tmp_path / "killed", killed).findings
    assert (finding.kind, finding.index, "had not said" in finding.text) == ("silence", 2, True)


def test_a_log_without_heartbeats_or_with_none_at_its_end_says_so(tmp_path: Path) -> None:
    later = _event("admin", NOON + 100, operator="root", action="a", object="b", result="success")
    (finding,) = _verified(tmp_path / "none", [denial(0), later]).findings
    assert "no heartbeat at all" in finding.text
    (finding,) = _verified(tmp_path / "end", [_beat(NOON, 0, start=True), later]).findings
    assert "no heartbeat after this one" in finding.text


def test_steps_of_the_clock_are_findings(tmp_path: Path) -> None:
    leaves = [_beat(NOON, 0, start=True), _beat(NOON + 60, 1, step_ms=-3_600_000), _beat(NOON - 3480, 2)]
    report = _verified(tmp_path, leaves)
    assert (report.verdict, [(finding.kind, finding.index) for finding in report.findings]) == (
        "whole",
        [("clock", 1), ("clock", 2)],
    )


def test_a_heartbeat_that_counts_more_leaves_than_there_are_is_a_finding(tmp_path: Path) -> None:
    (finding,) = _verified(tmp_path, [_beat(NOON, 5, start=True)]).findings
    assert "counts 5 leaves before it" in finding.text


def test_a_retired_key_that_is_still_in_use_is_a_finding(tmp_path: Path) -> None:
    vkey = verifier_of(ORIGIN, Ed25519PrivateKey.generate()).vkey
    retired = _event("key", NOON, operator="root", purpose="checkpoint", action="retired", keys=[vkey])
    own = write_log(tmp_path, 1, iter([retired]))
    assert offline.verify_log(tmp_path, own).findings == ()
    assert [finding.kind for finding in offline.verify_log(tmp_path, f"{own}{vkey}").findings] == ["key"]
    (tmp_path / "vkey").write_text(f"{own}{vkey}\n")
    assert "still in use" in offline.verify_log(tmp_path, own).findings[0].text


def test_a_year_continues_the_log_of_the_year_before(tmp_path: Path) -> None:
    old, new, key = tmp_path / "2025", tmp_path / "2026", Ed25519PrivateKey.generate()
    origin = "localhost/bank/2025"
    before = offline.verify_log(old, write_log(old, 1, iter([denial(0)]), origin=origin, key=key))
    previous = {"origin": origin, "root": before.root, "size": before.size}
    first = {"kind": "open", "previous": previous, "tenant": "bank", "ts": "2026-01-01T00:00:00.000000Z", "v": 1}
    vkey = write_log(new, 1, iter([_with()(first)]), key=key)
    report = offline.verify_log(new, vkey)
    assert (report.verdict, report.findings) == ("whole", ())
    write_log(old, 1, iter([denial(1)]), origin=origin, key=key)
    assert [damage.file for damage in offline.verify_log(new, vkey).damage] == ["../2025/checkpoint"]
    # Calls that were open at the turn of the year ended in the old log.
    write_log(old, 3, iter([denial(0), denial(1), denial(2)]), origin=origin, key=key)
    assert offline.verify_log(new, vkey).ok
    write_log(old, 3, iter([denial(1), denial(0), denial(2)]), origin=origin, key=key)
    assert [damage.file for damage in offline.verify_log(new, vkey).damage] == ["../2025/checkpoint"]
    write_log(old, 1, iter([denial(0)]), origin=origin)
    (finding,) = offline.verify_log(new, vkey).findings
    assert (finding.kind, "not signed by a key that you trust" in finding.text) == ("chain", True)
    (old / "checkpoint").unlink()
    (finding,) = offline.verify_log(new, vkey).findings
    assert (finding.kind, "not beside this log" in finding.text) == ("chain", True)
