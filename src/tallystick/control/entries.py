"""What control state tells about itself: history, reviews, answers that were given, and what the record waits for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tallystick.control.model import Actor, Key, Resource, State
from tallystick.settings import Problem
from tallystick.snapshot import Document
from tallystick.terms import TenantId

Judge = Callable[[Mapping[str, Document]], tuple[Problem, ...]]
"""Compiles a candidate and returns everything that is wrong with it."""


@dataclass(frozen=True, slots=True)
class Sqlite:
    """A control database for one machine: a file."""

    path: Path


@dataclass(frozen=True, slots=True)
class Postgres:
    """A control database for several: libpq's connection string."""

    dsn: str


@dataclass(frozen=True, slots=True)
class Where:
    """Which resources of a kind are asked for; what is None or empty does not matter.

    `tenants` may hold `EVERYWHERE`; `text` is looked for in name, title and description, whatever the case.
    """

    tenants: frozenset[str] | None = None
    state: State | None = None
    owner: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    text: str = ""


class Entry(NamedTuple):
    """What one commit did to one resource. `at` is RFC 3339, UTC; null `before`: new; null `after`: removed."""

    revision: int
    at: str
    actor: Actor
    why: str
    key: Key
    before: Resource | None
    after: Resource | None


class Review(NamedTuple):
    """One step that was taken, or refused for what is in `unmet` (each "code: text"); then `revision` is 0."""

    revision: int
    at: str
    actor: Actor
    key: Key
    origin: State
    to: State
    comment: str
    conditions: tuple[str, ...]
    expires: str | None
    definition: str | None
    unmet: tuple[str, ...]


class Unrecorded(NamedTuple):
    """A leaf that the record does not have yet. `doubtful`: it was given to the record before, without an answer.

    `number` orders the outbox; `topic` names what it is about; `id` is the leaf's own.
    """

    number: int
    id: str
    revision: int
    tenant: TenantId
    topic: str
    leaf: bytes
    doubtful: bool


class Stored(NamedTuple):
    """The answer that a request with this idempotency key got."""

    status: int
    body: bytes
    headers: Mapping[str, str]


class Mismatch(NamedTuple):
    """The same idempotency key was used for another request; or, `running`, for this one, which has no answer yet."""

    name: str
    running: bool = False


class Note(NamedTuple):
    """What a follower of the history remembers. `version` is for `keep`: who writes says which one it read."""

    value: Mapping[str, object]
    version: int
