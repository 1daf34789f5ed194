"""A log is held against what others have kept of it: older checkpoints, and those that witnesses have cosigned."""

from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.verification import write_log
from tallystick.audit import offline
from tallystick.audit.tlog.cosign import SigningKey, signing_key
from tallystick.audit.tlog.message import COSIGNATURE, ML_DSA_44
from tallystick.audit.tlog.note import read_note, with_signatures
from tests.audit.sample import NOON, ORIGIN, denial
from tests.audit.witness.servers import running

KEY = Ed25519PrivateKey.generate()
WITNESSES = {"alpha": signing_key(COSIGNATURE, b"a" * 32), "beta": signing_key(ML_DSA_44, b"b" * 32)}
NAMES = {name: f"{name}.example" for name in WITNESSES}


def _log(directory: Path, size: int, first: int = 0) -> tuple[str, str]:
    """Key and signed checkpoint of a log of denials."""
    vkey = write_log(directory, size, (denial(number) for number in range(first, first + size)), key=KEY)
    return vkey, (directory / "checkpoint").read_text()


def _cosigned(text: str, *names: str, by: dict[str, SigningKey] = WITNESSES) -> str:
    body = read_note(text).body
    return with_signatures(text, [by[name].sign(NAMES[name], body, NOON) for name in names])


def _policy(quorum: str) -> offline.Policy:
    lines = [f"witness {name} {key.verifier(NAMES[name]).vkey}" for name, key in WITNESSES.items()]
    return offline.parse_policy("\n".join([*lines, "group both all alpha beta", f"quorum {quorum}", ""]).encode())


@pytest.mark.parametrize("sizes", [(1, 300), (256, 300), (299, 300), (300, 300), (0, 300)])
def test_a_log_that_continues_an_older_checkpoint_is_whole(tmp_path: Path, sizes: tuple[int, int]) -> None:
    _, older = _log(tmp_path / "older", sizes[0])
    vkey, _ = _log(tmp_path / "log", sizes[1])
    report = offline.verify_log(tmp_path / "log", vkey, offline.Wanted(others=(older,)))
    assert (report.verdict, report.unverified) == ("whole", ())


def test_a_log_that_was_rewritten_with_its_own_key_does_not_continue_it(tmp_path: Path) -> None:
    _, older = _log(tmp_path / "older", 200)
    vkey, _ = _log(tmp_path / "log", 300, first=1)
    (damage,) = offline.verify_log(tmp_path / "log", vkey, offline.Wanted(others=(older,))).damage
    assert "the log was rewritten" in damage.text


def test_a_log_that_was_cut_off_or_rolled_back_is_damaged(tmp_path: Path) -> None:
    _, newer = _log(tmp_path / "newer", 300)
    vkey, _ = _log(tmp_path / "log", 280)
    (damage,) = offline.verify_log(tmp_path / "log", vkey, offline.Wanted(others=(newer,))).damage
    assert (damage.file, damage.index, "has seen 300 leaves" in damage.text) == ("checkpoint", 280, True)


def test_what_another_key_signed_proves_nothing(tmp_path: Path) -> None:
    write_log(tmp_path / "other", 5, (denial(number) for number in range(5)))
    vkey, _ = _log(tmp_path / "log", 10)
    wanted = offline.Wanted(others=((tmp_path / "other" / "checkpoint").read_text(),))
    report = offline.verify_log(tmp_path / "log", vkey, wanted)
    assert (report.verdict, "not signed by" in report.unverified[0]) == ("unverified", True)


def test_a_quorum_on_the_checkpoint_covers_the_log(tmp_path: Path) -> None:
    vkey, text = _log(tmp_path, 10)
    (tmp_path / "checkpoint").write_text(_cosigned(text, "alpha", "beta"))
    report = offline.verify_log(tmp_path, vkey, offline.Wanted(policy=_policy("both")))
    assert (report.verdict, report.cosigned, report.findings) == ("whole", 10, ())


def test_a_missing_quorum_is_not_verified_and_not_damaged(tmp_path: Path) -> None:
    vkey, text = _log(tmp_path, 10)
    (tmp_path / "checkpoint").write_text(_cosigned(text, "alpha"))
    report = offline.verify_log(tmp_path, vkey, offline.Wanted(policy=_policy("both")))
    assert (report.verdict, report.damage) == ("unverified", ())
    assert report.unverified == ("the quorum both is not reached: cosigned by alpha",)
    assert offline.verify_log(tmp_path, vkey, offline.Wanted(policy=_policy("alpha"))).ok
    assert offline.verify_log(tmp_path, vkey, offline.Wanted(policy=_policy("none"))).ok


def test_a_quorum_that_lags_behind_covers_what_all_of_it_has_seen(tmp_path: Path) -> None:
    seen: dict[str, str] = {}
    for name, size in (("alpha", 200), ("beta", 100)):
        seen[name] = _cosigned(_log(tmp_path / name, size)[1], name)
    vkey, _ = _log(tmp_path / "log", 300)
    report = offline.verify_log(
        tmp_path / "log", vkey, offline.Wanted(others=tuple(seen.values()), policy=_policy("both"))
    )
    assert (report.verdict, report.cosigned) == ("whole", 100)
    assert ("witness", 100) in [(finding.kind, finding.index) for finding in report.findings]


def test_the_last_cosigned_checkpoint_counts_while_the_newest_waits(tmp_path: Path) -> None:
    cosigned = _cosigned(_log(tmp_path / "before", 100)[1], "alpha")
    vkey, _ = _log(tmp_path / "log", 300)
    (tmp_path / "log" / "cosigned").write_text(cosigned)
    report = offline.verify_log(tmp_path / "log", vkey, offline.Wanted(policy=_policy("alpha")))
    assert (report.verdict, report.cosigned) == ("whole", 100)
    assert offline.verify_log(tmp_path / "log", vkey).ok
    (tmp_path / "log" / "cosigned").write_text(cosigned.replace("100", "101", 1))
    assert [damage.file for damage in offline.verify_log(tmp_path / "log", vkey).damage] == ["cosigned"]
    rewritten = _cosigned(_log(tmp_path / "other", 100, first=1)[1], "alpha")
    (tmp_path / "log" / "cosigned").write_text(rewritten)
    assert [damage.file for damage in offline.verify_log(tmp_path / "log", vkey).damage] == ["checkpoint"]


def test_a_witness_that_was_shown_another_history_is_named(tmp_path: Path) -> None:
    seen = _cosigned(_log(tmp_path / "shown", 200, first=1)[1], "beta")
    vkey, _ = _log(tmp_path / "log", 300)
    report = offline.verify_log(tmp_path / "log", vkey, offline.Wanted(others=(seen,), policy=_policy("beta")))
    assert report.verdict == "damaged"
    assert report.damage[0].text.startswith("beta: the first 200 leaves are others than it has seen")


def test_a_forged_cosignature_is_damage(tmp_path: Path) -> None:
    vkey, text = _log(tmp_path, 10)
    other = _cosigned(_log(tmp_path / "other", 11)[1], "alpha")
    (tmp_path / "checkpoint").write_text(with_signatures(text, [read_note(other).signatures[1].line]))
    report = offline.verify_log(tmp_path, vkey, offline.Wanted(policy=_policy("alpha")))
    assert (report.verdict, report.damage[0].file) == ("damaged", "checkpoint")
    assert "does not fit" in report.damage[0].text


def test_a_witness_tells_what_it_has_seen_under_its_monitoring_url(tmp_path: Path) -> None:
    """A real witness, over a real socket, that has cosigned a log which is then rewritten."""
    vkey, text = _log(tmp_path / "log", 10)
    with running(tmp_path / "w", vkey) as witness:
        with pytest.raises(offline.UnreadableError, match="shows no checkpoint of localhost/bank/2026"):
            offline.ask_witness(witness.server.url, ORIGIN)
        request = Request(f"{witness.server.url}/add-checkpoint", data=f"old 0\n\n{text}".encode())  # noqa: S310 - our own server
        with urlopen(request) as answer:  # noqa: S310 - our own server
            assert answer.status == 200
        seen = offline.ask_witness(f"{witness.server.url}/", ORIGIN)
        policy = offline.parse_policy(f"{witness.lines('w')}quorum w\n".encode())
    wanted = offline.Wanted(others=(seen,), policy=policy)
    assert offline.verify_log(tmp_path / "log", vkey, wanted).cosigned == 10
    _log(tmp_path / "log", 10, first=1)
    (damage,) = offline.verify_log(tmp_path / "log", vkey, wanted).damage
    assert "the first 10 leaves are others than it has seen" in damage.text
