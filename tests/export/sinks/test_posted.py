"""OTLP receivers and webhooks: what they reject is put aside, what they have no time for is sent again."""

import json
from collections import deque
from pathlib import Path

import pytest

from tallystick.export.model import Event, Unavailable
from tallystick.export.settings import HttpOptions
from tallystick.export.sinks.posted import OtlpSink, WebhookSink
from tests.export.kept import Hand
from tests.export.sinks.receiver import Asked, Told, receiver, told
from tests.export.sinks.sent import PLACE, PLAIN, events, format_for, secret_file


class Collector:
    """Takes what is posted, or says what was put into `next`."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.next: deque[Told] = deque()

    def __call__(self, asked: Asked) -> Told:
        """Answer one request."""
        answer = self.next.popleft() if self.next else Told()
        if answer.status == 200 and not answer.cut:
            self.asked.append(asked)
        return answer

    @property
    def records(self) -> list[dict[str, object]]:
        """Log records in the order in which they came."""
        bodies = [json.loads(asked.body) for asked in self.asked]
        return [record for body in bodies for record in body["resourceLogs"][0]["scopeLogs"][0]["logRecords"]]


def options(url: str, folder: Path) -> HttpOptions:
    """Settings for a receiver with a token and a header of its own."""
    return HttpOptions(f"{url}/v1/logs", secret_file(folder, "a-token"), {"X-Scope-OrgID": "bank"}, PLAIN)


def records(folder: Path, numbers: range = range(5)) -> list[Event]:
    """Events as log records."""
    return events(format_for("otlp", options("http://127.0.0.1", folder)), numbers)


def test_log_records_arrive_in_order(tmp_path: Path) -> None:
    collector = Collector()
    with receiver(collector) as url:
        sink = OtlpSink(options(url, tmp_path), Hand().clock)
        assert sink.deliver(records(tmp_path)) == []
    assert len(collector.records) == 5
    (asked,) = collector.asked
    assert (asked.path, asked.headers["content-type"]) == ("/v1/logs", "application/json")
    assert (asked.headers["authorization"], asked.headers["x-scope-orgid"]) == ("Bearer a-token", "bank")


def test_a_partial_success_puts_the_request_aside_and_never_repeats_it(tmp_path: Path) -> None:
    collector = Collector()
    collector.next.append(told(200, {"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}))
    with receiver(collector) as url:
        refused = OtlpSink(options(url, tmp_path), Hand().clock).deliver(records(tmp_path))
    assert [entry.index for entry in refused] == list(range(5))
    assert refused[0].reason == "the receiver rejected 2 of these 5: too old"
    assert len(collector.asked) == 1


@pytest.mark.parametrize("told_", [{}, {"partialSuccess": {}}, {"partialSuccess": {"errorMessage": "a warning"}}])
def test_a_warning_is_no_rejection(tmp_path: Path, told_: dict[str, object]) -> None:
    collector = Collector()
    collector.next.append(told(200, told_))
    with receiver(collector) as url:
        assert OtlpSink(options(url, tmp_path), Hand().clock).deliver(records(tmp_path)) == []


@pytest.mark.parametrize("status", [401, 404, 429, 502, 503, 504])
def test_other_answers_mean_later(tmp_path: Path, status: int) -> None:
    collector = Collector()
    collector.next.append(told(status, {}, Retry_After="7"))
    with receiver(collector) as url:
        sink = OtlpSink(options(url, tmp_path), Hand().clock)
        with pytest.raises(Unavailable) as raised:
            sink.deliver(records(tmp_path))
        assert raised.value.retry_after_s == 7.0
        assert sink.deliver(records(tmp_path)) == []


def test_a_connection_that_breaks_in_mid_answer_means_later(tmp_path: Path) -> None:
    collector = Collector()
    collector.next.append(Told(200, b'{"partialSuccess": {}}', cut=True))
    with receiver(collector) as url, pytest.raises(Unavailable):
        OtlpSink(options(url, tmp_path), Hand().clock).deliver(records(tmp_path))


def test_a_webhook_gets_lines_and_the_one_it_refuses_is_found(tmp_path: Path) -> None:
    collector = Collector()

    def judge(asked: Asked) -> Told:
        return told(422, {"detail": "no"}) if b"POISON" in asked.body else collector(asked)

    chosen = format_for("webhook", options("http://127.0.0.1", tmp_path))
    batch = events(chosen, range(10))
    batch[4] = Event(PLACE, 4, "denial", "", b"POISON")
    with receiver(judge) as url:
        (refused,) = WebhookSink(options(url, tmp_path), Hand().clock).deliver(batch)
    assert (refused.index, refused.reason) == (4, '422: {"detail": "no"}')
    lines = [line for asked in collector.asked for line in asked.body.splitlines()]
    assert len(lines) == 9
