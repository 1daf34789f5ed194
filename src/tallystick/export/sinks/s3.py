"""Batches as objects of an S3-compatible store. The only module of this room that imports boto3, which has no types.

An object is named by its first index: a batch that is sent again replaces itself or a shorter one, and nothing else.
"""

import gzip
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Final, Protocol, runtime_checkable

import boto3  # pyright: ignore[reportMissingTypeStubs] - it has none
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs] - it has none
from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs] - it has none

from tallystick.export.model import Event, Limits, Refused, Unavailable
from tallystick.export.settings import S3Options
from tallystick.export.sinks.http import secret

_CONNECT_S, _READ_S = 10, 60
_INDEX_DIGITS: Final = 20


@runtime_checkable
class Client(Protocol):
    """What is used of the client; the keywords and answers are those of the S3 API."""

    def put_object(self, **keywords: object) -> Mapping[str, object]:
        """Store an object."""
        ...


class S3Sink:
    """One bucket."""

    overlap = 0

    def __init__(self, options: S3Options) -> None:
        self.limits = Limits(events=10_000, total_bytes=8 << 20)
        self._options = options
        self._client: Client | None = None

    def deliver(self, events: Sequence[Event]) -> list[Refused]:
        """Store a batch as one object; raises `Unavailable`."""
        body = gzip.compress(b"".join([event.body.removesuffix(b"\n") + b"\n" for event in events]), 6, mtime=0)
        first = events[0]
        name = f"{first.place.tenant}/{first.place.year}/{first.index:0{_INDEX_DIGITS}d}.jsonl.gz"
        try:
            self._client = self._client or connect(self._options)
            self._client.put_object(
                Bucket=self._options.bucket,
                Key=f"{self._options.prefix}/{name}" if self._options.prefix else name,
                Body=body,
                ContentType="application/x-ndjson",
                ContentEncoding="gzip",
                # A bucket with Object Lock asks for it (S3 API, PutObject).
                ContentMD5=b64encode(md5(body, usedforsecurity=False).digest()).decode(),
            )
        except (ClientError, BotoCoreError, OSError) as error:
            # Keys may have been renewed in their files.
            self._client = None
            message = f"bucket {self._options.bucket} does not take objects: {error}"
            raise Unavailable(message) from error
        return []

    def close(self) -> None:
        """Let go of the client."""
        self._client = None


def connect(options: S3Options) -> Client:
    """Client of the store; raises `Unavailable`. Opens no connection yet."""
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"} if options.endpoint else {},
    )
    try:
        client: object = boto3.client(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no types
            "s3",
            endpoint_url=options.endpoint or None,
            region_name=options.region,
            aws_access_key_id=secret(options.access_key_file) if options.access_key_file else None,
            aws_secret_access_key=secret(options.secret_key_file) if options.secret_key_file else None,
            verify=options.tls.ca_file or None,
            config=config,
        )
    except (BotoCoreError, ValueError) as error:
        message = f"the settings of the store cannot be used: {error}"
        raise Unavailable(message) from error
    if not isinstance(client, Client):
        message = "boto3 is of another kind than expected"
        raise Unavailable(message)
    return client
