"""The bulk API: each item is told apart, and what was stored once is never stored twice."""

import json
from collections import Counter, deque
from pathlib import Path

import pytest

from tallystick.export.model import Event, Unavailable, is_object
from tallystick.export.settings import ElasticOptions
from tallystick.export.sinks.elastic import ElasticSink
from tests.export.kept import Hand
from tests.export.sinks.receiver import Asked, Told, receiver, told
from tests.export.sinks.sent import PLAIN, events, format_for, secret_file

KEY = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="


def taking(index: int, time: int) -> int:
    """Status of an item: created, whichever it is and however often it came."""
    del index, time
    return 201


class Cluster:
    """A data stream: it creates documents by their id, and has a reason per item for what it does not take."""

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, object]] = {}
        self.order: list[int] = []
        self.judge = taking
        self.times: Counter[int] = Counter()
        self.next: deque[Told] = deque()

    def __call__(self, asked: Asked) -> Told:
        """Answer one request."""
        assert asked.headers["authorization"] == f"ApiKey {KEY}"
        assert asked.path == "/logs-mcp.audit-default/_bulk"
        assert asked.body.endswith(b"\n")
        if self.next:
            return self.next.popleft()
        lines = [json.loads(line) for line in asked.body.splitlines()]
        items = [self._create(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
        return told(200, {"errors": any(item["create"]["status"] > 201 for item in items), "items": items})

    def _create(self, action: dict[str, dict[str, str]], document: dict[str, object]) -> dict[str, dict[str, int]]:
        name = action["create"]["_id"]
        event = document["event"]
        assert is_object(event)
        index = event["sequence"]
        assert isinstance(index, int)
        self.times[index] += 1
        status = self.judge(index, self.times[index])
        if status == 201 and name in self.documents:
            status = 409
        if status == 201:
            self.documents[name] = document
            self.order.append(index)
        error = {"error": {"type": f"type_{status}", "reason": "said why"}} if status > 201 else {}
        return {"create": {"status": status, **error}}  # pyright: ignore[reportReturnType] - what Elastic answers


def options(url: str, folder: Path) -> ElasticOptions:
    """Settings for a cluster."""
    return ElasticOptions(url, "logs-mcp.audit-default", secret_file(folder, KEY), PLAIN)


def sample(folder: Path, numbers: range = range(8)) -> list[Event]:
    """Events as bulk lines."""
    return events(format_for("elastic", options("http://127.0.0.1", folder), "ecs"), numbers)


def test_items_without_room_are_sent_again_and_the_unmappable_refused(tmp_path: Path) -> None:
    cluster, hand = Cluster(), Hand(waits=100)

    def judge(index: int, time: int) -> int:
        return 400 if index == 3 else 429 if index in {1, 5} and time < 3 else 201

    cluster.judge = judge
    with receiver(cluster) as url:
        (refused,) = ElasticSink(options(url, tmp_path), hand.clock, hand.pause).deliver(sample(tmp_path))
    assert (refused.index, refused.reason) == (3, "400: type_400: said why")
    assert sorted(cluster.order) == [0, 1, 2, 4, 5, 6, 7]
    assert cluster.times[0] == 1
    assert hand.waited == [0.5, 1.0]


def test_what_is_there_already_counts_as_stored(tmp_path: Path) -> None:
    cluster, hand = Cluster(), Hand(waits=100)
    with receiver(cluster) as url:
        sink = ElasticSink(options(url, tmp_path), hand.clock, hand.pause)
        assert sink.deliver(sample(tmp_path)) == []
        assert sink.deliver(sample(tmp_path)) == []
    assert len(cluster.documents) == 8
    assert cluster.order == list(range(8))


def test_a_cluster_that_stays_full_is_unavailable(tmp_path: Path) -> None:
    cluster, hand = Cluster(), Hand(waits=100)

    def judge(index: int, time: int) -> int:
        return 429 if index == 2 and time else 201

    cluster.judge = judge
    with receiver(cluster) as url, pytest.raises(Unavailable, match="no room for 1 of 8 events"):
        ElasticSink(options(url, tmp_path), hand.clock, hand.pause).deliver(sample(tmp_path))


@pytest.mark.parametrize(
    "answer",
    [
        told(429, {"error": {"type": "circuit_breaking_exception"}}),
        told(503, {}),
        told(401, {"error": {"type": "security_exception"}}),
        told(404, {"error": {"type": "index_not_found_exception"}}),
        told(200, {"errors": False}),
        told(200, {"errors": False, "items": [{"create": {"status": 201}}]}),
        told(200, {"errors": True, "items": [{"create": {"status": 403}}] * 8}),
        Told(200, b'{"errors": false, "items": []}', cut=True),
        Told(200, b"not JSON at all"),
    ],
)
def test_what_is_no_fault_of_the_events_is_sent_again(tmp_path: Path, answer: Told) -> None:
    cluster, hand = Cluster(), Hand(waits=100)
    cluster.next.append(answer)
    with receiver(cluster) as url:
        sink = ElasticSink(options(url, tmp_path), hand.clock, hand.pause)
        with pytest.raises(Unavailable):
            sink.deliver(sample(tmp_path))
        assert sink.deliver(sample(tmp_path)) == []
    assert cluster.order == list(range(8))


def test_a_request_that_is_too_large_is_split(tmp_path: Path) -> None:
    cluster, hand = Cluster(), Hand(waits=100)
    cluster.next.extend([told(413, {}), told(413, {})])
    with receiver(cluster) as url:
        assert ElasticSink(options(url, tmp_path), hand.clock, hand.pause).deliver(sample(tmp_path)) == []
    assert cluster.order == list(range(8))
