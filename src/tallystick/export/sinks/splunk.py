"""Splunk's HTTP Event Collector, with indexer acknowledgement.

Without acknowledgement an answer of 200 only means that the events look valid. With it each batch has an id, and counts
once the indexer says so; one that it does not say so of in time is sent again.
"""

import json
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from tallystick.export.model import (
    Event,
    Limits,
    Pause,
    Refused,
    Unavailable,
    is_object,
    settle,
)
from tallystick.export.settings import SplunkOptions
from tallystick.export.sinks.http import Answer, Http, secret
from tallystick.terms import Clock

_POLL_S: Final = 1.0
_ABOUT_EVENTS: Final = frozenset({5, 6, 12, 13, 15})
"""Codes of a 400 that speak of the events: no data, invalid format, event missing or blank, indexed fields."""


class SplunkSink:
    """One collector."""

    overlap = 0

    def __init__(self, options: SplunkOptions, clock: Clock, pause: Pause) -> None:
        self.limits = Limits()
        self._options = options
        self._clock = clock
        self._pause = pause
        self._http = Http(options.url, options.tls, clock)
        self._channel = str(uuid.uuid4())

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send, and wait until the indexer has it."""
        return settle(events, self._send)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, events: Sequence[Event]) -> list[Refused]:
        body = b"".join([event.body for event in events])
        answer = self._http.post("/services/collector/event", body, self._headers(), compress=True)
        self._judge(answer)
        if self._options.acknowledge:
            number = answer.fields().get("ackId")
            if not isinstance(number, int):
                message = "the collector gives no ackId: enable indexer acknowledgement for the token, or set it false"
                raise Unavailable(message)
            self._await(number)
        return []

    def _headers(self) -> dict[str, str]:
        token = secret(self._options.token_file)
        return {
            "Authorization": f"Splunk {token}",
            "Content-Type": "application/json",
            "X-Splunk-Request-Channel": self._channel,
        }

    def _judge(self, answer: Answer) -> None:
        # The same status speaks of events and of the token's settings; only the code tells which.
        code = answer.fields().get("code")
        if answer.status == HTTPStatus.BAD_REQUEST and code not in _ABOUT_EVENTS:
            raise self._http.later(answer)
        if answer.status == HTTPStatus.OK and code not in (0, None):
            raise self._http.later(answer)
        self._http.judge(answer)

    def _await(self, number: int) -> None:
        deadline = self._clock() + self._options.ack_timeout_s
        asked = json.dumps({"acks": [number]}).encode()
        while True:
            answer = self._http.post(f"/services/collector/ack?channel={self._channel}", asked, self._headers())
            acks = answer.fields().get("acks")
            if answer.status == HTTPStatus.OK and is_object(acks) and acks.get(str(number)) is True:
                return
            if answer.status not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS):
                raise self._http.later(answer)
            if self._clock() >= deadline:
                # The channel may be broken with the indexer behind it: the next try opens another.
                self._channel = str(uuid.uuid4())
                message = f"no acknowledgement within {self._options.ack_timeout_s:g} s; the batch is sent again"
                raise Unavailable(message)
            self._pause(_POLL_S)
