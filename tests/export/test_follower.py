"""A follower brings every leaf once its sink takes it, in order, whatever fails and whenever it is killed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.export.follower import Follower
from tallystick.export.formats import Entry, Skipped
from tallystick.export.ledger import Ledger, held, ledger_path
from tallystick.export.model import (
    STREAK,
    BatchRefusedError,
    Event,
    Limits,
    Place,
    Refused,
    Stopped,
    Unavailable,
    settle,
)
from tallystick.export.run import Backoff, keep
from tallystick.export.written import raw
from tallystick.terms import TallyError
from tests.export.kept import ENTRY, Hand, Kept, opened
from tests.export.published import BANK, Published

FEW = Limits(events=7)


def drain(follower: Follower) -> None:
    """Follow until nothing is left."""
    hand = Hand()
    while follower.round(hand.clock):
        pass


def test_every_leaf_arrives_once_and_in_order(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(FEW)
    log.publish_calls(range(300))
    drain(opened(tmp_path, sink))
    assert sink.indices == list(range(600))
    assert [body.partition(b'"leaf":')[2][:-1] for body in sink.bodies] == log.leaves


def test_what_is_published_later_follows(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand()
    follower = opened(tmp_path, sink)
    for number in range(60):
        log.publish(log.call(number))
        assert follower.round(hand.clock) == 2
    assert sink.indices == list(range(120))


def test_tenants_and_years_keep_their_own_order(tmp_path: Path) -> None:
    old, new, other = Published(tmp_path, year=2026), Published(tmp_path, year=2027), Published(tmp_path, "other")
    old.publish_calls(range(3))
    new.publish_calls(range(3, 6))
    other.publish_calls(range(2))
    sink = Kept()
    follower = opened(tmp_path, sink)
    follower.round(Hand().clock)
    # A call of the last minute of a year ends in its year's log, when the next one has long begun.
    old.publish_calls(range(6, 7))
    follower.round(Hand().clock)
    first, second = (BANK, 2026), (BANK, 2027)
    assert [event for event in sink.events if event[:2] == first] == [(*first, index) for index in range(8)]
    assert [event for event in sink.events if event[:2] == second] == [(*second, index) for index in range(6)]
    assert sink.events.index((*first, 5)) < sink.events.index((*second, 0))
    assert len(sink.events) == 18


def test_a_sink_gets_only_the_tenants_and_kinds_it_asks_for(tmp_path: Path) -> None:
    log = Published(tmp_path)
    Published(tmp_path, "other").publish_calls(range(2))
    log.publish_calls(range(3))
    sink = Kept()
    opened(tmp_path, sink, chosen=replace(ENTRY, tenants=(BANK,), kinds=("outcome",))).round(Hand().clock)
    assert sink.events == [(BANK, 2026, 1), (BANK, 2026, 3), (BANK, 2026, 5)]


def test_a_failed_delivery_is_repeated_whole_and_nothing_is_skipped(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(FEW), Hand(waits=4)
    log.publish_calls(range(10))
    sink.failing.extend([None, Unavailable("down"), Unavailable("down"), None, Unavailable("down")])
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    assert sink.indices == list(range(20))


def test_ten_minutes_without_the_sink_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(FEW), Hand(waits=100)
    numbers = iter(range(1000))
    sink.failing.extend([None] * 3)

    def load() -> None:
        log.publish(log.call(next(numbers)))
        # Down from the third second on, and up again after ten minutes.
        if hand.now < log_begins + 603:
            sink.failing.append(Unavailable("connection refused"))

    log_begins = hand.now
    hand.meanwhile = iter([load] * 90)
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    assert hand.now > log_begins + 600
    assert max(hand.waited) <= 60
    assert len(log.leaves) == 180
    assert sink.indices == list(range(180))


@pytest.mark.parametrize("killed_at", range(1, 9))
def test_a_follower_that_is_killed_in_a_delivery_sends_it_again(tmp_path: Path, killed_at: int) -> None:
    log, sink = Published(tmp_path), Kept(FEW)
    log.publish_calls(range(30))
    sink.failing.extend([*[None] * (killed_at - 1), KeyboardInterrupt()])
    with pytest.raises(KeyboardInterrupt):
        drain(opened(tmp_path, sink))
    drain(opened(tmp_path, sink))
    assert sink.indices == list(range(60))


def test_a_kill_between_the_sink_and_the_cursor_repeats_and_never_skips(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(FEW)
    log.publish_calls(range(10))
    hand = Hand()
    follower = opened(tmp_path, sink)
    follower.round(hand.clock)
    # The sink took the second batch; the process was gone before its cursor moved.
    sink.killing = True
    with pytest.raises(KeyboardInterrupt):
        follower.round(hand.clock)
    drain(opened(tmp_path, sink))
    assert sink.indices == [*range(14), *range(7, 20)]


def test_a_poison_event_is_put_aside_with_its_leaf_and_the_others_arrive(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand()
    log.publish_calls(range(5))
    sink.poison = lambda event: event.index in {3, 4}
    follower = opened(tmp_path, sink)
    follower.round(hand.clock)
    assert sink.indices == [0, 1, 2, 5, 6, 7, 8, 9]
    aside = follower.ledger.aside()
    assert [(entry.place, entry.index, entry.origin) for entry in aside] == [
        (log.place, 3, log.origin),
        (log.place, 4, log.origin),
    ]
    assert aside[0].reason == "a field is of the wrong type"


def test_what_was_put_aside_is_sent_again_when_asked_and_only_then(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand()
    log.publish_calls(range(5))
    sink.poison = lambda event: event.index in {3, 4}
    follower = opened(tmp_path, sink)
    follower.round(hand.clock)
    follower.round(hand.clock)
    assert 3 not in sink.indices
    sink.poison = lambda event: event.index == 4
    assert follower.ledger.try_again() == 2
    follower.round(hand.clock)
    assert sink.indices[-1] == 3
    (left,) = follower.ledger.aside()
    assert (left.index, left.again) == (4, False)


def test_an_event_whose_leaf_was_pruned_cannot_be_sent_again_and_holds_up_nothing(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand()
    log.publish_calls(range(200))
    sink.poison = lambda event: event.index in {3, 300}
    follower = opened(tmp_path, sink)
    drain(follower)
    sink.poison = lambda _: False
    (log.directory / "tile/entries/000").unlink()
    follower = opened(tmp_path, sink)
    follower.ledger.try_again()
    follower.round(hand.clock)
    assert sink.indices[-1] == 300
    (left,) = follower.ledger.aside()
    assert (left.index, left.again) == (3, False)
    assert left.reason == "localhost/bank/2026: tile/entries/000 is missing"


def test_a_format_that_stumbles_over_a_leaf_puts_it_aside(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish_calls(range(3))

    def stumbling(found: Entry) -> bytes | Skipped:
        if found.index == 2:
            return bytes.fromhex(str(found.origin))
        return Skipped("no event") if found.index == 3 else raw(found)

    follower = opened(tmp_path, sink, stumbling)
    follower.round(Hand().clock)
    assert sink.indices == [0, 1, 4, 5]
    (aside,) = follower.ledger.aside()
    assert aside.index == 2
    assert aside.reason.startswith("the format failed: ValueError: non-hexadecimal number")


def test_an_event_that_no_delivery_can_hold_is_put_aside(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(Limits(event_bytes=900))
    log.publish_calls(range(1))
    follower = opened(tmp_path, sink, lambda found: b"x" * (1000 * found.index))
    follower.round(Hand().clock)
    (aside,) = follower.ledger.aside()
    assert aside.reason == "has 1000 bytes as an event, the sink takes 900"


def test_a_sink_that_refuses_everything_is_failing_and_nothing_is_put_aside(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand(waits=2)
    log.publish_calls(range(STREAK))
    sink.poison = lambda _: True
    follower = opened(tmp_path, sink)
    with pytest.raises(Stopped):
        keep(follower, hand.clock, hand.pause)
    assert follower.ledger.aside() == []
    condition = follower.ledger.condition()
    assert condition is not None
    assert condition.failing == "has refused 200 events in a row: a field is of the wrong type"


def test_an_outcome_is_told_with_its_intent_however_long_ago_it_was(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(Limits(events=2000))
    log.publish_calls(range(1))
    (first, _) = log.call(900)
    at = len(log.leaves)
    log.publish([first])
    log.publish_calls(range(1, 600))
    log.publish([log.leaves[1].replace(b'"intent":0', b'"intent":%d' % at)])
    seen: dict[int, bytes | None] = {}

    def remembering(found: Entry) -> bytes:
        seen[found.index] = found.about
        return raw(found)

    drain(opened(tmp_path, sink, remembering))
    assert seen[len(log.leaves) - 1] == first
    assert seen[at] is None


def test_a_heartbeat_is_told_with_the_one_before_it_even_after_a_restart(tmp_path: Path) -> None:
    log, seen = Published(tmp_path), dict[int, bytes | None]()
    beats = [b'{"kind":"heartbeat","size":%d}' % size for size in range(4)]

    def remembering(found: Entry) -> bytes:
        seen[found.index] = found.about
        return raw(found)

    log.publish([beats[0], b"{}", beats[1]])
    drain(opened(tmp_path, Kept(), remembering))
    log.publish_calls(range(300))
    log.publish([beats[2], beats[3]])
    drain(opened(tmp_path, Kept(), remembering))
    assert [seen[index] for index in (0, 2, 603, 604)] == [None, beats[0], beats[1], beats[2]]


def test_a_new_sink_of_a_pruned_log_begins_where_the_log_does(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish_calls(range(300))
    (log.directory / "tile/entries/000").unlink()
    (log.directory / "minimum-index").write_text("256\n")
    drain(opened(tmp_path, sink))
    assert sink.indices == list(range(256, 600))


def test_however_far_behind_a_sink_is_one_batch_is_held(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(Limits(events=100, total_bytes=20_000))
    log.publish_calls(range(2000))
    drain(opened(tmp_path, sink))
    assert sink.indices == list(range(4000))
    assert max(sink.deliveries) <= 20_000 // min(map(len, sink.bodies)) + 1


def test_replay_sends_everything_from_an_index_on_again(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(), Hand()
    log.publish_calls(range(10))
    opened(tmp_path, sink).round(hand.clock)
    ledger = Ledger(ledger_path(tmp_path, "soc"))
    assert ledger.replay(log.place, 15)
    assert not ledger.replay(Place("nobody", 2026), 0)
    opened(tmp_path, sink).round(hand.clock)
    assert sink.indices == [*range(20), *range(15, 20)]


def test_a_replay_asked_for_in_mid_delivery_is_not_overtaken(tmp_path: Path) -> None:
    log, sink, hand = Published(tmp_path), Kept(FEW), Hand()
    log.publish_calls(range(5))
    follower = opened(tmp_path, sink)
    follower.round(hand.clock)

    def asked(_: Event) -> bool:
        Ledger(ledger_path(tmp_path, "soc")).replay(log.place, 2)
        return False

    sink.poison = asked
    follower.round(hand.clock)
    sink.poison = lambda _: False
    drain(follower)
    assert sink.indices == [*range(10), *range(2, 10)]


def test_two_followers_of_one_sink_never_run_at_once(tmp_path: Path) -> None:
    with (
        held(tmp_path, "soc"),
        pytest.raises(TallyError, match="another process follows the record for sink soc"),
        held(tmp_path, "soc"),
    ):
        pass
    with held(tmp_path, "soc"), held(tmp_path, "other"):
        pass


@pytest.mark.parametrize("failures", [1, 2, 3])
def test_a_sink_that_cannot_confirm_is_sent_one_overlap_after_a_failure(tmp_path: Path, failures: int) -> None:
    log, sink, hand = Published(tmp_path), Kept(FEW, overlap=2), Hand(waits=failures + 1)
    log.publish_calls(range(7))
    sink.failing.extend([None, *[Unavailable("reset")] * failures])
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    assert sink.indices == [*range(7), *range(5, 14)]


def test_an_overlap_is_sent_after_a_kill_too_and_not_after_a_clean_end(tmp_path: Path) -> None:
    log, sink = Published(tmp_path), Kept(overlap=3)
    log.publish_calls(range(5))
    hand = Hand(waits=1)
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    hand = Hand(waits=1)
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    assert sink.indices == list(range(10))
    Ledger(ledger_path(tmp_path, "soc")).open_run()
    hand = Hand(waits=1)
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink), hand.clock, hand.pause)
    assert sink.indices == [*range(10), 7, 8, 9]


def test_waits_grow_to_a_limit_and_never_undercut_what_the_sink_asked_for() -> None:
    backoff = Backoff(60.0, lambda: 0.0)
    assert [backoff.take(None) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    assert backoff.take(120.0) == 120.0
    backoff.reset()
    assert backoff.take(None) == 0.25
    assert Backoff(60.0, lambda: 1.0).take(None) == 0.5


def test_a_batch_that_is_refused_whole_is_halved_until_its_one_bad_event_is_found() -> None:
    events = [Event(Place(BANK, 2026), index, "denial", "", b"") for index in range(50)]
    sent: list[int] = []

    def send(batch: Sequence[Event]) -> list[Refused]:
        numbers = [event.index for event in batch]
        if 17 in numbers:
            message = "bad"
            raise BatchRefusedError(message)
        sent.extend(numbers)
        return []

    assert settle(events, send) == [Refused(17, "bad")]
    assert sent == [index for index in range(50) if index != 17]


def test_a_log_that_cannot_be_trusted_stops_and_the_others_go_on(tmp_path: Path) -> None:
    log, other = Published(tmp_path), Published(tmp_path, "other")
    log.publish_calls(range(5))
    other.publish_calls(range(5))
    bundle = next((log.directory / "tile/entries").rglob("10"))
    bundle.write_bytes(bundle.read_bytes().replace(b"alice", b"mally"))
    sink = Kept()
    follower = opened(tmp_path, sink)
    follower.round(Hand().clock)
    assert {tenant for tenant, _, _ in sink.events} == {"other"}
    cursor = follower.ledger.cursor(log.place)
    assert cursor is not None
    assert cursor.next == 0
    assert (
        follower.ledger.trouble(log.place)
        == "localhost/bank/2026: leaf 0 is not the one that the checkpoint vouches for"
    )
    # Once the files are right again, it goes on by itself, and the trouble is over.
    bundle.write_bytes(bundle.read_bytes().replace(b"mally", b"alice"))
    follower.round(Hand().clock)
    assert follower.ledger.trouble(log.place) is None
    assert len(sink.events) == 20
