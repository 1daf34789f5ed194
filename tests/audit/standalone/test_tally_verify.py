"""The verifier that is one file says what `tally audit verify` says, with nothing but Python and `cryptography`."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cryptography
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log as write_large_log
from tallystick.audit import offline
from tallystick.audit.tlog.cosign import SigningKey, signing_key
from tallystick.audit.tlog.message import COSIGNATURE, ED25519, ML_DSA_44
from tallystick.audit.tlog.note import Checkpoint, read_note, sign_checkpoint, verifier_of, with_signatures
from tests.audit.offline.flips import expected_index, files_of, flips, real_leaf, write_log
from tests.audit.sample import NOON, ORIGIN, denial, intent, outcome

DRIVER = Path(__file__).with_name("driver.py")
CODES = {"whole": 0, "damaged": 1, "unverified": 3}
OWN = {"cffi", "cryptography", "pycparser", "tally_verify"}


class Ran(NamedTuple):
    """What the verifier said in each case, and which modules it had imported."""

    told: list[tuple[int, str]]
    modules: list[str]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder from which only `cryptography` and what it needs can be imported."""
    folder, packages = tmp_path_factory.mktemp("library"), Path(cryptography.__file__).parent.parent
    for path in packages.iterdir():
        if re.match(r"cryptography$|cffi$|pycparser$|_cffi_backend", path.name):
            (folder / path.name).symlink_to(path)
    return folder


def _run(library: Path, cases: list[list[str]], *old: str) -> Ran:
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(DRIVER), str(library), str(offline.VERIFIER), *old],
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return msgspec.json.decode(done.stdout, type=Ran)


def _places(said: str) -> set[tuple[str, int | None]]:
    """(file, index) of each line of damage."""
    found = re.findall(r"^DAMAGED: (\S+?)(?:, leaf (\d+))?: ", said, re.MULTILINE)
    return {(file, int(index) if index else None) for file, index in found}


class Case(NamedTuple):
    """A changed copy of a log, and what it is verified with."""

    log: Path
    keys: Path
    report: offline.Report
    more: tuple[str, ...] = ()


class Cases:
    """Copies of a log, each changed in its own way."""

    def __init__(self, folder: Path, log: Path) -> None:
        self._folder = folder
        self._log = log
        self.cases: list[Case] = []

    def add(self, change: Callable[[Path], object], keys: str | None = None, **others: Path) -> None:
        """One more copy; `older` and `policy` are files."""
        copy = self._folder / str(len(self.cases))
        shutil.copytree(self._log, copy, ignore=shutil.ignore_patterns("journal"))
        for path in copy.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        change(copy)
        trusted = self._folder / f"{len(self.cases)}.keys"
        trusted.write_text(keys or (self._log / "vkey").read_text())
        wanted = offline.Wanted(
            others=(others["older"].read_text(),) if "older" in others else (),
            policy=offline.parse_policy(others["policy"].read_bytes()) if "policy" in others else None,
        )
        more = [part for name, path in others.items() for part in (f"--{name}", str(path))]
        self.cases.append(Case(copy, trusted, offline.verify_log(copy, trusted.read_text(), wanted), tuple(more)))

    def compare(self, library: Path) -> None:
        """Both verifiers must come to the same verdict, file and index, in every case."""
        ran = _run(library, [["--keys", str(case.keys), *case.more, str(case.log)] for case in self.cases])
        for case, (code, said) in zip(self.cases, ran.told, strict=True):
            assert code == CODES[case.report.verdict], (case.log, said, case.report)
            expected = {(damage.file, damage.index) for damage in case.report.damage}
            assert _places(said) == expected, (case.log, said, case.report)
        strangers = {name for name in ran.modules if name not in sys.stdlib_module_names and not name.startswith("_")}
        assert strangers <= OWN


def _nothing(_: Path) -> None:
    pass


def _remove(*names: str) -> Callable[[Path], object]:
    return lambda log: [(log / name).unlink() for name in names]


def _replace(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda log: (log / name).write_bytes((log / name).read_bytes().replace(old, new, 1))


def _pruned(stated: bytes) -> Callable[[Path], object]:
    return lambda log: (shutil.rmtree(log / "tile/entries"), _write("minimum-index", stated)(log))


def _write(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda log: (log / name).write_bytes(content)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 300 real leaves that our own writer wrote in two steps."""
    return write_log(tmp_path_factory.mktemp("log"), real_leaf)


def test_both_verifiers_agree_on_missing_and_changed_files(log: Path, library: Path, tmp_path: Path) -> None:
    other = verifier_of(ORIGIN, Ed25519PrivateKey.generate()).vkey + "\n"
    cases = Cases(tmp_path, log)
    cases.add(_nothing)
    cases.add(_nothing, keys=other)
    cases.add(_nothing, keys=other + (log / "vkey").read_text())
    for name in ("checkpoint", "vkey", "tile/0/000", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"):
        cases.add(_remove(name))
    cases.add(_remove("tile/0/000", "tile/entries/000"))
    cases.add(_remove("tile/0/001.p/44", "tile/entries/001.p/44", "tile/1/000.p/1"))
    cases.add(_write("tile/0/000", b""))
    cases.add(_write("vkey", other.encode()))
    cases.add(_replace("tile/entries/000", b"alice", b"carol"))
    cases.add(_replace("checkpoint", b"300", b"299"))
    cases.add(_replace("checkpoint", "\u2014 localhost".encode(), "\u2014 elsewhere".encode()))
    for stated in (b"256\n", b"12", b"301\n"):
        cases.add(_write("minimum-index", stated))
    for stated in (b"299\n", b"300\n"):
        cases.add(_pruned(stated))
    cases.compare(library)


def test_both_verifiers_agree_on_flipped_bytes(log: Path, library: Path, tmp_path: Path) -> None:
    content = files_of(log)
    cases = Cases(tmp_path, log)
    chosen = [
        one
        for path, whole in content.items()
        for one in islice(flips({path: whole}, lambda whole: max(1, len(whole) // 5 - 1)), 6)
    ]
    for path, _, changed in chosen:
        cases.add(_write(path, changed))
    named = [[(damage.file, damage.index) for damage in case.report.damage[:1]] for case in cases.cases]
    assert named == [[(path, expected_index(content, path, offset))] for path, offset, _ in chosen]
    cases.compare(library)


def test_both_verifiers_agree_on_leaves_that_were_signed_and_are_wrong(library: Path, tmp_path: Path) -> None:
    wrong = [
        [intent(0), outcome(1, 0)],
        [outcome(0, 0), intent(0)],
        [intent(0), outcome(0, 0), outcome(0, 0)],
        [b'{"kind": "intent"}'],
        [b"{}", b"[]", b"no JSON", b"\xff"],
        [denial(0).replace(b'"denial"', b'"denied"')],
        [denial(0).replace(b'"v":1', b'"v":2'), denial(1)],
        [denial(0) + b" "],
    ]
    cases = Cases(tmp_path / "cases", tmp_path / "none")
    for number, leaves in enumerate(wrong):
        at = tmp_path / str(number)
        vkey = write_large_log(at, len(leaves), iter(leaves))
        cases.cases.append(Case(at, at / "vkey", offline.verify_log(at, vkey)))
        assert cases.cases[-1].report.verdict == "damaged"
    cases.compare(library)


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_both_verifiers_agree_on_every_size(size: int, library: Path, tmp_path: Path) -> None:
    at = tmp_path / "log"
    write_large_log(at, size, (denial(number) for number in range(size)))
    cases = Cases(tmp_path / "cases", at)
    cases.add(_nothing)
    cases.compare(library)


def test_both_verifiers_agree_on_what_others_have_kept(library: Path, tmp_path: Path) -> None:
    key, at = Ed25519PrivateKey.generate(), tmp_path / "log"
    write_large_log(at, 300, (denial(number) for number in range(300)), key=key)
    cases = Cases(tmp_path / "cases", at)
    for name, size, first in (("older", 200, 0), ("rewritten", 200, 1), ("newer", 301, 0)):
        write_large_log(tmp_path / name, size, (denial(number) for number in range(first, first + size)), key=key)
        cases.add(_nothing, older=tmp_path / name / "checkpoint")
    witnesses = {"a.example": signing_key(COSIGNATURE, b"a" * 32), "b.example": signing_key(ML_DSA_44, b"b" * 32)}
    lines = [f"witness {name} {key.verifier(name).vkey}" for name, key in witnesses.items()]
    policy = tmp_path / "policy"
    policy.write_text("\n".join([*lines, "group both all a.example b.example", "quorum both", ""]))
    text = (at / "checkpoint").read_text()
    signed = [key.sign(name, read_note(text).body, NOON) for name, key in witnesses.items()]
    cases.add(_write("checkpoint", with_signatures(text, signed).encode()), policy=policy)
    cases.add(_write("checkpoint", with_signatures(text, signed[:1]).encode()), policy=policy)
    cases.add(_nothing, policy=policy)
    other = (tmp_path / "older" / "checkpoint").read_text()
    forged = [one.sign(name, read_note(other).body, NOON) for name, one in witnesses.items()]
    cases.add(_write("checkpoint", with_signatures(text, forged).encode()), policy=policy)
    cases.add(_replace("tile/entries/000", b"denial", b"denied"), policy=policy)
    body = read_note(text).body.replace("bank", "other")
    line = SigningKey(ED25519, key).sign(ORIGIN, body, NOON)
    cases.add(_write("checkpoint", f"{body}\n{line}\n".encode()))
    assert [case.report.verdict for case in cases.cases] == [
        "whole",
        "damaged",
        "damaged",
        "whole",
        "unverified",
        "unverified",
        "damaged",
        "damaged",
        "damaged",
    ]
    cases.compare(library)


def test_a_proof_and_a_receipt_are_checked_with_the_key_alone(log: Path, library: Path, tmp_path: Path) -> None:
    keys, proof, leaf, receipt = log / "vkey", tmp_path / "proof", tmp_path / "leaf", tmp_path / "receipt"
    other, forged, broken, renamed = (tmp_path / name for name in ("other", "forged", "broken", "renamed"))
    leaves = dict(offline.read_leaves(log, range(300)))
    proof.write_text(offline.prove(log, 7))
    leaf.write_bytes(leaves[7])
    receipt.write_text(json.dumps({"leaf": leaves[7].decode(), "index": 7, "proof": proof.read_text()}))
    forged.write_text(receipt.read_text().replace("success", "timeout"))
    renamed.write_text(keys.read_text().replace("bank", "bonk", 1))
    broken.write_text('{"leaf": 1}')
    other.write_text(verifier_of(ORIGIN, Ed25519PrivateKey.generate()).vkey)
    ran = _run(
        library,
        [
            ["--keys", str(keys), "--proof", str(proof), str(leaf)],
            ["--keys", str(keys), "--receipt", str(receipt)],
            ["--keys", str(keys), "--receipt", str(forged)],
            ["--keys", str(keys), "--receipt", str(broken)],
            ["--keys", str(other), "--receipt", str(receipt)],
            ["--keys", str(keys)],
            ["--keys", str(proof), str(log)],
            ["--keys", str(renamed), str(log)],
            ["--keys", str(keys), "--policy", str(broken), str(log)],
            ["--keys", str(keys), "--policy", str(tmp_path / "nowhere"), str(log)],
        ],
    )
    assert [code for code, _ in ran.told] == [0, 0, 1, 1, 3, 2, 2, 2, 3, 2]
    assert ran.told[0][1] == ran.told[1][1] == f"proven: leaf 7 of {ORIGIN}, a log of 300 leaves\n"


def test_an_older_library_verifies_the_signatures_that_it_knows(log: Path, library: Path, tmp_path: Path) -> None:
    both, only = log / "vkey", tmp_path / "only"
    only.write_text(both.read_text().splitlines()[1])
    told = _run(library, [["--keys", str(both), str(log)], ["--keys", str(only), str(log)]], "old").told
    assert [code for code, _ in told] == [0, 3]
    assert [code for code, _ in _run(library, [["--keys", str(only), str(log)]]).told] == [0]


def test_a_signed_root_that_no_tile_leads_to_is_the_checkpoint_s_damage(library: Path, tmp_path: Path) -> None:
    key, at = Ed25519PrivateKey.generate(), tmp_path / "log"
    write_large_log(at, 300, (denial(number) for number in range(300)), key=key)
    cases = Cases(tmp_path / "cases", at)
    cases.add(_write("checkpoint", sign_checkpoint(Checkpoint(ORIGIN, 300, bytes(32)), key).encode()))
    assert [damage.file for damage in cases.cases[0].report.damage] == ["checkpoint"]
    cases.compare(library)
