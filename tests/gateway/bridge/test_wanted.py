"""Who is told what: unions, coverage, filters, and what waits for a slow listener."""

import pytest

from tallystick.gateway.bridge.feeds.wanted import (
    PENDING,
    PENDING_BYTES,
    WAITS_S,
    Pending,
    concerns,
    covers,
    key_of,
    notifications_of,
    pause,
    union,
)
from tallystick.gateway.bridge.heard import Notice, Subject
from tallystick.gateway.upstream.model import Wanted

UPDATED = "notifications/resources/updated"
PROMPTS = "notifications/prompts/list_changed"


def test_the_union_has_what_anybody_wants_in_a_stable_order() -> None:
    one, other = Wanted(prompts_list=True, resources=("b", "a")), Wanted(resources=("a", "c"), tasks=("t",))
    assert union([one, other]) == union([other, one]) == Wanted(True, False, ("a", "b", "c"), ("t",))  # noqa: FBT003 - a tuple's fields
    assert union([]) == Wanted()


def test_a_stream_covers_what_is_part_of_it() -> None:
    stream = Wanted(prompts_list=True, resources=("a", "b"))
    assert covers(stream, Wanted(resources=("b",)))
    assert not covers(stream, Wanted(resources=("c",)))
    assert not covers(stream, Wanted(resources_list=True))
    assert not covers(stream, Wanted(tasks=("t",)))


@pytest.mark.parametrize(
    ("wanted", "notice", "told"),
    [
        (Wanted(prompts_list=True), Notice(PROMPTS), True),
        (Wanted(resources_list=True), Notice(PROMPTS), False),
        (Wanted(resources=("file:///a",)), Notice(UPDATED, Subject(uri="file:///a")), True),
        (Wanted(resources=("file:///a",)), Notice(UPDATED, Subject(uri="file:///a/b")), True),
        (Wanted(resources=("file:///a",)), Notice(UPDATED, Subject(uri="file:///ab")), False),
        (Wanted(tasks=("t1",)), Notice("notifications/tasks", Subject(taskId="t1")), True),
        (Wanted(tasks=("t1",)), Notice("notifications/tasks", Subject(taskId="t2")), False),
        (Wanted(True, True, ("a",), ("t",)), Notice("notifications/message"), False),  # noqa: FBT003 - a tuple's fields
        (Wanted(True, True, ("a",), ("t",)), Notice("notifications/progress"), False),  # noqa: FBT003 - a tuple's fields
    ],
)
def test_a_client_is_told_what_it_wanted_and_nothing_else(wanted: Wanted, notice: Notice, told: bool) -> None:  # noqa: FBT001 - a table's column
    assert concerns(wanted, notice) is told


def test_only_what_is_wanted_is_asked_for() -> None:
    assert notifications_of(Wanted()) == {}
    assert notifications_of(Wanted(True, True, ("a",), ("t",))) == {  # noqa: FBT003 - a tuple's fields
        "promptsListChanged": True,
        "resourcesListChanged": True,
        "resourceSubscriptions": ["a"],
        "taskIds": ["t"],
    }


def test_a_newer_hint_takes_the_place_of_the_older() -> None:
    pending = Pending()
    for text in (b"1", b"2", b"3"):
        pending.put(key_of(Notice(PROMPTS)), text)
    pending.put(key_of(Notice(UPDATED, Subject(uri="a"))), b"a")
    assert [pending.take(), pending.take(), pending.take()] == [b"3", b"a", None]


def test_what_is_no_hint_is_told_each_time() -> None:
    pending = Pending()
    for text in (b"1", b"2"):
        pending.put(key_of(Notice("notifications/message")), text)
    assert len(pending) == 2


def test_a_listener_that_takes_nothing_holds_a_bounded_number_of_the_newest() -> None:
    pending = Pending()
    for number in range(PENDING + 10):
        pending.put(number, b"%d" % number)
    assert len(pending) == PENDING
    assert pending.take() == b"10"


def test_a_listener_that_takes_nothing_holds_bounded_bytes() -> None:
    pending = Pending()
    for number in range(8):
        pending.put(number, bytes(PENDING_BYTES // 4))
    assert len(pending) == 4


def test_a_message_larger_than_the_bound_is_left_out() -> None:
    pending = Pending()
    pending.put("key", bytes(PENDING_BYTES + 1))
    assert pending.take() is None


def test_a_stream_comes_back_ever_later_and_never_all_at_once() -> None:
    assert pause(0, 0.7) == 0.0
    assert [pause(failures, 1.0) for failures in range(1, 9)] == [*WAITS_S, WAITS_S[-1]]
    assert pause(3, 0.0) == WAITS_S[2] / 2


def test_changed_tools_are_told_to_whom_they_concern() -> None:
    tools = Wanted(tools_list=True)
    assert union([Wanted(prompts_list=True), tools]) == Wanted(prompts_list=True, tools_list=True)
    assert not covers(Wanted(prompts_list=True), tools)
    assert notifications_of(tools) == {"toolsListChanged": True}
    assert concerns(tools, Notice("notifications/tools/list_changed"))
    assert not concerns(Wanted(prompts_list=True), Notice("notifications/tools/list_changed"))
