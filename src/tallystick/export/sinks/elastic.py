"""Elasticsearch and OpenSearch through the bulk API, into a data stream.

The answer names each item: what is there already (409) was sent before and counts; what the cluster had no room for is
sent again; what it cannot map is refused for good. Events have ids, so nothing is stored twice.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from tallystick.export.model import Event, Limits, Pause, Refused, Unavailable, is_list, is_object, settle
from tallystick.export.settings import ElasticOptions
from tallystick.export.sinks.http import Answer, Http, secret
from tallystick.terms import Clock

_TRIES: Final = 6
_FIRST_PAUSE_S: Final = 0.5
_LATER: Final = frozenset({408, 429, 500, 502, 503, 504})
_STORED: Final = frozenset({200, 201, 409})


class ElasticSink:
    """One cluster."""

    overlap = 0

    def __init__(self, options: ElasticOptions, clock: Clock, pause: Pause) -> None:
        self.limits = Limits(total_bytes=4 << 20)
        self._options = options
        self._pause = pause
        self._http = Http(options.url, options.tls, clock)

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send until each item is stored or refused for good."""
        return settle(events, self._send)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, events: Sequence[Event]) -> list[Refused]:
        refused: list[Refused] = []
        left, wait = list(events), _FIRST_PAUSE_S
        for _ in range(_TRIES):
            answer = self._post(left)
            self._http.judge(answer)
            left = self._sort(left, answer, refused)
            if not left:
                return refused
            self._pause(wait)
            wait *= 2
        message = f"the cluster has no room for {len(left)} of {len(events)} events"
        raise Unavailable(message)

    def _post(self, events: Sequence[Event]) -> Answer:
        headers = {"Content-Type": "application/x-ndjson"}
        if self._options.api_key_file:
            headers["Authorization"] = f"ApiKey {secret(self._options.api_key_file)}"
        body = b"".join([event.body for event in events])
        path = f"/{self._options.stream}/_bulk?filter_path=errors,items.*.status,items.*.error"
        return self._http.post(path, body, headers, compress=True)

    def _sort(self, events: Sequence[Event], answer: Answer, refused: list[Refused]) -> list[Event]:
        """Return what is to be sent again; what is refused for good is added to `refused`."""
        items = answer.fields().get("items")
        if not is_list(items) or len(items) != len(events):
            message = f"the answer does not name the {len(events)} items that were sent: {answer.told()}"
            raise Unavailable(message)
        again: list[Event] = []
        for event, item in zip(events, items, strict=True):
            told = next(iter(item.values()), None) if is_object(item) else None
            status = told.get("status") if is_object(told) else None
            if not isinstance(status, int) or status in _LATER:
                again.append(event)
            elif status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND):
                message = f"the cluster answered {status} for an item: {_reason(told)}"
                raise Unavailable(message)
            elif status not in _STORED:
                refused.append(Refused(event.index, f"{status}: {_reason(told)}"))
        return again


def _reason(told: object) -> str:
    error = told.get("error") if is_object(told) else None
    if not is_object(error):
        return str(error)[:500]
    return f"{error.get('type')}: {error.get('reason')}"[:500]
