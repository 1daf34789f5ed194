"""Sinks are part of a configuration: judged with it, and part of its digest."""

from tallystick.snapshot import Snapshot, compile_snapshot
from tests.snapshot.files import FILES

SINK = b"type: file\ntenants: [%b]\nfile: {path: /var/log/events.jsonl}\n"


def test_a_sink_changes_the_digest_of_the_control_state() -> None:
    before, after = compile_snapshot(FILES), compile_snapshot({**FILES, "sinks/soc.yaml": SINK % b"retail"})
    assert isinstance(before, Snapshot)
    assert isinstance(after, Snapshot)
    assert before.digest != after.digest


def test_a_mistake_in_a_sink_refuses_the_whole_configuration() -> None:
    answer = compile_snapshot({**FILES, "sinks/soc.yaml": b"type: file\nfile: {}"})
    assert isinstance(answer, tuple)
    assert [str(problem) for problem in answer] == ["sinks/soc.yaml: file.path: is missing; add a text"]


def test_a_sink_of_a_tenant_that_nobody_has_is_a_mistake() -> None:
    answer = compile_snapshot({**FILES, "sinks/soc.yaml": SINK % b"retial"})
    assert isinstance(answer, tuple)
    assert [str(problem) for problem in answer] == [
        'sinks/soc.yaml: tenants: there is no tenant "retial"; did you mean "retail"?'
    ]
