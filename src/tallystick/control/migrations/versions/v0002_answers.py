"""Answers to requests with an idempotency key, notes of followers, and whether a leaf was given out before."""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, PrimaryKeyConstraint, Text

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """Expand only: a process of the release before does not see what is new, and writes without it."""
    # The default is for its writers. What lay in the outbox at that time may have been given to the record already.
    op.add_column("outbox", Column("tried", Integer, nullable=False, server_default="0"))
    op.execute("UPDATE outbox SET tried = 1")
    op.create_table(
        "answers",
        Column("actor", Text),
        Column("name", Text),
        Column("at", _NUMBER, nullable=False),
        Column("request", Text, nullable=False),
        Column("answer", Text),
        PrimaryKeyConstraint("actor", "name", name="pk_answers"),
    )
    op.create_index("ix_answers_at", "answers", ["at"])
    op.create_table(
        "notes",
        Column("name", Text),
        Column("content", Text, nullable=False),
        Column("version", _NUMBER, nullable=False),
        PrimaryKeyConstraint("name", name="pk_notes"),
    )
