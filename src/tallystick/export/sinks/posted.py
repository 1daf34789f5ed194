"""Receivers that take a JSON body over HTTP: OTLP logs, and a webhook of anybody's."""

from collections.abc import Sequence
from http import HTTPStatus

from tallystick.export.formats import otlp_request
from tallystick.export.model import Event, Limits, Refused, is_object, settle
from tallystick.export.settings import HttpOptions
from tallystick.export.sinks.http import Http, secret
from tallystick.terms import Clock

_JSON = "application/json"


class OtlpSink:
    """An OTLP/HTTP receiver, JSON encoding (OpenTelemetry protocol 1.x)."""

    overlap = 0

    def __init__(self, options: HttpOptions, clock: Clock) -> None:
        # Small batches: a receiver that rejects some of one does not say which, and the request must not be repeated.
        self.limits = Limits(events=100)
        self._options = options
        self._http = Http(options.url, options.tls, clock)

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send an export request."""
        return settle(events, self._send)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, events: Sequence[Event]) -> list[Refused]:
        body = otlp_request(event.body for event in events)
        answer = self._http.post("", body, headers_of(self._options, _JSON), compress=True)
        self._http.judge(answer)
        told = answer.fields().get("partialSuccess")
        rejected = str(told.get("rejectedLogRecords", 0)) if is_object(told) else "0"
        if answer.status != HTTPStatus.OK or not is_object(told) or rejected in ("", "0"):
            return []
        # Nobody can tell which: all of them are put aside, so that none is lost, and none is sent again unasked.
        why = f"the receiver rejected {rejected} of these {len(events)}: {str(told.get('errorMessage', ''))[:300]}"
        return [Refused(event.index, why) for event in events]


class WebhookSink:
    """Any receiver of JSON lines: 2xx takes a batch, 400, 413 and 422 refuse it, all else means later."""

    overlap = 0

    def __init__(self, options: HttpOptions, clock: Clock) -> None:
        self.limits = Limits()
        self._options = options
        self._http = Http(options.url, options.tls, clock)

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send JSON lines."""
        return settle(events, self._send)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, events: Sequence[Event]) -> list[Refused]:
        body = b"".join([event.body + b"\n" for event in events])
        self._http.judge(self._http.post("", body, headers_of(self._options, "application/x-ndjson")))
        return []


def headers_of(options: HttpOptions, content: str) -> dict[str, str]:
    """What is said with each request."""
    headers = {**options.headers, "Content-Type": content}
    if options.token_file:
        headers["Authorization"] = f"Bearer {secret(options.token_file)}"
    return headers
