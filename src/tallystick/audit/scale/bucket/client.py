"""The client of the object store, and what its errors mean. The only module that imports boto3, which has no types."""

from collections.abc import Mapping
from errno import EIO
from functools import cache
from typing import Final, Protocol, TypeGuard, runtime_checkable

import boto3  # pyright: ignore[reportMissingTypeStubs] - it has none
from botocore.config import Config  # pyright: ignore[reportMissingTypeStubs] - it has none
from botocore.exceptions import BotoCoreError, ClientError  # pyright: ignore[reportMissingTypeStubs] - it has none
from botocore.session import Session  # pyright: ignore[reportMissingTypeStubs] - it has none

from tallystick.audit.scale.options import Options

FAILURES: Final = (ClientError, BotoCoreError, OSError)
"""What a request may raise."""
POOL: Final = 8
"""Requests at a time."""
_NOT_FOUND: Final = {"NoSuchKey", "404", "NotFound"}
_CONDITION_FAILED: Final = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}
_TRY_AGAIN: Final = {"SlowDown", "RequestTimeout", "RequestTimeTooSkewed", "Throttling", "ThrottlingException", "429"}
_SERVER_ERROR: Final = 500
_CONNECT_S, _READ_S = 3, 10


class AwayError(OSError):
    """The object store does not answer, or asks for patience: what was asked may or may not have happened."""


class ShadowedError(OSError):
    """The condition of a put did not hold: somebody else stored."""


@runtime_checkable
class Body(Protocol):
    """Content of an answer."""

    def read(self) -> bytes:
        """All of it."""
        ...


@runtime_checkable
class Client(Protocol):
    """What is used of the client; the keywords and answers are those of the S3 API."""

    def put_object(self, **keywords: object) -> Mapping[str, object]:
        """Store a version."""
        ...

    def get_object(self, **keywords: object) -> Mapping[str, object]:
        """Read a version."""
        ...

    def head_object(self, **keywords: object) -> Mapping[str, object]:
        """Ask about a version."""
        ...

    def put_object_retention(self, **keywords: object) -> Mapping[str, object]:
        """Extend a lock."""
        ...

    def delete_objects(self, **keywords: object) -> Mapping[str, object]:
        """Lay delete markers over objects."""
        ...

    def delete_object(self, **keywords: object) -> Mapping[str, object]:
        """Delete a version."""
        ...

    def list_object_versions(self, **keywords: object) -> Mapping[str, object]:
        """List versions and delete markers, a page at a time."""
        ...

    def get_object_lock_configuration(self, **keywords: object) -> Mapping[str, object]:
        """Ask whether a bucket locks."""
        ...


def connect(options: Options) -> Client:
    """Client of the object store. Opens no connection yet; raises OSError for credentials that cannot be read."""
    return _client(options.endpoint, options.region, options.credentials_file)


@cache
def _client(endpoint: str, region: str, credentials_file: str) -> Client:
    """One for all logs of a process: making one reads megabytes of descriptions, and threads may share it."""
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=_READ_S,
        max_pool_connections=2 * POOL,
        retries={"total_max_attempts": 1},
        s3={"addressing_style": "path"} if endpoint else {},
    )
    try:
        session = Session()
        if credentials_file:
            session.set_config_variable("credentials_file", credentials_file)  # pyright: ignore[reportUnknownMemberType] - no types
        client: object = boto3.Session(botocore_session=session).client(  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - no types
            "s3", endpoint_url=endpoint or None, region_name=region, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise OSError(EIO, f"object store: {error}") from error
    if not isinstance(client, Client):
        raise OSError(EIO, "object store: boto3 is of another kind")
    return client


def is_absent(error: Exception) -> bool:
    """Tell whether a failure says that there is no such object."""
    return isinstance(error, ClientError) and _code(error)[0] in _NOT_FOUND


def is_without_lock(error: Exception) -> bool:
    """Tell whether a failure says that a bucket has no Object Lock."""
    return isinstance(error, ClientError) and _code(error)[0] == "ObjectLockConfigurationNotFoundError"


def told(error: Exception, what: str) -> OSError:
    """What a failure means, as an error of ours."""
    text = f"object store: {what}: {error}"
    if not isinstance(error, ClientError):
        return AwayError(EIO, text)
    code, status = _code(error)
    if code in _CONDITION_FAILED:
        return ShadowedError(EIO, text)
    return AwayError(EIO, text) if code in _TRY_AGAIN or status >= _SERVER_ERROR else OSError(EIO, text)


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a part of an answer is an object."""
    return isinstance(value, Mapping)


def is_list(value: object) -> TypeGuard[list[object]]:
    """Tell whether a part of an answer is a list."""
    return isinstance(value, list)


def _code(error: ClientError) -> tuple[str, int]:
    answer: object = error.response
    problem = answer.get("Error") if is_mapping(answer) else None
    about = answer.get("ResponseMetadata") if is_mapping(answer) else None
    status = about.get("HTTPStatusCode") if is_mapping(about) else None
    return str(problem.get("Code")) if is_mapping(problem) else "", status if isinstance(status, int) else 0
