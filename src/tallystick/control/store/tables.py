"""The tables of control state: one schema for SQLite and PostgreSQL. What a resource holds is JSON text, in `history`.

Changed together with a script in `migrations/versions`; a test compares what both make.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Index, Integer, LargeBinary, MetaData, Table, Text

SCHEMA: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(referred_table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
    }
)
_NUMBER: Final = BigInteger().with_variant(Integer(), "sqlite")


HEAD: Final = Table(
    "head",
    SCHEMA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("revision", _NUMBER, nullable=False),
    Column("published", _NUMBER, nullable=False),
)
"""One row. Whoever changes anything locks it first, so changes come one after the other."""

COMMITS: Final = Table(
    "commits",
    SCHEMA,
    Column("revision", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
)

HISTORY: Final = Table(
    "history",
    SCHEMA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("revision", _NUMBER, primary_key=True, autoincrement=False),
    Column("previous", _NUMBER, nullable=False),
    Column("after", Text),
    ForeignKeyConstraint(["revision"], ["commits.revision"]),
    Index("ix_history_revision", "revision"),
)
"""Each state that a resource ever had; null `after`: removed. `previous` is the revision of the one before, or 0. It is
kept for ever: what was deployed on some day is a question that comes years later."""

RESOURCES: Final = Table(
    "resources",
    SCHEMA,
    Column("kind", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("revision", _NUMBER, nullable=False),
    ForeignKeyConstraint(["kind", "name", "revision"], ["history.kind", "history.name", "history.revision"]),
)
"""What exists now, and at which revision of `history` it is."""

SECRETS: Final = Table(
    "secrets",
    SCHEMA,
    Column("name", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
)
"""Values of secrets, AES-256-GCM. Only the newest: an old one must be gone."""

REVIEWS: Final = Table(
    "reviews",
    SCHEMA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("revision", _NUMBER, nullable=False),
    Column("at", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("step", Text, nullable=False),
    Index("ix_reviews_kind", "kind", "name", "id"),
)

OUTBOX: Final = Table(
    "outbox",
    SCHEMA,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False),
    Column("revision", _NUMBER, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("tried", Integer, nullable=False, server_default="0"),
    sqlite_autoincrement=True,
)
"""Leaves that the record does not have yet; gone as soon as it has. `tried`: it was given to the record once."""

ANSWERS: Final = Table(
    "answers",
    SCHEMA,
    Column("actor", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("at", _NUMBER, nullable=False),
    Column("request", Text, nullable=False),
    Column("answer", Text),
    Index("ix_answers_at", "at"),
)
"""Answers to requests with an idempotency key; `at` in seconds since the epoch."""

NOTES: Final = Table(
    "notes",
    SCHEMA,
    Column("name", Text, primary_key=True),
    Column("content", Text, nullable=False),
    Column("version", _NUMBER, nullable=False),
)
"""How far each follower of the history has come, and what it has to remember."""
