"""The benchmark's own machinery, for a second: who is measured answers rightly, and what is told was measured."""

import http.client
import shutil
import sys
from pathlib import Path

import pytest

from bench import contestants, processes, report, traffic
from bench.measure import Figure, Footprint, Trace
from bench.processes import Memory
from bench.run import main
from bench.traffic import LEGACY, MODERN, Call, Endpoint
from bench.upstream import TOOL

CALL = Call("tools/call", TOOL)


def _figure(cpu_us: float | None, *, name: str = report.GOVERNED, connections: int = 64, p50: float = 1.0) -> Figure:
    return Figure(name, connections, 1000.0, p50, 2.0, cpu_us, 0)


def _run(figures: list[Figure]) -> report.Run:
    footprints = {report.GOVERNED: Footprint(Memory(90, 50), 1000, Memory(160, 70))}
    return report.Run(
        figures,
        footprints,
        Trace(2.0, 1000.0),
        "2 leaves",
        {},
        ["nginx: missing"],
        "2026-01-01",
        0.1,
        "make bench",
        1,
        1,
    )


@pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing (Debian: apt-get install wrk)")
def test_a_short_run_measures_direct_and_governed_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--seconds", "1", "--rounds", "1", "--connections", "1", "--sessions", "2", "--no-stages"]
    short = ["--variants", "1", "--folder", str(tmp_path / "run"), "--only", "direct", "tallystick"]
    assert main([*words, *short]) == 0
    told = capsys.readouterr().out
    assert "| direct | 1 |" in told
    assert f"| {report.GOVERNED} | 1 |" in told
    assert "One call leaves 2.00 leaves" in told
    assert "verified from the files" in told


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_the_upstream_answers_each_era_with_the_id_of_the_request(tmp_path: Path, era: str) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        assert traffic.sample(Endpoint(place.upstream_port, "/mcp", era), CALL, 3) == 0
        assert traffic.sample(Endpoint(place.upstream_port, "/mcp", era), Call("tools/list", None), 3) == 0


def test_a_wrong_answer_is_counted(tmp_path: Path) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        assert traffic.sample(Endpoint(place.upstream_port, "/mcp", MODERN), Call("tools/none", TOOL), 2) == 2


def test_a_process_tree_is_charged_with_its_children(tmp_path: Path) -> None:
    burning = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))']); "
    serving = "import http.server as h; h.HTTPServer(('127.0.0.1', int(sys.argv[1])), h.BaseHTTPRequestHandler)"
    port = processes.free_port()
    command = [sys.executable, "-c", f"{burning}{serving}.serve_forever()", str(port)]
    with processes.running(command, port, tmp_path / "log") as pid:
        assert processes.tree(pid)[0] == pid
        assert processes.cpu_seconds(pid) > 0
        assert processes.memory(pid).rss >= processes.memory(pid).pss > 0
    with pytest.raises(OSError, match="refused"):
        http.client.HTTPConnection("127.0.0.1", port).connect()


def test_a_program_that_does_not_answer_is_named_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with (
        pytest.raises(RuntimeError, match="no such thing"),
        processes.running(command, processes.free_port(), tmp_path / "log"),
    ):
        pytest.fail("it never answered")


def test_the_quietest_repetition_counts() -> None:
    assert report.quietest([_figure(90.0), _figure(70.0), _figure(80.0)]) == [_figure(70.0)]


def test_a_missed_bar_says_so() -> None:
    figures = [_figure(131.0), _figure(100.0, connections=1, p50=0.9), _figure(None, name="direct", connections=1)]
    text = report.text(_run(figures))
    assert "| CPU of a governed call at 64 connections, microseconds | 131 | 130 | MISSED |" in text
    assert "| added p50 at 1 connection, with the durable record, milliseconds | -0.10 | 1 | held |" in text
    assert "| 160 | 150 | MISSED |" in text
    assert "Not measured: nginx: missing" in text


def test_the_tables_stand_between_their_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n", encoding="utf-8")
    report.write(document, _run([_figure(70.0)]))
    text = document.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\n\nafter\n")
    assert "old" not in text
