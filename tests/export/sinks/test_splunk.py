"""The HTTP Event Collector: a batch counts once it is indexed, and what is not is sent again."""

from collections import deque
from pathlib import Path

import pytest

from tallystick.export.model import Event, Unavailable, is_list
from tallystick.export.settings import SplunkOptions
from tallystick.export.sinks.splunk import SplunkSink
from tests.export.kept import Hand
from tests.export.sinks.receiver import Asked, Told, receiver, told
from tests.export.sinks.sent import PLAIN, events, format_for, objects, secret_file

TOKEN = "b7c2f1f0-6d3e-4b52-9b1f-2c1f5f9c0a11"


class Collector:
    """A collector with indexer acknowledgement: it says so as documented, and indexes after `slow` questions."""

    def __init__(self, slow: int = 0) -> None:
        self.indexed: list[dict[str, object]] = []
        self.accepted: dict[tuple[str, int], list[dict[str, object]]] = {}
        self.slow = slow
        self.asked = 0
        self.next: deque[Told] = deque()
        self.poison = ""

    def __call__(self, asked: Asked) -> Told:
        """Answer one request."""
        if asked.headers.get("authorization") != f"Splunk {TOKEN}":
            return told(403, {"text": "Invalid token", "code": 4})
        channel = asked.headers.get("x-splunk-request-channel") or asked.query.get("channel")
        if channel is None:
            return told(400, {"text": "Data channel is missing", "code": 10})
        if asked.path == "/services/collector/ack":
            return self._acks(asked, channel)
        assert asked.path == "/services/collector/event"
        if self.next:
            return self.next.popleft()
        found = objects(asked.body)
        for number, entry in enumerate(found):
            if self.poison and self.poison in str(entry):
                return told(400, {"text": "Invalid data format", "code": 6, "invalid-event-number": number})
        number = len(self.accepted)
        self.accepted[channel, number] = found
        return told(200, {"text": "Success", "code": 0, "ackId": number})

    def _acks(self, asked: Asked, channel: str) -> Told:
        self.asked += 1
        numbers = asked.fields()["acks"]
        assert is_list(numbers)
        acks: dict[str, bool] = {}
        for number in numbers:
            assert isinstance(number, int)
            there = (channel, number) in self.accepted
            acks[str(number)] = there and self.asked > self.slow
            if acks[str(number)]:
                # Told once, and then forgotten, as Splunk does.
                self.indexed += self.accepted.pop((channel, number))
                self.accepted[channel, number] = []
        return told(200, {"acks": acks})


def options(url: str, folder: Path, *, acknowledge: bool = True, timeout_s: float = 5.0) -> SplunkOptions:
    """Settings for a collector."""
    return SplunkOptions(url, secret_file(folder, TOKEN), "mcp", acknowledge, timeout_s, PLAIN)


def sample(folder: Path, numbers: range = range(5)) -> list[Event]:
    """Events as Splunk takes them."""
    return events(format_for("splunk", options("http://127.0.0.1", folder)), numbers)


def test_events_arrive_in_order_and_count_once_they_are_indexed(tmp_path: Path) -> None:
    collector, hand = Collector(slow=3), Hand(waits=100)
    with receiver(collector) as url:
        assert SplunkSink(options(url, tmp_path), hand.clock, hand.pause).deliver(sample(tmp_path)) == []
    assert [str(entry["fields"])[:20] for entry in collector.indexed] == ["{'tenant': 'bank', '"] * 5
    assert [entry["index"] for entry in collector.indexed] == ["mcp"] * 5
    assert hand.waited == [1.0, 1.0, 1.0]


def test_a_batch_that_is_never_indexed_is_sent_again_over_another_channel(tmp_path: Path) -> None:
    collector, hand = Collector(slow=10_000), Hand(waits=100)
    with receiver(collector) as url:
        sink = SplunkSink(options(url, tmp_path), hand.clock, hand.pause)
        with pytest.raises(Unavailable, match="no acknowledgement within 5 s"):
            sink.deliver(sample(tmp_path))
        collector.slow = 0
        assert sink.deliver(sample(tmp_path)) == []
    assert len(collector.indexed) == 5
    assert len({channel for channel, _ in collector.accepted}) == 2


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (told(503, {"text": "Server is busy", "code": 9}), None),
        (told(503, {"text": "Server is busy", "code": 9}, Retry_After="17"), 17.0),
        (told(429, {"text": "slow down", "code": 9}, Retry_After="3"), 3.0),
        (told(500, {"text": "Internal server error", "code": 8}), None),
        (told(400, {"text": "Incorrect index", "code": 7}), None),
        (told(400, {"text": "ACK is disabled", "code": 14}), None),
        (told(403, {"text": "Token disabled", "code": 1}), None),
        (Told(302, b"", {"Location": "http://127.0.0.1:1/"}), None),
        (Told(200, b'{"text": "Success", "code": 0, "ackId": 0}', cut=True), None),
        (told(200, {"text": "Success", "code": 0}), None),
        (Told(200, b"<html>a proxy's page</html>"), None),
    ],
)
def test_what_is_no_fault_of_the_events_is_sent_again(tmp_path: Path, answer: Told, wait: float | None) -> None:
    collector, hand = Collector(), Hand(waits=100)
    collector.next.append(answer)
    with receiver(collector) as url:
        sink = SplunkSink(options(url, tmp_path), hand.clock, hand.pause)
        with pytest.raises(Unavailable) as raised:
            sink.deliver(sample(tmp_path))
        assert raised.value.retry_after_s == wait
        assert sink.deliver(sample(tmp_path)) == []
    assert len(collector.indexed) == 5


def test_one_event_that_cannot_be_parsed_is_refused_alone(tmp_path: Path) -> None:
    collector, hand = Collector(), Hand(waits=100)
    batch = sample(tmp_path, range(20))
    batch[13] = Event(batch[13].place, 13, "denial", "", b'{"event": "POISON"}')
    collector.poison = "POISON"
    with receiver(collector) as url:
        (refused,) = SplunkSink(options(url, tmp_path), hand.clock, hand.pause).deliver(batch)
    assert refused.index == 13
    assert "Invalid data format" in refused.reason
    assert len(collector.indexed) == 19


def test_without_acknowledgement_an_answer_is_enough(tmp_path: Path) -> None:
    collector, hand = Collector(), Hand(waits=1)
    with receiver(collector) as url:
        assert (
            SplunkSink(options(url, tmp_path, acknowledge=False), hand.clock, hand.pause).deliver(sample(tmp_path))
            == []
        )
    assert collector.asked == 0


def test_a_renewed_token_is_read_without_a_restart(tmp_path: Path) -> None:
    collector, hand = Collector(), Hand(waits=1)
    with receiver(collector) as url:
        sink, batch = SplunkSink(options(url, tmp_path), hand.clock, hand.pause), sample(tmp_path)
        secret_file(tmp_path, "an old one")
        with pytest.raises(Unavailable, match="Invalid token"):
            sink.deliver(batch)
        secret_file(tmp_path, TOKEN)
        assert sink.deliver(batch) == []


def test_a_collector_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    hand = Hand(waits=1)
    with receiver(Collector()) as url:
        gone = url
    with pytest.raises(Unavailable, match="cannot be reached"):
        SplunkSink(options(gone, tmp_path), hand.clock, hand.pause).deliver(sample(tmp_path))
