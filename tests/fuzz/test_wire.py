"""The seeds of the fuzz corpus replayed without a fuzzer; with one, and ten minutes, in the live lane."""

import json
import subprocess
from pathlib import Path

import pytest

from fuzz.judge import CHECKS, FindingError, same

ROOT = Path(__file__).resolve().parent.parent.parent
SEEDS = [(check, seed) for check in CHECKS for seed in sorted((ROOT / "fuzz/corpus" / check).iterdir())]


@pytest.mark.parametrize(("check", "seed"), SEEDS, ids=[f"{check}-{seed.name}" for check, seed in SEEDS])
def test_a_seed_crashes_nothing_and_has_one_reading(check: str, seed: Path) -> None:
    text = seed.read_bytes()
    CHECKS[check](text)
    # Cut and doubled seeds are what a fuzzer tries first; no luck is needed to try them here.
    for cut in range(0, len(text), max(1, len(text) // 40)):
        CHECKS[check](text[:cut])
        CHECKS[check](text[:cut] + text)
        CHECKS[check](text[:cut] + text[cut + 1 :])


def test_the_checks_would_see_a_difference() -> None:
    assert not same({"a": [1, True]}, {"a": [1, 1]})
    assert not same(2**53 - 1, float(2**53 - 1))
    assert same(2**70, float(2**70))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fuzz.judge.READERS", [json.loads, _read_wrongly])
        with pytest.raises(FindingError, match="two readers read two values"):
            CHECKS["request"](b'{"jsonrpc":"2.0","id":1,"method":"ping"}')


def _read_wrongly(text: bytes) -> object:
    return json.loads(text.replace(b'"id":1', b'"id":2'))


@pytest.mark.live
def test_ten_minutes_of_fuzzing_find_nothing() -> None:
    done = subprocess.run([ROOT / "scripts/fuzz"], cwd=ROOT, capture_output=True, text=True, check=False)
    if "SKIPPED LANE" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stderr[-4000:]
