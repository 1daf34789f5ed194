"""`tally audit` as a person or a script meets it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log
from tallystick.audit import offline
from tallystick.audit.tlog.cosign import signing_key
from tallystick.audit.tlog.message import COSIGNATURE
from tallystick.audit.tlog.note import read_note, verifier_of, with_signatures
from tallystick.cli.main import tally
from tests.audit.sample import NOON, ORIGIN, Ticking, denial, intent, log_directory, opened_log, opened_state, outcome


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


def _other_key(folder: Path) -> Path:
    file = folder / "other.vkey"
    file.write_text(verifier_of(ORIGIN, Ed25519PrivateKey.generate()).vkey)
    return file


def test_tail_prints_a_table_and_json(log: Path) -> None:
    table = _run("tail", log, "-n", "2")
    assert table.exit_code == 0
    assert [line.split()[0] for line in table.output.splitlines()] == ["INDEX", "1", "2"]
    rows = [json.loads(line) for line in _run("tail", log, "--json").output.splitlines()]
    assert [(row["index"], row["kind"]) for row in rows] == [(0, "intent"), (1, "outcome"), (2, "denial")]
    assert "tools/call" in _run("tail", log).output


def test_show_prints_one_leaf(log: Path) -> None:
    assert json.loads(_run("show", "0", log).output)["caller"]["subject"] == "alice@bank.example"
    assert _run("show", "0", log, "--raw").output.encode() == intent(0)


def test_a_proof_is_written_and_checked_without_the_log(log: Path, tmp_path: Path) -> None:
    proof, leaf = tmp_path / "proof", tmp_path / "leaf"
    assert _run("proof", "2", log, "-o", proof).exit_code == 0
    leaf.write_bytes(denial(1))
    checked = _run("verify", "--proof", proof, "--leaf", leaf, "--vkey", log / "vkey")
    assert (checked.exit_code, "Proven" in checked.output) == (0, True)
    unknown = _run("verify", "--proof", proof, "--leaf", leaf, "--vkey", _other_key(tmp_path))
    assert (unknown.exit_code, "this key did not sign this log" in unknown.output) == (3, True)
    leaf.write_bytes(denial(2))
    refused = _run("verify", "--proof", proof, "--leaf", leaf, "--vkey", log / "vkey")
    assert (refused.exit_code, "NOT PROVEN" in refused.output) == (1, True)
    assert _run("verify", "--proof", proof).exit_code == 2


def test_a_receipt_is_checked_alone_or_within_its_reply(log: Path, tmp_path: Path) -> None:
    receipt = {"leaf": outcome(0, 0).decode(), "index": 1, "proof": offline.prove(log, 1)}
    reply: dict[str, object] = {"result": {"content": [], "_meta": {"tallystick.dev/receipt": receipt}}}
    forged: dict[str, object] = {**receipt, "leaf": outcome(1, 0).decode()}
    cases: list[tuple[dict[str, object], int]] = [({**receipt}, 0), (reply, 0), (forged, 1), ({"leaf": 1}, 1)]
    for number, (content, code) in enumerate(cases):
        file = tmp_path / f"{number}.json"
        file.write_text(json.dumps(content))
        assert _run("verify", "--receipt", file, "--vkey", log / "vkey").exit_code == code
    assert _run("verify", "--receipt", tmp_path / "0.json").exit_code == 2


def test_verify_tells_a_sound_log_from_a_damaged_one(log: Path) -> None:
    assert _run("verify", log, "--vkey", log / "vkey").exit_code == 0
    bundle = log / "tile" / "entries" / "000.p" / "3"
    bundle.chmod(0o644)
    bundle.write_bytes(bundle.read_bytes().replace(b"alice", b"carol"))
    damaged = _run("verify", log)
    assert (damaged.exit_code, "tile/entries/000.p/3, leaf 0" in damaged.output) == (1, True)
    report = json.loads(_run("verify", log, "--json").output)
    assert (report["ok"], report["verdict"], report["damage"][0]["index"]) == (False, "damaged", 0)


def test_a_damaged_key_or_checkpoint_is_told_as_damage(log: Path) -> None:
    for name in ("checkpoint", "vkey"):
        whole = (log / name).read_bytes()
        (log / name).write_bytes(b"no" + whole)
        damaged = _run("verify", log)
        assert (damaged.exit_code, f"  {name}: " in damaged.output) == (1, True)
        (log / name).write_bytes(whole)


def test_a_key_that_did_not_sign_is_no_damage(log: Path, tmp_path: Path) -> None:
    told = _run("verify", log, "--vkey", _other_key(tmp_path))
    assert (told.exit_code, "NOT VERIFIED: this key did not sign this log" in told.output) == (3, True)
    assert "DAMAGED" not in told.output


def test_what_is_no_key_policy_range_or_log_is_a_usage_error(log: Path, tmp_path: Path) -> None:
    nonsense = tmp_path / "readme"
    nonsense.write_text("# Read me\n")
    for arguments in (
        ("--vkey", nonsense),
        ("--policy", nonsense),
        ("--range", "4"),
        ("--range", "a:b"),
        ("--range", "1:2", "--since", "1"),
        ("--since", "yesterday"),
    ):
        assert _run("verify", log, *arguments).exit_code == 2, arguments
    assert _run("verify", tmp_path / "nowhere").exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "read"),
    [
        (("--range", "1:2"), [1, 2]),
        (("--range", ":2"), [0, 2]),
        (("--since", "2"), [2, 3]),
        (("--since", "2026-05-28T20:26:40"), [0, 3]),
        (("--since", "2027"), [3, 3]),
    ],
)
def test_a_part_of_a_log_is_verified(log: Path, arguments: tuple[str, ...], read: list[int]) -> None:
    report = json.loads(_run("verify", log, "--json", *arguments).output)
    assert (report["verdict"], report["part"]) == ("whole", read)


def test_a_log_that_does_not_continue_an_older_checkpoint_is_damaged(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    for name, size, first in (("kept", 5, 0), ("log", 9, 0), ("rewritten", 9, 1)):
        write_log(tmp_path / name, size, (denial(number) for number in range(first, first + size)), key=key)
    kept = tmp_path / "kept" / "checkpoint"
    sound = _run("verify", tmp_path / "log", "--since", kept)
    assert (sound.exit_code, "of which 5 to 8 were read" in sound.output) == (0, True)
    rewritten = _run("verify", tmp_path / "rewritten", "--since", kept)
    assert (rewritten.exit_code, "the log was rewritten" in rewritten.output) == (1, True)


def test_a_policy_asks_for_the_cosignatures_of_witnesses(tmp_path: Path) -> None:
    vkey = write_log(tmp_path / "log", 3, (denial(number) for number in range(3)))
    witness, seen, policy = signing_key(COSIGNATURE, b"w" * 32), tmp_path / "seen", tmp_path / "policy"
    policy.write_text(f"log {vkey}witness w {witness.verifier('w.example').vkey}\nquorum w\n")
    missing = _run("verify", tmp_path / "log", "--policy", policy)
    assert (missing.exit_code, "the quorum w is not reached: cosigned by nobody" in missing.output) == (3, True)
    text = (tmp_path / "log" / "checkpoint").read_text()
    seen.write_text(with_signatures(text, [witness.sign("w.example", read_note(text).body, NOON)]))
    reached = _run("verify", tmp_path / "log", "--policy", policy, "--witness", seen)
    assert (reached.exit_code, "has cosigned the first 3 leaves" in reached.output) == (0, True)
    # The policy names the log's key: it did not come from beside the log.
    assert "--vkey with a key that you trust" not in reached.output
    silent = _run("verify", tmp_path / "log", "--policy", policy, "--witness", "http://127.0.0.1:9")
    assert (silent.exit_code, "shows no checkpoint" in silent.output) == (3, True)


def test_findings_fail_only_if_they_shall(tmp_path: Path) -> None:
    leaves = [denial(0), denial(1).replace(b"2026-05-28T20", b"2026-05-28T19")]
    write_log(tmp_path, 2, iter(leaves))
    lenient, strict = _run("verify", tmp_path), _run("verify", tmp_path, "--strict")
    assert (lenient.exit_code, "clock, leaf 1" in lenient.output, strict.exit_code) == (0, True, 1)


def test_the_verifier_in_one_file_is_printed() -> None:
    printed = _run("verifier")
    assert (printed.exit_code, printed.output) == (0, offline.VERIFIER.read_text())


def test_the_only_log_is_found_and_two_are_listed(log: Path, tmp_path: Path) -> None:
    assert _run("verify", state=tmp_path).exit_code == 0
    other = log.parent.parent / "other" / "2026"
    other.mkdir(parents=True)
    (other / "checkpoint").touch()
    several = _run("verify", state=tmp_path)
    assert (several.exit_code, "there are 2 logs" in several.output) == (2, True)
    assert _run("verify", state=tmp_path / "nowhere").exit_code == 2
