"""Microsoft Sentinel through the Logs Ingestion API, with a token of Entra ID (OAuth 2.0 client credentials)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

from tallystick.export.model import Event, Limits, Refused, Unavailable, settle
from tallystick.export.settings import SentinelOptions
from tallystick.export.sinks.http import Answer, Http, secret
from tallystick.terms import Clock

_VERSION: Final = "2023-01-01"
_SCOPE: Final = "https://monitor.azure.com/.default"
_EARLY_S: Final = 300.0
"""A token is renewed this long before it ends: clocks differ, and a batch takes its time."""
_DEFAULT_LIFE_S: Final = 3600.0


class SentinelSink:
    """One stream of one data collection rule. A call takes 1 MB, counted before and after compression."""

    overlap = 0

    def __init__(self, options: SentinelOptions, clock: Clock) -> None:
        self.limits = Limits(events=1000, total_bytes=900_000, event_bytes=900_000)
        self._options = options
        self._clock = clock
        self._http = Http(options.endpoint, options.tls, clock)
        self._entra = Http(options.authority, options.tls, clock)
        self._token = ""
        self._token_ends = 0.0

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Send rows as one array."""
        return settle(events, self._send)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._entra.close()

    def _send(self, events: Sequence[Event]) -> list[Refused]:
        body = b"[" + b",".join([event.body for event in events]) + b"]"
        answer = self._post(body)
        if answer.status == HTTPStatus.UNAUTHORIZED:
            # Withdrawn, or our clock is wrong: one new token, and only if that is refused too is it our credentials.
            self._token = ""
            answer = self._post(body)
        if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            self._token = ""
        self._http.judge(answer)
        return []

    def _post(self, body: bytes) -> Answer:
        rule, stream = quote(self._options.rule), quote(self._options.stream)
        path = f"/dataCollectionRules/{rule}/streams/{stream}?api-version={_VERSION}"
        headers = {"Authorization": f"Bearer {self._bearer()}", "Content-Type": "application/json"}
        return self._http.post(path, body, headers, compress=True)

    def _bearer(self) -> str:
        if self._token and self._clock() < self._token_ends - _EARLY_S:
            return self._token
        asked = {
            "grant_type": "client_credentials",
            "client_id": self._options.client,
            "client_secret": secret(self._options.secret_file),
            "scope": _SCOPE,
        }
        now = self._clock()
        path = f"/{quote(self._options.directory)}/oauth2/v2.0/token"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = self._entra.post(path, urlencode(asked).encode(), headers)
        told = answer.fields()
        token, life = told.get("access_token"), told.get("expires_in")
        if answer.status != HTTPStatus.OK or not isinstance(token, str) or not token:
            # The answer may repeat what was sent: only its code is told.
            message = f"Entra gives no token: {answer.status} {told.get('error', '')}"
            raise Unavailable(message, self._entra.later(answer).retry_after_s)
        lasts = float(life) if isinstance(life, int | float | str) and str(life).isdecimal() else _DEFAULT_LIFE_S
        # INVARIANT: a short-lived token is used at least once, or none would ever be.
        self._token, self._token_ends = token, now + max(lasts, _EARLY_S + 1)
        return token
