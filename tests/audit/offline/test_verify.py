"""Whoever holds the files and the key finds any damage, by file and index, and can prove any leaf."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log as write_large_log
from tallystick.audit import offline
from tallystick.audit.offline import verify
from tallystick.audit.tlog.cosign import SigningKey, signing_key
from tallystick.audit.tlog.merkle import leaf_hash, root
from tallystick.audit.tlog.message import COSIGNATURE, ED25519
from tallystick.audit.tlog.tiles import pack, unpack
from tallystick.terms import TallyError
from tests.audit.offline.flips import SIZE, MemoryFiles, files_of, real_leaf, write_log
from tests.audit.sample import ORIGIN, Ticking, intent, log_directory, opened_log, opened_state, outcome


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 300 leaves: bundle and tile 0 are complete, 44 leaves are in the incomplete ones."""
    return write_log(tmp_path_factory.mktemp("log"), real_leaf)


def test_a_missing_file_is_named(log: Path) -> None:
    for name in ("tile/entries/000", "tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "checkpoint"):
        moved = (log / name).rename(log / "away")
        report = offline.verify_log(log, offline.read_vkey(log))
        moved.rename(log / name)
        assert report.damage[0].file == name


def test_a_proof_convinces_with_the_key_and_the_leaf_alone(log: Path) -> None:
    vkey = offline.read_vkey(log)
    leaves = dict(offline.read_leaves(log, range(SIZE)))
    for index in (0, 1, 255, 256, SIZE - 1):
        proof = offline.prove(log, index)
        proven = offline.check_proof(proof, vkey, leaves[index])
        assert not isinstance(proven, offline.Damage)
        assert proven.size == SIZE
        assert isinstance(offline.check_proof(proof, vkey, leaves[index] + b" "), offline.Damage)
        assert isinstance(
            offline.check_proof(proof.replace(f"index {index}", "index 7"), vkey, leaves[index]), offline.Damage
        )


def test_a_proof_from_a_log_of_another_key_is_refused(log: Path, tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        opened_log(state)
    other = offline.read_vkey(log_directory(tmp_path))
    found = offline.check_proof(offline.prove(log, 0), other, intent(0))
    assert isinstance(found, offline.Untold)
    assert "this key did not sign this log" in found.text


def test_an_outcome_of_another_call_is_damage(tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        log = opened_log(state)
        log.append([intent(0), outcome(1, 0), b'{"kind": "intent"}'])
        log.publish(Ticking())
    where = log_directory(tmp_path)
    report = offline.verify_log(where, offline.read_vkey(where))
    assert [(damage.file, damage.index) for damage in report.damage] == [
        ("tile/entries/000.p/3", 1),
        ("tile/entries/000.p/3", 2),
    ]
    assert offline.verify_log(where, offline.read_vkey(where), opaque=True).ok


def test_leaves_past_the_end_are_refused_in_words(log: Path) -> None:
    with pytest.raises(offline.UnreadableError, match="no leaf 300: the log has 300 leaves"):
        list(offline.read_leaves(log, range(300, 301)))
    with pytest.raises(offline.UnreadableError, match="no leaf 300"):
        offline.prove(log, 300)


def test_a_key_that_did_not_sign_is_told_apart_from_damage(log: Path, tmp_path: Path) -> None:
    with opened_state(tmp_path) as state:
        opened_log(state)
    other = offline.read_vkey(log_directory(tmp_path))
    report = offline.verify_log(log, other)
    assert (report.verdict, report.damage) == ("unverified", ())
    assert "did not sign this log" in report.unverified[0]
    both = offline.verify_log(log, f"{other}\n{offline.read_vkey(log)}")
    assert (both.verdict, [finding.kind for finding in both.findings]) == ("whole", ["key", "key"])
    every = offline.verify_log(log, f"{offline.read_vkey(log)}\n{other}", offline.Wanted(every_key=True))
    assert every.verdict == "unverified"


def test_a_checkpoint_without_the_signature_of_its_own_key_is_damage(log: Path) -> None:
    content = files_of(log)
    unsigned = content["checkpoint"].replace("\u2014 localhost".encode(), "\u2014 elsewhere".encode())
    report = offline.verify_log(MemoryFiles(content, {"checkpoint": unsigned}), offline.read_vkey(log))
    assert [damage.file for damage in report.damage] == ["checkpoint"]


def test_a_proof_is_none_before_the_quorum_of_the_policy_has_cosigned_its_checkpoint(log: Path) -> None:
    proof, vkey = offline.prove(log, 7), offline.read_vkey(log)
    (_, leaf), key = next(offline.read_leaves(log, range(7, 8))), vkey.split("\n")[0]
    witness = signing_key(COSIGNATURE, b"a" * 32).verifier("witness.example").vkey
    wanted = {"none": offline.Checkpoint, "outside": offline.Untold}
    for quorum, told in wanted.items():
        policy = offline.parse_policy(f"log {key}\nwitness outside {witness}\nquorum {quorum}\n".encode())
        assert isinstance(offline.check_proof(proof, vkey, leaf, policy), told)


def test_a_text_without_keys_is_no_verdict_on_the_log(log: Path) -> None:
    with pytest.raises(TallyError, match="verifier key"):
        offline.verify_log(log, "# Read me\n")


def test_a_damaged_tile_above_does_not_accuse_what_lies_below(log: Path) -> None:
    content = files_of(log)
    for path, index in (("tile/1/000.p/1", 0), ("tile/0/000", 7), ("tile/0/001.p/44", 263)):
        offset = index % 256 * 32
        whole = content[path]
        changed = whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :]
        report = offline.verify_log(MemoryFiles(content, {path: changed}), offline.read_vkey(log))
        assert [(damage.file, damage.index) for damage in report.damage] == [(path, index)]
        assert report.kinds == {"intent": 145, "outcome": 145, "denial": 10}


def test_leaf_and_tile_that_were_changed_together_are_found(log: Path) -> None:
    content = files_of(log)
    leaves, _ = unpack(content["tile/entries/000"])
    leaves[8] = intent(9)
    changed = {
        "tile/entries/000": pack(leaves),
        "tile/0/000": b"".join(leaf_hash(leaf) for leaf in leaves),
    }
    report = offline.verify_log(MemoryFiles(content, changed), offline.read_vkey(log))
    assert [(damage.file, damage.index) for damage in report.damage] == [("tile/0/000", 0)]
    changed["tile/1/000.p/1"] = root([leaf_hash(leaf) for leaf in leaves])
    report = offline.verify_log(MemoryFiles(content, changed), offline.read_vkey(log))
    assert [(damage.file, damage.text) for damage in report.damage] == [
        ("checkpoint", "the tiles do not lead to its root")
    ]


@pytest.mark.parametrize(("part", "read"), [((10, 20), (10, 20)), ((290, None), (290, 300)), ((0, 999), (0, 300))])
def test_a_part_is_verified_with_the_tiles_above_it(
    log: Path, part: tuple[int, int | None], read: tuple[int, int]
) -> None:
    report = offline.verify_log(log, offline.read_vkey(log), offline.Wanted(part=part))
    assert (report.verdict, report.part, sum(report.kinds.values())) == ("whole", read, read[1] - read[0])


def test_damage_outside_of_the_part_is_not_looked_for(log: Path) -> None:
    content = files_of(log)
    changed = {"tile/entries/000": content["tile/entries/000"].replace(b"alice", b"carol", 1)}
    damaged, vkey = MemoryFiles(content, changed), offline.read_vkey(log)
    assert offline.verify_log(damaged, vkey, offline.Wanted(part=(256, None))).ok
    assert not offline.verify_log(damaged, vkey, offline.Wanted(part=(0, 10))).ok


def test_a_pruned_log_is_not_damaged_below_its_stated_minimum_and_not_whole_without_a_leaf_that_says_so(
    log: Path,
) -> None:
    content = files_of(log)
    pruned = {path: whole for path, whole in content.items() if path not in {"tile/entries/000", "tile/0/000"}}
    vkey = offline.read_vkey(log)
    assert [damage.file for damage in offline.verify_log(MemoryFiles(pruned), vkey).damage] == [
        "tile/0/000",
        "tile/entries/000",
    ]
    report = offline.verify_log(MemoryFiles({**pruned, "minimum-index": b"256\n"}), vkey)
    assert (report.verdict, report.minimum, sum(report.kinds.values())) == ("unverified", 256, 44)
    part = offline.verify_log(
        MemoryFiles({**pruned, "minimum-index": b"256\n"}), vkey, offline.Wanted(part=(256, None))
    )
    assert part.verdict == "whole"
    assert [finding.kind for finding in report.findings] == ["pruned"]
    emptied = {path: whole for path, whole in content.items() if not path.startswith("tile/entries/")}
    report = offline.verify_log(MemoryFiles({**emptied, "minimum-index": b"300\n"}), vkey)
    assert (report.verdict, report.damage) == ("unverified", ())
    # A smaller minimum excuses no bundle that holds a leaf from it on; one past the end, or no number, is damage.
    assert offline.verify_log(MemoryFiles({**pruned, "minimum-index": b"255\n"}), vkey).verdict == "damaged"
    unbundled = {path: whole for path, whole in content.items() if path != "tile/entries/000"}
    report = offline.verify_log(MemoryFiles({**unbundled, "minimum-index": b"255\n"}), vkey)
    assert [(damage.file, damage.text) for damage in report.damage] == [("tile/entries/000", "is missing")]
    for stated in (b"301\n", b"-1\n", b"256"):
        report = offline.verify_log(MemoryFiles({**content, "minimum-index": stated}), vkey)
        assert [damage.file for damage in report.damage] == ["minimum-index"]


def test_bytes_behind_the_last_leaf_are_damage(log: Path) -> None:
    content = files_of(log)
    for path, index in (("tile/entries/000", 255), ("tile/entries/001.p/44", 299)):
        damaged = MemoryFiles(content, {path: content[path] + b"\0"})
        (damage,) = offline.verify_log(damaged, offline.read_vkey(log)).damage
        assert (damage.file, damage.index, damage.text) == (path, index, "bytes follow the last leaf")


def test_a_minimum_excuses_no_tile_above_a_leaf_that_must_be_there(log: Path) -> None:
    content = {path: whole for path, whole in files_of(log).items() if path != "tile/0/000"}
    report = offline.verify_log(MemoryFiles({**content, "minimum-index": b"255\n"}), offline.read_vkey(log))
    assert [damage.file for damage in report.damage] == ["tile/0/000"]


def test_a_checkpoint_of_another_log_under_the_key_s_name_is_damage(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    vkey = write_large_log(tmp_path, 3, iter([b"a", b"b", b"c"]), key=key)
    body = (tmp_path / "checkpoint").read_text().partition("\n\n")[0].replace("bank", "other") + "\n"
    line = SigningKey(ED25519, key).sign(ORIGIN, body, 0)
    (tmp_path / "checkpoint").write_text(f"{body}\n{line}\n")
    (damage,) = offline.verify_log(tmp_path, vkey, opaque=True).damage
    assert (damage.file, "another log" in damage.text) == ("checkpoint", True)


def test_tiles_of_higher_levels_are_told_apart_from_what_lies_below_them(tmp_path: Path) -> None:
    leaves = [b"%d" % number for number in range(65_536 + 300)]
    vkey = write_large_log(tmp_path, len(leaves), iter(leaves))
    content = files_of(tmp_path)

    def damage(*places: tuple[str, int]) -> list[tuple[str, int | None]]:
        changed: dict[str, bytes] = {}
        for path, offset in places:
            whole = content[path]
            changed[path] = whole[:offset] + bytes([whole[offset] ^ 1]) + whole[offset + 1 :]
        report = offline.verify_log(MemoryFiles(content, changed), vkey, opaque=True)
        return [(damage.file, damage.index) for damage in report.damage]

    assert damage() == []
    above, lower, bundle = ("tile/1/000", 5 * 32), ("tile/0/007", 9 * 32), ("tile/entries/007", 3)
    assert damage(above) == [("tile/1/000", 5 * 256)]
    assert damage(lower) == [("tile/0/007", 7 * 256 + 9)]
    assert damage(above, bundle) == [("tile/1/000", 5 * 256), ("tile/entries/007", 7 * 256)]
    # Nobody knows what was there: the tile above is to blame, and so is the one that differs from its leaves.
    assert damage(above, lower) == [("tile/1/000", 5 * 256), ("tile/0/007", 7 * 256 + 9)]
    assert damage(("tile/2/000.p/1", 0), above) == [("tile/2/000.p/1", 0), ("tile/1/000", 5 * 256)]


def test_processes_find_what_one_process_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leaves = [b"%d" % number for number in range(1000)]
    vkey = write_large_log(tmp_path, len(leaves), iter(leaves))
    bundle = tmp_path / "tile/entries/001"
    bundle.write_bytes(bundle.read_bytes().replace(b"301", b"309"))
    (tmp_path / "tile/0/002").unlink()
    told: list[int] = []
    alone = offline.verify_log(tmp_path, vkey, opaque=True, progress=told.append)
    monkeypatch.setattr(verify, "ALONE", 0)
    several = offline.verify_log(tmp_path, vkey, offline.Wanted(processes=2), opaque=True)
    assert alone == several
    assert [(damage.file, damage.index) for damage in alone.damage] == [("tile/entries/001", 301), ("tile/0/002", 512)]
    assert sum(told) == len(leaves)
