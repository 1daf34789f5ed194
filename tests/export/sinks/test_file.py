"""JSON lines in a file: whole lines, in order, whatever happened before."""

from errno import EIO
from pathlib import Path

import pytest

from tallystick.export.model import Event, Unavailable
from tallystick.export.settings import FileOptions
from tallystick.export.sinks.file import FileSink
from tests.export.kept import indices_of
from tests.export.sinks.sent import events, format_for


def options(path: Path, most: int = 1 << 30, keep: int = 0) -> FileOptions:
    """Settings for a file."""
    return FileOptions(str(path), most, keep)


def lines(numbers: range) -> list[Event]:
    """Events that hold the leaf."""
    return events(format_for("file", options(Path("x")), "leaf"), numbers)


def test_lines_are_appended_in_order(tmp_path: Path) -> None:
    path = tmp_path / "new" / "events.jsonl"
    sink = FileSink(options(path))
    sink.deliver(lines(range(5)))
    sink.deliver(lines(range(5, 8)))
    sink.close()
    again = FileSink(options(path))
    again.deliver(lines(range(8, 9)))
    again.close()
    assert indices_of(path.read_bytes()) == list(range(9))
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_that_the_disk_has_not_taken_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(EIO, "the disk is broken")

    sink = FileSink(options(tmp_path / "events.jsonl"))
    monkeypatch.setattr("os.fdatasync", broken)
    with pytest.raises(Unavailable, match="cannot be written"):
        sink.deliver(lines(range(1)))


@pytest.mark.parametrize("torn", [b"{", b'{"origin":"localhost/bank/2026","index":7,' + b"x" * 200_000])
def test_a_line_that_a_crash_cut_off_is_cut_away(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "events.jsonl"
    sink = FileSink(options(path))
    sink.deliver(lines(range(3)))
    sink.close()
    with path.open("ab") as file:
        file.write(torn)
    again = FileSink(options(path))
    again.deliver(lines(range(3, 5)))
    again.close()
    assert indices_of(path.read_bytes()) == list(range(5))


def test_a_full_file_is_turned_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    (first, *_) = lines(range(1))
    sink = FileSink(options(path, most=3 * len(first.body) + 20))
    for number in range(10):
        sink.deliver(lines(range(number, number + 1)))
    sink.close()
    files = [tmp_path / f"events.jsonl.{number}" for number in (1, 2, 3)]
    assert indices_of(b"".join(file.read_bytes() for file in (*files, path))) == list(range(10))


def test_only_so_many_old_files_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    sink = FileSink(options(path, most=1024, keep=2))
    for number in range(9):
        sink.deliver(lines(range(number, number + 1)))
    sink.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["events.jsonl", "events.jsonl.7", "events.jsonl.8"]


def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(Unavailable, match="cannot be written"):
        FileSink(options(tmp_path / "taken")).deliver(lines(range(1)))
