"""Every payload that a leaf says is kept is there, or a leaf says why it is not, or something is wrong."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log
from tallystick.audit import offline
from tallystick.audit.leaf import call_id, timestamp
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Capture, Content, Event
from tallystick.audit.payload import Vault, open_provider, open_vaults
from tests.audit.sample import BANK, NOON, denial, intent

ALICE, BOB = "a" * 64, "b" * 64
MONTH_S = 31 * 86_400
KEY = Ed25519PrivateKey.generate()


def _keeping(number: int, subject: str, fields: Sequence[str] = ("args",)) -> bytes:
    """A leaf that says that payloads are kept with it."""
    known: dict[str, object] = json.loads(intent(number))
    known |= {"kept": list(fields), "retention": "standard", "subject": subject}
    return json.dumps(known, sort_keys=True, separators=(",", ":")).encode()


def _forgetting(at: float, **fields: object) -> bytes:
    said = {"basis": "Art. 17", "classes": ["standard"], "keys": 1, "payloads": 1, "holds_checked": 0, "operator": "op"}
    return event(Event("erasure", call_id(at, bytes(10)), at, BANK, {**said, **fields}))


class State:
    """A state directory with the payloads of one tenant, and a log whose leaves they go with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "audit" / BANK / "2026"
        self.payloads = directory / "payload" / BANK
        self.leaves = [_keeping(0, ALICE, ("args", "prompt")), _keeping(1, BOB), _keeping(2, ALICE), denial(3)]
        vaults = open_vaults(directory, open_provider(directory), lambda: NOON + 3 * MONTH_S)
        try:
            self._keep(vaults.vault(BANK))
        finally:
            vaults.close()

    def _keep(self, vault: Vault) -> None:
        for leaf in self.leaves:
            said: dict[str, list[str]] = json.loads(leaf)
            contents = tuple(Content(field, b"an account number") for field in said.get("kept", []))
            if contents:
                vault.keep(vault.seal(leaf, Capture(str(said["subject"]), "standard", contents), NOON))

    def verify(self, *more: bytes, part: tuple[int, int | None] = (0, None)) -> offline.Report:
        """Verify the log of the leaves, and of what is logged after them."""
        leaves = [*self.leaves, *more]
        shutil.rmtree(self.log, ignore_errors=True)
        vkey = write_log(self.log, len(leaves), iter(leaves), key=KEY)
        return offline.verify_log(self.log, vkey, offline.Wanted(part=part, payloads=self.payloads))


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def test_payloads_that_are_there_are_counted(state: State) -> None:
    report = state.verify()
    assert (report.verdict, report.payloads) == ("whole", {"present": 4})


def test_a_payload_that_was_erased_is_told_with_the_leaf_that_says_so(state: State) -> None:
    report = state.verify(_forgetting(NOON + 1, action="erase", subject=ALICE), _keeping(5, ALICE, ()))
    assert (report.verdict, report.payloads) == ("whole", {"erased": 3, "present": 1})
    told = [(gone.index, gone.field, gone.state, gone.under) for gone in report.payloads_gone]
    assert told == [
        (0, "args", "erased", "leaf 4 of 2026"),
        (0, "prompt", "erased", "leaf 4 of 2026"),
        (2, "args", "erased", "leaf 4 of 2026"),
    ]


def test_an_erasure_excuses_nothing_that_came_after_it_or_is_of_another_class(state: State) -> None:
    shutil.rmtree(state.payloads)
    other = _forgetting(NOON + 1, action="erase", subject=ALICE, classes=["other"])
    assert state.verify(other).payloads == {"missing": 4}
    state.leaves.insert(2, _forgetting(NOON, action="erase", subject=ALICE))
    report = state.verify()
    assert (report.verdict, report.payloads) == ("damaged", {"erased": 2, "missing": 2})
    assert [damage.index for damage in report.damage] == [1, 3]


def test_a_payload_that_has_expired_is_told(state: State) -> None:
    shutil.rmtree(state.payloads)
    expired = _forgetting(NOON + 2 * MONTH_S, action="expire", before=timestamp(NOON + MONTH_S))
    report = state.verify(expired)
    assert (report.verdict, report.payloads) == ("whole", {"expired": 4})
    too_early = _forgetting(NOON + 2 * MONTH_S, action="expire", before=timestamp(NOON - 1))
    assert state.verify(too_early).payloads == {"missing": 4}


def test_a_missing_payload_without_a_reason_is_damage(state: State) -> None:
    (segment,) = state.payloads.rglob("*.pay")
    segment.unlink()
    report = state.verify()
    assert (report.verdict, report.payloads) == ("damaged", {"missing": 4})
    assert "its payload args is missing or was changed, and no leaf says why" in report.damage[0].text


def test_a_changed_byte_of_a_payload_is_damage(state: State) -> None:
    (segment,) = state.payloads.rglob("*.pay")
    whole = segment.read_bytes()
    for offset in range(0, len(whole), 97):
        segment.write_bytes(whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :])
        report = state.verify()
        assert report.verdict == "damaged", offset
        assert report.payloads == {"present": 3, "missing": 1}


def test_what_a_crash_cut_short_is_a_finding(state: State) -> None:
    (segment,) = state.payloads.rglob("*.pay")
    segment.write_bytes(segment.read_bytes() + segment.read_bytes()[:50])
    report = state.verify()
    assert (report.verdict, report.payloads) == ("whole", {"present": 4})
    assert [finding.kind for finding in report.findings] == ["payload"]


def test_a_payload_that_was_put_under_another_class_is_missing(state: State) -> None:
    (segment,) = state.payloads.rglob("*.pay")
    other = state.payloads / "other" / segment.name
    other.parent.mkdir()
    segment.rename(other)
    report = state.verify()
    assert (report.verdict, report.payloads) == ("damaged", {"missing": 4})


def test_an_erasure_of_a_later_year_or_behind_the_part_counts(state: State) -> None:
    erased = _forgetting(NOON + 1, action="erase", subject=ALICE)
    assert state.verify(erased, part=(0, 3)).payloads == {"erased": 3, "present": 1}
    later = state.log.with_name("2027")
    write_log(later, 1, iter([erased]), origin="localhost/bank/2027", key=KEY)
    report = state.verify()
    assert (report.payloads, report.payloads_gone[0].under) == ({"erased": 3, "present": 1}, "leaf 0 of 2027")
    write_log(later, 1, iter([erased]), origin="localhost/bank/2027")
    report = state.verify()
    assert (report.payloads, [finding.kind for finding in report.findings]) == ({"present": 4}, ["chain"])


def test_what_only_looks_like_an_erasure_of_a_later_year_explains_nothing(state: State) -> None:
    erased = _forgetting(NOON + 1, action="erase", subject=ALICE)
    later = state.log.with_name("2027")
    for leaf in (b'{"a":1,"kind":"erasure"}', erased.replace(b'"v":1', b'"v":1,"w":{"kind":"intent"}'), erased[:-1]):
        write_log(later, 1, iter([leaf]), origin="localhost/bank/2027", key=KEY)
        assert state.verify().payloads == {"present": 4}


def test_pruned_leaves_are_told_with_the_leaf_that_says_so(state: State) -> None:
    state.verify()
    (state.log / "minimum-index").write_text("4\n")
    shutil.rmtree(state.log / "tile" / "entries")
    vkey = offline.read_vkey(state.log)
    (finding,) = offline.verify_log(state.log, vkey).findings
    assert (finding.kind, "no leaf that is here records it" in finding.text) == ("pruned", True)
    later, gone = state.log.with_name("2027"), {"year": 2026, "first": 0, "last": 3}
    for ranges, findings in (([{**gone, "last": 2}], ["pruned"]), ([{**gone, "year": 2025}], ["pruned"]), ([gone], [])):
        leaf = _forgetting(NOON + 1, action="expire", classes=[], ranges=ranges)
        write_log(later, 1, iter([leaf]), origin="localhost/bank/2027", key=KEY)
        report = offline.verify_log(state.log, vkey)
        assert [finding.kind for finding in report.findings] == findings
        assert report.verdict == ("unverified" if findings else "whole")
    assert (report.verdict, report.pruned_under) == ("whole", "leaf 0 of 2027")
