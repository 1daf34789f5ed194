"""The bench of the record measures what it says, on a real writer."""

from pathlib import Path

from bench.record import LOADS, measure_record, table


def test_the_record_is_measured_under_load_with_payloads(tmp_path: Path) -> None:
    assert {(1, 0), (16, 0), (64, 0), (1, 1024), (16, 1024), (64, 1024)} == {*LOADS}
    (row,) = measure_record(tmp_path, "embedded", 0.05, [(16, 1024)])
    assert (row.width, row.payload) == (16, 1024)
    assert row.per_s > 0
    assert 0 < row.p50 <= row.p99
    assert table([row]).count("\n") == 2
