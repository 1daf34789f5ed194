"""The benchmark's own machinery, for a second: who is measured answers rightly, and what is told was measured."""

import asyncio
import http.client
import os
import shutil
import sys
from pathlib import Path

import pytest

from bench import contestants, inprocess, processes, report, run, streams, traffic
from bench.measure import Figure, Footprint, Trace
from bench.processes import Memory
from bench.shapes import ARGUMENTS_32K, EVENTS_1, EVENTS_10, KIB, MIB, OF_SHAPES, RESULT_1M, RESULT_32K, Shape
from bench.streams import Idle
from bench.traffic import LEGACY, MODERN, Call, Endpoint, Plan

CALL = Call()
NEEDS_WRK = pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is missing (Debian: apt-get install wrk)")


def _figure(cpu_us: float | None, *, name: str = report.GOVERNED, connections: int = 64, p50: float = 1.0) -> Figure:
    return Figure(name, connections, 1000.0, p50, 2.0, cpu_us, 0)


def _run(figures: list[Figure], idle: Idle | None = None) -> report.Run:
    footprints = {report.GOVERNED: Footprint(Memory(90, 50), 1000, Memory(160, 70))}
    stages: dict[str, float] = {}
    told = (stages, ["nginx: missing"], "2026-01-01", 0.1, "make bench", 1, 1)
    return report.Run(figures, footprints, Trace(2.0, 1000.0), "2 leaves", *told, {"governed call": 99.0}, idle)


@NEEDS_WRK
def test_a_short_run_measures_direct_and_governed_calls(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    # A short name: sockets lie in it, whose paths have at most 107 bytes.
    folder = tmp_path_factory.mktemp("b")
    words = ["--seconds", "1", "--rounds", "1", "--connections", "1", "--sessions", "2"]
    assert run.main([*words, "--only", "direct,governed", "--folder", str(folder)]) == 0
    told = capsys.readouterr().out
    assert "| direct | 1 |" in told
    assert f"| {report.GOVERNED} | 1 |" in told
    assert "One call leaves 2.00 leaves" in told
    assert "verified from the files" in told
    assert "Not measured" not in told


def test_a_row_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(["--only", "direct,warp"])
    assert "no such row: warp" in capsys.readouterr().err


@pytest.mark.parametrize("era", [MODERN, LEGACY])
def test_the_upstream_answers_each_era_with_the_id_of_the_request(tmp_path: Path, era: str) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        endpoint = Endpoint(place.upstream_port, "/mcp", era)
        assert traffic.sample(endpoint, CALL, 3) == 0
        assert traffic.sample(endpoint, Call("tools/list", None), 3) == 0
        for shape in OF_SHAPES:
            assert traffic.sample(Endpoint(place.upstream_port, "/shapes", era), Call(shape=shape), 2) == 0
        assert traffic.sample(Endpoint(place.upstream_port, "/fleet/1", era), Call("tools/list", None), 1) == 0


def test_a_stream_that_lacks_an_event_is_a_wrong_answer(tmp_path: Path) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        wanting = Call(shape=Shape(EVENTS_1.tool, events=2))
        assert traffic.sample(Endpoint(place.upstream_port, "/shapes", MODERN), wanting, 2) == 2


def test_a_wrong_answer_is_counted(tmp_path: Path) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        assert traffic.sample(Endpoint(place.upstream_port, "/mcp", MODERN), Call("tools/none"), 2) == 2


@NEEDS_WRK
def test_a_load_uses_its_sessions_in_turn_and_a_fresh_id_for_each_call_and_its_progress(tmp_path: Path) -> None:
    (tmp_path / "sessions").write_text("one\ntwo\n")
    with contestants.upstream(tmp_path / "run") as place:
        endpoint, call = Endpoint(place.upstream_port, "/shapes", LEGACY), Call(shape=EVENTS_10)
        call.write(endpoint, tmp_path / "call")
        plan = Plan(endpoint.url, tmp_path / "call", 4, 1, 50, check=True, sessions=tmp_path / "sessions")
        found = traffic.load(plan)
    assert found.calls > 0
    assert found.errors == 0


def test_the_large_payloads_have_the_sizes_of_their_names() -> None:
    sent = len(Endpoint(1, "/", MODERN).body("tools/call", Call(shape=ARGUMENTS_32K).params(1), 1))
    assert abs(sent - 32 * KIB) < 2 * KIB
    for shape, size in ((RESULT_32K, 32 * KIB), (RESULT_1M, MIB)):
        in_json = len(shape.text) + shape.text.count('"') + shape.text.count("\n")
        assert abs(in_json - size) < size / 20


def test_idle_streams_of_both_eras_are_held_open_and_measured(tmp_path: Path) -> None:
    with contestants.upstream(tmp_path / "run") as place:
        endpoints = [Endpoint(place.upstream_port, "/mcp", MODERN, token) for token in ("a", "b")]
        idle = asyncio.run(streams.hold(os.getpid(), endpoints, 12, idle_s=0.01))
    assert idle.streams == 12
    assert idle.memory.rss > 0


def test_a_stream_that_is_refused_is_told_with_the_answer(tmp_path: Path) -> None:
    port, program = (
        processes.free_port(),
        "import http.server as h; h.HTTPServer(('127.0.0.1', {port}), {handler}).serve_forever()",
    )
    command = [sys.executable, "-c", program.format(port=port, handler="h.BaseHTTPRequestHandler")]
    refused = "subscriptions/listen is answered with HTTP/1.0 501"
    with processes.running(command, port, tmp_path / "log") as pid, pytest.raises(RuntimeError, match=refused):
        asyncio.run(streams.hold(pid, [Endpoint(port, "/mcp", MODERN)], 2, idle_s=0.01))


def test_a_call_in_process_is_measured_whole_and_in_its_stages(tmp_path: Path) -> None:
    found = inprocess.measure_in_process(tmp_path / "run", 1)
    stages = [value for name, value in found.items() if name.startswith("- ")]
    assert len(stages) == 4
    assert sum(stages) > 0
    assert all(value > 0 for value in found.values())


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
    figures = [
        _figure(81.0),
        _figure(100.0, connections=1, p50=0.5),
        _figure(None, name="direct", connections=1, p50=0.1),
    ]
    large = Figure("large", 1, 100.0, 1.0, 2.0, 4000.0, 0, MIB)
    text = report.text(_run([*figures, large], Idle(10_000, Memory(100, 90), Memory(1080, 1000), 0.01, 500.0)))
    assert (
        "CPU of a governed call at 64 connections with the durable record, microseconds | 81 | <= 80 | MISSED" in text
    )
    assert "added p50 at 1 connection, with the durable record, ms | 0.40 | <= 0.5 | held" in text
    assert "p99 of a governed call / its p50, at 1 connection | 4.0 | <= 3.0 | MISSED" in text
    assert "a result of 1 MiB, MB/s for each core of the gateway | 262 | >= 300 | MISSED" in text
    assert "| 160 | <= 150 | MISSED |" in text
    assert "with 10,000 idle streams, MB | 1080 | <= 1074 | MISSED" in text
    assert "Not measured: nginx: missing" in text


def test_latency_at_one_connection_is_told_as_what_it_adds_to_direct() -> None:
    calm = _figure(100.0, connections=1, p50=1.0)
    figures = [
        calm,
        Figure(report.GOVERNED, 1, 1000.0, 0.9, 9.0, 90.0, 0),
        _figure(None, name="direct", connections=1, p50=0.2),
    ]
    assert report.alone(figures)[report.GOVERNED] == report.Alone(0.9, 2.0, 2.0)
    assert f"| {report.GOVERNED} | 0.70 | 0.00 | 2.0 |" in report.text(_run(figures))


def test_the_tables_stand_between_their_marks(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"before\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n", encoding="utf-8")
    report.write(document, _run([_figure(70.0)]))
    text = document.read_text(encoding="utf-8")
    assert text.startswith(f"before\n\n{report.BEGIN}\n")
    assert text.endswith(f"{report.END}\n\nafter\n")
    assert "old" not in text
