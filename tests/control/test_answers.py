"""Idempotency keys and notes."""

from tallystick.control import Control, Postgres, Sqlite, open_control
from tallystick.control.entries import Mismatch, Note, Stored
from tests.control.stage import KEY, Ticks, judge, numbered

ANSWER = Stored(201, b"\x00body\xff", {"ETag": '"1"'})


def test_a_key_is_taken_once_and_then_answers(control: Control) -> None:
    assert control.idempotent("k", "ada", "digest") is None
    assert control.idempotent("k", "ada", "digest") == Mismatch("k", running=True)
    control.remember("k", "ada", ANSWER)
    assert control.idempotent("k", "ada", "digest") == ANSWER
    assert control.idempotent("k", "ada", "another") == Mismatch("k")
    assert control.idempotent("k", "bob", "another") is None


def test_a_key_can_be_given_back(control: Control) -> None:
    assert control.idempotent("k", "ada", "digest") is None
    control.remember("k", "ada", None)
    assert control.idempotent("k", "ada", "another") is None


def test_keys_are_kept_for_a_day_and_an_abandoned_one_for_a_minute(place: Sqlite | Postgres) -> None:
    ticks = Ticks()
    with open_control(place, KEY, ticks, numbered(), judge()) as control:
        assert control.idempotent("done", "ada", "digest") is None
        control.remember("done", "ada", ANSWER)
        assert control.idempotent("lost", "ada", "digest") is None
        ticks.now += 61
        assert control.idempotent("lost", "ada", "digest") is None
        ticks.now += 86_200
        assert control.idempotent("done", "ada", "digest") == ANSWER
        ticks.now += 200
        assert control.idempotent("done", "ada", "another") is None


def test_a_note_is_kept_by_who_read_it_last(control: Control) -> None:
    assert (control.note("cursor"), control.keep("cursor", {"at": 1}, 0)) == (None, True)
    assert control.note("cursor") == Note({"at": 1}, 1)
    assert not control.keep("cursor", {"at": 9}, 0)
    assert control.keep("cursor", {"at": 2}, 1)
    assert not control.keep("cursor", {"at": 3}, 1)
    assert control.note("cursor") == Note({"at": 2}, 2)
    assert not control.keep("cursor", None, 1)
    assert control.keep("cursor", None, 2)
    assert control.note("cursor") is None
    assert control.head() == 0
