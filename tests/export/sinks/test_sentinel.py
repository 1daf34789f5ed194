"""The Logs Ingestion API: tokens that end, calls that are too large, and patience that is asked for."""

import json
from collections import deque
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tallystick.export.model import Event, Unavailable
from tallystick.export.settings import SentinelOptions
from tallystick.export.sinks.sentinel import SentinelSink
from tests.export.kept import Hand
from tests.export.sinks.receiver import Asked, Told, receiver, told
from tests.export.sinks.sent import PLACE, PLAIN, events, format_for, secret_file

SECRET = "made-up~client~secret"
CLIENT = "11111111-2222-3333-4444-555555555555"
RULE = "dcr-" + "a" * 32


class Azure:
    """Entra ID and a data collection endpoint: a token works until it ends, a call takes `most` bytes."""

    def __init__(self, clock: Hand, lasts: int = 3600, most: int = 1 << 20) -> None:
        self.clock = clock
        self.lasts = lasts
        self.most = most
        self.tokens: dict[str, float] = {}
        self.rows: list[dict[str, object]] = []
        self.calls = 0
        self.next: deque[Told] = deque()

    def __call__(self, asked: Asked) -> Told:
        """Answer one request."""
        if asked.path == "/contoso.example/oauth2/v2.0/token":
            return self._token(asked)
        self.calls += 1
        assert asked.path == f"/dataCollectionRules/{RULE}/streams/Custom-Tallystick_CL"
        assert asked.query == {"api-version": "2023-01-01"}
        token = asked.headers["authorization"].removeprefix("Bearer ")
        if self.tokens.get(token, 0.0) <= self.clock.now:
            return told(401, {"error": {"code": "InvalidToken", "message": "the token has expired"}})
        if self.next:
            return self.next.popleft()
        if len(asked.body) > self.most:
            return told(413, {"error": {"code": "ContentLengthLimitExceeded"}})
        rows = json.loads(asked.body)
        if any("TimeGenerated" not in row for row in rows):
            return told(400, {"error": {"code": "InvalidRequest", "message": "TimeGenerated is missing"}})
        self.rows += rows
        return Told(204, b"")

    def _token(self, asked: Asked) -> Told:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form.get("client_secret") != SECRET:
            return told(401, {"error": "invalid_client", "error_description": f"wrong: {form.get('client_secret')}"})
        assert form["scope"] == "https://monitor.azure.com/.default"
        assert form["grant_type"] == "client_credentials"
        token = f"token-{len(self.tokens)}"
        self.tokens[token] = self.clock.now + self.lasts
        return told(200, {"token_type": "Bearer", "expires_in": self.lasts, "access_token": token})


def options(url: str, folder: Path) -> SentinelOptions:
    """Settings for both, at one address."""
    secret = secret_file(folder, SECRET)
    return SentinelOptions(url, RULE, "Custom-Tallystick_CL", "contoso.example", CLIENT, secret, url, PLAIN)


def sample(folder: Path, numbers: range = range(5)) -> list[Event]:
    """Events as rows of the table."""
    return events(format_for("sentinel", options("http://127.0.0.1", folder)), numbers)


def test_rows_arrive_in_order_with_one_token(tmp_path: Path) -> None:
    hand = Hand()
    azure = Azure(hand)
    with receiver(azure) as url:
        sink = SentinelSink(options(url, tmp_path), hand.clock)
        assert sink.deliver(sample(tmp_path)) == []
        assert sink.deliver(sample(tmp_path, range(5, 8))) == []
    assert [row["LogIndex"] for row in azure.rows] == list(range(8))
    assert len(azure.tokens) == 1


def test_a_token_is_renewed_before_it_ends(tmp_path: Path) -> None:
    hand = Hand()
    azure = Azure(hand, lasts=3600)
    with receiver(azure) as url:
        sink = SentinelSink(options(url, tmp_path), hand.clock)
        sink.deliver(sample(tmp_path))
        hand.now += 3299
        sink.deliver(sample(tmp_path))
        assert len(azure.tokens) == 1
        hand.now += 2
        sink.deliver(sample(tmp_path))
    assert len(azure.tokens) == 2
    assert azure.calls == 3


def test_a_token_that_was_withdrawn_is_replaced_once(tmp_path: Path) -> None:
    hand = Hand()
    azure = Azure(hand)
    with receiver(azure) as url:
        sink = SentinelSink(options(url, tmp_path), hand.clock)
        sink.deliver(sample(tmp_path))
        azure.tokens["token-0"] = 0.0
        assert sink.deliver(sample(tmp_path)) == []
        assert len(azure.tokens) == 2
        # Every token is refused: it is our rights that are missing, and nobody is flooded with questions.
        azure.lasts = 0
        azure.tokens["token-1"] = 0.0
        with pytest.raises(Unavailable, match="401"):
            sink.deliver(sample(tmp_path))
    assert len(azure.tokens) == 3


def test_a_call_that_is_too_large_is_split_and_a_row_that_never_fits_is_refused(tmp_path: Path) -> None:
    hand = Hand()
    batch = sample(tmp_path, range(16))
    azure = Azure(hand, most=4 * len(batch[0].body))
    batch[5] = Event(PLACE, 5, "denial", "", b'{"TimeGenerated": "%s"}' % (b"x" * azure.most))
    with receiver(azure) as url:
        (refused,) = SentinelSink(options(url, tmp_path), hand.clock).deliver(batch)
    assert refused.index == 5
    assert [row["LogIndex"] for row in azure.rows] == [index for index in range(16) if index != 5]


def test_a_row_that_does_not_fit_the_table_is_refused_alone(tmp_path: Path) -> None:
    hand = Hand()
    azure, batch = Azure(hand), sample(tmp_path, range(8))
    batch[3] = Event(PLACE, 3, "denial", "", b'{"NoSuchColumn": 1}')
    with receiver(azure) as url:
        (refused,) = SentinelSink(options(url, tmp_path), hand.clock).deliver(batch)
    assert refused.index == 3
    assert "TimeGenerated is missing" in refused.reason


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (told(429, {"error": {"code": "TooManyRequests"}}, Retry_After="30"), 30.0),
        (told(503, {}, Retry_After="Thu, 28 May 2026 20:27:20 GMT"), 30.0),
        (told(403, {"error": {"code": "OperationFailed", "message": "no Monitoring Metrics Publisher"}}), None),
        (told(404, {"error": {"code": "NotFound"}}), None),
        (Told(204, b"xx", cut=False), "taken"),
        (Told(500, b"half of an answer", cut=True), None),
    ],
)
def test_what_is_no_fault_of_the_rows_is_sent_again(tmp_path: Path, answer: Told, wait: float | str | None) -> None:
    hand = Hand()
    azure = Azure(hand)
    azure.next.append(answer)
    with receiver(azure) as url:
        sink = SentinelSink(options(url, tmp_path), hand.clock)
        if wait == "taken":
            assert sink.deliver(sample(tmp_path)) == []
            return
        with pytest.raises(Unavailable) as raised:
            sink.deliver(sample(tmp_path))
        assert raised.value.retry_after_s == wait
        assert sink.deliver(sample(tmp_path)) == []


def test_a_refused_secret_is_told_by_its_code_and_never_repeated(tmp_path: Path) -> None:
    hand = Hand()
    with receiver(Azure(hand)) as url:
        sink, batch = SentinelSink(options(url, tmp_path), hand.clock), sample(tmp_path)
        secret_file(tmp_path, "another~secret")
        with pytest.raises(Unavailable) as raised:
            sink.deliver(batch)
    assert "invalid_client" in raised.value.message
    assert "another" not in raised.value.message
