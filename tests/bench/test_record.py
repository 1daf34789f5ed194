"""The bench of the record measures what it says, on a real writer."""

from pathlib import Path

from bench.record import measure_record, table


def test_the_record_is_measured_at_every_width_with_and_without_payloads(tmp_path: Path) -> None:
    rows = measure_record(tmp_path, "embedded", 0.04)
    assert [(row.width, row.payload) for row in rows] == [(1, 0), (16, 0), (64, 0), (1, 1024), (16, 1024), (64, 1024)]
    assert all(row.per_s > 0 and 0 < row.p50 <= row.p99 for row in rows)
    assert table(rows).count("\n") == len(rows) + 1
