"""Resources, their history and reviews, secrets, and the outbox."""

from alembic import op
from sqlalchemy import BigInteger, Column, ForeignKeyConstraint, Integer, LargeBinary, PrimaryKeyConstraint, Text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def upgrade() -> None:
    """Make the first tables."""
    _make_state()
    _make_rest()


def _make_state() -> None:
    op.create_table(
        "head",
        Column("id", Integer, autoincrement=False),
        Column("revision", _NUMBER, nullable=False),
        Column("published", _NUMBER, nullable=False),
        PrimaryKeyConstraint("id", name="pk_head"),
    )
    op.execute("INSERT INTO head (id, revision, published) VALUES (1, 0, 0)")
    op.create_table(
        "commits",
        Column("revision", _NUMBER, autoincrement=False),
        Column("at", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("why", Text, nullable=False),
        PrimaryKeyConstraint("revision", name="pk_commits"),
    )
    op.create_table(
        "history",
        Column("kind", Text),
        Column("name", Text),
        Column("revision", _NUMBER, autoincrement=False),
        Column("previous", _NUMBER, nullable=False),
        Column("after", Text),
        PrimaryKeyConstraint("kind", "name", "revision", name="pk_history"),
        ForeignKeyConstraint(["revision"], ["commits.revision"], name="fk_history_commits"),
    )
    op.create_index("ix_history_revision", "history", ["revision"])
    op.create_table(
        "resources",
        Column("kind", Text),
        Column("name", Text),
        Column("tenant", Text, nullable=False),
        Column("revision", _NUMBER, nullable=False),
        PrimaryKeyConstraint("kind", "name", name="pk_resources"),
        ForeignKeyConstraint(
            ["kind", "name", "revision"],
            ["history.kind", "history.name", "history.revision"],
            name="fk_resources_history",
        ),
    )


def _make_rest() -> None:
    op.create_table(
        "secrets",
        Column("name", Text),
        Column("sealed", LargeBinary, nullable=False),
        PrimaryKeyConstraint("name", name="pk_secrets"),
    )
    op.create_table(
        "reviews",
        Column("id", Text),
        Column("kind", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("revision", _NUMBER, nullable=False),
        Column("at", Text, nullable=False),
        Column("actor", Text, nullable=False),
        Column("step", Text, nullable=False),
        PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_kind", "reviews", ["kind", "name", "id"])
    op.create_table(
        "outbox",
        Column("number", _NUMBER, autoincrement=True),
        Column("id", Text, nullable=False),
        Column("revision", _NUMBER, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("leaf", LargeBinary, nullable=False),
        PrimaryKeyConstraint("number", name="pk_outbox"),
        sqlite_autoincrement=True,
    )
