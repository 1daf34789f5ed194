"""What `tally follow` and `tally audit events` print."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tallystick.cli.main import tally
from tallystick.export.model import Stopped, Unavailable
from tallystick.export.run import keep
from tallystick.terms import TallyError
from tests.export.kept import Hand, Kept, indices_of, opened
from tests.export.published import Published


def run(*words: object) -> Result:
    """Run a command as it is written."""
    return CliRunner().invoke(tally, [str(word) for word in words])


@pytest.fixture
def log(tmp_path: Path) -> Published:
    """A log of ten leaves, and a configuration with one sink."""
    (tmp_path / "config/sinks").mkdir(parents=True)
    (tmp_path / "config/sinks/soc.yaml").write_text("type: file\nformat: leaf\nfile: {path: x}\n")
    log = Published(tmp_path / "state")
    log.publish_calls(range(5))
    return log


def places(log: Published) -> tuple[str, Path, str, Path]:
    """The two options that say where things are."""
    root = log.directory.parents[3]
    return "--config", root / "config", "--state", root / "state"


def follow(log: Published, sink: Kept, waits: int = 1) -> None:
    """Follow for a while."""
    hand = Hand(waits)
    with pytest.raises(Stopped):
        keep(opened(log.directory.parents[2], sink), hand.clock, hand.pause)


def test_the_status_of_a_sink_that_nobody_followed_says_so(log: Published) -> None:
    told = run("follow", "status", *places(log))
    assert told.exit_code == 1
    assert told.stdout.splitlines()[0].startswith("soc (file): 10 records and ")
    assert told.stdout.splitlines()[0].endswith("; FAILING: no follower ever ran")
    assert told.stdout.splitlines()[1] == "  bank/2026: 0 of 10 taken"


def test_the_status_of_a_sink_that_has_everything_is_well(log: Published) -> None:
    follow(log, Kept())
    told = run("follow", "status", *places(log))
    assert (told.exit_code, told.stdout) == (0, "soc (file): 0 records and 0 s behind\n  bank/2026: 10 of 10 taken\n")


def test_the_status_names_what_fails_and_what_was_refused(log: Published) -> None:
    sink = Kept()
    sink.poison = lambda event: event.index == 4
    follow(log, sink)
    log.publish_calls(range(5, 7))
    sink.failing.extend([Unavailable("no\x1b[31mroute")] * 3)
    follow(log, sink)
    told = run("follow", "status", *places(log))
    assert told.exit_code == 1
    assert "; 1 refused; FAILING for " in told.stdout
    assert "no\ufffd[31mroute" in told.stdout
    (as_json,) = json.loads(run("follow", "status", *places(log), "--json").stdout)
    assert (as_json["behind"], as_json["aside"], as_json["failing"]) == (4, 1, "no\x1b[31mroute")
    lines = run("follow", "status", *places(log), "--prometheus").stdout.splitlines()
    assert 'tallystick_sink_lag_records{sink="soc",tenant="bank",year="2026"} 4' in lines
    assert 'tallystick_sink_refused_events{sink="soc"} 1' in lines
    assert 'tallystick_sink_failing{sink="soc"} 1' in lines
    assert any(line.startswith('tallystick_sink_lag_seconds{sink="soc",tenant="bank",year="2026"} ') for line in lines)


def test_a_log_that_is_not_trusted_is_named(log: Published) -> None:
    follow(log, Kept())
    (log.directory / "checkpoint").write_text("nonsense")
    follow(log, Kept())
    told = run("follow", "status", *places(log))
    assert told.exit_code == 1
    assert "STOPPED: the checkpoint is not signed by a key that is trusted" in told.stdout


def test_refused_events_are_listed_and_sent_once_more(log: Published) -> None:
    sink = Kept()
    sink.poison = lambda event: event.index in {2, 4}
    follow(log, sink)
    state = places(log)[2:]
    listed = run("follow", "retry", *state, "soc", "--list")
    assert listed.stdout.splitlines() == [
        "localhost/bank/2026 2: a field is of the wrong type",
        "localhost/bank/2026 4: a field is of the wrong type",
    ]
    assert run("follow", "retry", *state, "soc", "--index", 4).stdout.splitlines()[-1] == "1 event to be sent once more"
    sink.poison = lambda _: False
    follow(log, sink)
    assert sink.indices[-1] == 4
    assert 2 not in sink.indices


def test_a_replay_begins_where_it_is_told_to(log: Published) -> None:
    sink, state = Kept(), places(log)[2:]
    follow(log, sink)
    where = ("--tenant", "bank", "--year", 2026, "--from-index", 8)
    assert run("follow", "replay", *state, "soc", *where).stdout == "soc gets bank/2026 again from leaf 8 on\n"
    follow(log, sink)
    assert sink.indices == [*range(10), 8, 9]
    failed = run("follow", "replay", *state, "soc", "--tenant", "nobody", *where[2:])
    assert isinstance(failed.exception, TallyError)


def test_a_sink_that_was_never_followed_has_nothing_to_replay_or_retry(log: Published) -> None:
    failed = run("follow", "retry", *places(log)[2:], "other")
    assert isinstance(failed.exception, TallyError)
    assert "nothing was ever followed for sink other" in failed.exception.message


def test_a_rotation_that_was_missed_is_trusted_only_when_told(log: Published) -> None:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - only here

    sink = Kept()
    follow(log, sink)
    log.key = Ed25519PrivateKey.from_private_bytes(bytes(range(7, 39)))
    log.state_vkey([log.key])
    log.publish_calls(range(5, 6))
    follow(log, sink)
    assert len(sink.events) == 10
    assert run("follow", "trust", *places(log), "soc").stdout == (log.directory / "vkey").read_text()
    follow(log, sink)
    assert sink.indices == list(range(12))


def test_events_of_a_log_are_printed_in_any_form(log: Published) -> None:
    assert indices_of(run("audit", "events", log.directory, "--format", "leaf").stdout_bytes) == list(range(10))
    some = run("audit", "events", log.directory, "--format", "leaf", "--from-index", 4, "--count", 3)
    assert indices_of(some.stdout_bytes) == [4, 5, 6]
    events = [json.loads(line) for line in run("audit", "events", log.directory).stdout.splitlines()]
    assert [event["metadata"]["sequence"] for event in events] == [1, 3, 5, 7, 9]
    assert run("audit", "events", log.directory, "--format", "cef").stdout.startswith("CEF:0|Tallystick|")
    failed = run("audit", "events", log.directory, "--format", "xml")
    assert isinstance(failed.exception, TallyError)
    assert failed.exception.message.startswith("there is no format xml; known: leaf, cef, ")
