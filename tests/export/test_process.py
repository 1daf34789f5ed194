"""The process that follows: killed at any moment it loses nothing, and it takes up what changes."""

import signal
from pathlib import Path

import pytest

from tests.export.kept import indices_of
from tests.export.process import first_times, following, until
from tests.export.published import Published

FILE = "type: file\nformat: leaf\nfile: {{path: {}}}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with one sink, a file."""
    (tmp_path / "config/sinks").mkdir(parents=True)
    write_sink(tmp_path / "config", "soc", tmp_path / "soc.jsonl")
    (tmp_path / "state").mkdir()
    return tmp_path / "config"


def write_sink(config: Path, name: str, path: Path) -> None:
    """Write the settings of a sink that is a file."""
    (config / f"sinks/{name}.yaml").write_text(FILE.format(path))


def lines(path: Path) -> list[int]:
    """Indices in a sink's file; a torn last line is none."""
    return indices_of(path.read_bytes().rpartition(b"\n")[0]) if path.exists() else []


def killed_again_and_again(config: Path, rounds: int) -> None:
    """Kill the follower under load, each time as soon as more lines have come, and look at what the sink has."""
    state, path = config.parent / "state", config.parent / "soc.jsonl"
    log = Published(state)
    log.publish_calls(range(200))
    for number in range(rounds):
        with following(config, state) as process:
            had = len(lines(path))
            log.publish_calls(range(1000 + 100 * number, 1030 + 100 * number))
            until(process, lambda had=had: len(lines(path)) > had)
            process.send_signal(signal.SIGKILL)
            process.wait()
    with following(config, state) as process:
        until(process, lambda: lines(path)[-1:] == [len(log.leaves) - 1])
    assert first_times(lines(path)) == list(range(len(log.leaves)))


def test_a_follower_that_is_killed_under_load_loses_nothing_and_keeps_the_order(config: Path) -> None:
    killed_again_and_again(config, 2)


@pytest.mark.live
@pytest.mark.crash
def test_a_follower_that_is_killed_very_often_loses_nothing(config: Path, crash_rounds: int) -> None:
    killed_again_and_again(config, crash_rounds)


def test_a_sink_that_is_added_gets_everything_and_one_that_is_removed_nothing_more(config: Path) -> None:
    state, first, second = config.parent / "state", config.parent / "soc.jsonl", config.parent / "new.jsonl"
    log = Published(state)
    log.publish_calls(range(5))
    with following(config, state) as process:
        until(process, lambda: len(lines(first)) == 10)
        (config / "sinks/soc.yaml").unlink()
        write_sink(config, "new", second)
        until(process, lambda: len(lines(second)) == 10)
        log.publish_calls(range(5, 8))
        until(process, lambda: len(lines(second)) == 16)
        # A broken change is told, and changes nothing.
        (config / "sinks/broken.yaml").write_text("type: nothing")
        until(process, lambda: "the old ones stay in force" in (state / "follow.log").read_text())
        log.publish_calls(range(8, 9))
        until(process, lambda: len(lines(second)) == 18)
    assert len(lines(first)) == 10


def test_it_ends_when_its_parent_is_gone(config: Path) -> None:
    state = config.parent / "state"
    with following(config, state) as process:
        until(process, lambda: "following the record for soc" in (state / "follow.log").read_text())
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def test_a_second_follower_of_the_same_sink_waits_and_takes_over(config: Path) -> None:
    state, path = config.parent / "state", config.parent / "soc.jsonl"
    log = Published(state)
    log.publish_calls(range(5))
    with following(config, state) as first, following(config, state) as second:
        until(first, lambda: len(lines(path)) >= 10)
        until(second, lambda: "another process follows the record for sink soc" in (state / "follow.log").read_text())
        log.publish_calls(range(5, 9))
        until(first, lambda: len(lines(path)) >= 18)
        assert lines(path) == list(range(18))
        # Once the first has gone, the second takes over by itself.
        first.kill()
        log.publish_calls(range(9, 10))
        until(second, lambda: len(lines(path)) >= 20)
    assert first_times(lines(path)) == list(range(20))


def test_a_sink_whose_secret_is_not_there_yet_is_followed_once_it_is(config: Path) -> None:
    state, path, key = config.parent / "state", config.parent / "soc.jsonl", config.parent / "key"
    log = Published(state)
    log.publish_calls(range(2))
    text = f"type: file\nmask: [person]\nmask_key_file: {key}\nfile: {{path: {path}}}\n"
    (config / "sinks/soc.yaml").write_text(text)
    with following(config, state) as process:
        until(
            process, lambda: "is not followed at the moment: the key of the masks" in (state / "follow.log").read_text()
        )
        key.write_bytes(bytes(range(32)))
        until(process, lambda: path.exists() and path.read_bytes().count(b"\n") == 2)
    assert b"alice" not in path.read_bytes()
    assert path.read_bytes().count(b"masked:") >= 2
