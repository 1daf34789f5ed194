"""Called by Alembic: runs the scripts on the connection, and in the transaction, of whoever asked for it."""

from alembic import context
from sqlalchemy import Connection

_connection = context.config.attributes["connection"]
if not isinstance(_connection, Connection):
    _message = "migrations run on a connection that Tallystick opened"
    raise TypeError(_message)
# Foreign keys and indexes are made by name; nothing is dropped, so SQLite needs no copies of tables.
context.configure(connection=_connection, transactional_ddl=False)
context.run_migrations()
