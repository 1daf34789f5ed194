"""One HTTP client for all sinks that speak HTTP: verified TLS, bounded answers, no retries and no redirects of its own.

What an answer means is the sink's business; here it is only sorted into taken, wrong for good, and later.
"""

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import urllib3

from tallystick.export.model import BatchRefusedError, Unavailable, is_object
from tallystick.export.settings import Tls
from tallystick.terms import Clock

ANSWER_LIMIT: Final = 16 << 20
"""Bytes of an answer that are read: a bulk answer names each item."""
_CONNECT_S: Final = 10.0
_READ_S: Final = 60.0
_LONGEST_WAIT_S: Final = 3600.0
_QUOTED: Final = 300
"""Characters of an answer that a message may repeat."""
WRONG: Final = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY})
"""Answers that are about what was sent. All others are about the sink, its credentials or the moment."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers (names in lower case) and body of an answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def fields(self) -> dict[str, object]:
        """The body as a JSON object; empty where it is none."""
        try:
            value: object = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return value if is_object(value) else {}

    def told(self) -> str:
        """What the answer says, for a message: one short line in which nothing can steer a terminal."""
        text = self.body[:_QUOTED].decode(errors="replace")
        return "".join([letter if letter.isprintable() else " " for letter in text]).strip() or "no text"


class Http:
    """A client of one server."""

    def __init__(self, url: str, tls: Tls, clock: Clock, read_s: float = _READ_S) -> None:
        self._url = url
        self._where = urlsplit(url).netloc
        self._clock = clock
        self._pool = urllib3.PoolManager(
            num_pools=2,
            maxsize=1,
            retries=False,
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=read_s),
            cert_reqs="CERT_REQUIRED",
            ca_certs=tls.ca_file or None,
            cert_file=tls.certificate_file or None,
            key_file=tls.key_file or None,
        )

    def post(self, path: str, body: bytes, headers: Mapping[str, str], *, compress: bool = False) -> Answer:
        """Send a body and return the whole answer; raises `Unavailable` where there is none."""
        said = {"User-Agent": "tallystick", **headers}
        if compress:
            body, said["Content-Encoding"] = gzip.compress(body, 1, mtime=0), "gzip"
        try:
            reply = self._pool.request(
                "POST", self._url + path, body=body, headers=said, redirect=False, preload_content=False
            )
            try:
                content = reply.read(ANSWER_LIMIT, decode_content=False)
                if len(content) >= ANSWER_LIMIT:
                    message = f"{self._where} answers with more than {ANSWER_LIMIT} bytes"
                    raise Unavailable(message)
            finally:
                reply.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            message = f"{self._where} cannot be reached: {error}"
            raise Unavailable(message) from error
        return Answer(reply.status, {name.lower(): value for name, value in reply.headers.items()}, content)

    def later(self, answer: Answer) -> Unavailable:
        """An answer that says: not now, or not with these credentials. Retry-After is honoured (RFC 9110, 10.2.3)."""
        message = f"{self._where} answered {answer.status}: {answer.told()}"
        return Unavailable(message, retry_after(answer.headers.get("retry-after"), self._clock()))

    def judge(self, answer: Answer) -> None:
        """Return for a taken batch; raises `BatchRefusedError` for a wrong one and `Unavailable` for all else."""
        if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return
        if answer.status in WRONG:
            message = f"{answer.status}: {answer.told()}"
            raise BatchRefusedError(message)
        raise self.later(answer)

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def retry_after(text: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks to wait, at most an hour; None where it says nothing."""
    if text is None:
        return None
    if text.strip().isdecimal():
        return min(_LONGEST_WAIT_S, float(text.strip()))
    try:
        wait = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return min(_LONGEST_WAIT_S, max(0.0, wait))


def secret(path: str) -> str:
    """What a secret's file holds, without the newline at its end; raises `Unavailable`."""
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"the secret in {path} cannot be read: {error}"
        raise Unavailable(message) from error
