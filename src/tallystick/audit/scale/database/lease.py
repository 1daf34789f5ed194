"""The right to write a tenant's logs: one holder at a time, each with a token that is higher than those before it.

The clock is the database's alone. Expiry lets another one take over; what keeps the earlier one out is the token, which
every write of this package asks for in the same statement, under a lock on its row (`HELD`). So a writer that slept
through its own expiry cannot write, however late it wakes; one that expired without a successor just goes on.
"""

import os
import socket
import threading
from contextlib import suppress
from errno import EIO
from time import monotonic
from typing import Final

from tallystick.audit.model import Unwritable
from tallystick.audit.scale.database.connection import Database

HELD: Final = "held AS (SELECT FROM lease WHERE tenant = %s AND token = %s FOR SHARE)"
"""Empty for a writer that was replaced. The share of the row keeps a successor waiting until this statement is over:
what it then finds is everything that this writer wrote."""
_TAKE: Final = """
INSERT INTO lease VALUES (%s, %s, %s, 1, clock_timestamp() + %s * interval '1 second')
ON CONFLICT (tenant) DO UPDATE SET holder = excluded.holder, told = excluded.told, token = lease.token + 1,
    until = excluded.until WHERE lease.until < clock_timestamp() OR lease.holder = excluded.holder
RETURNING token
"""
_WHO: Final = "SELECT told, ceil(extract(epoch FROM until - clock_timestamp()))::int FROM lease WHERE tenant = %s"
_RENEW: Final = """
UPDATE lease SET until = clock_timestamp() + %s * interval '1 second'
FROM unnest(%s::text[], %s::bigint[]) AS mine (tenant, token)
WHERE lease.tenant = mine.tenant AND lease.token = mine.token
"""
_RELEASE: Final = (
    "UPDATE lease SET until = clock_timestamp() WHERE tenant = %s AND token = %s AND until > clock_timestamp()"
)
_LOOK_S: Final = 0.25


class Leases:
    """The leases of one writer process; a thread of its own renews them.

    `holder` names the state directory: its lock proves that an earlier process on it has ended, so that the next one
    need not wait for the lease of that one to run out.
    """

    def __init__(self, database: Database, holder: str, seconds: float, wait_s: float) -> None:
        self._database = database
        self._holder = holder
        self._seconds = seconds
        self._wait_s = wait_s
        self._tokens: dict[str, int] = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)
        self._thread.start()

    def take(self, tenant: str, *, patient: bool = True) -> int:
        """Return the token of a tenant's lease; raises OSError, or Unwritable for one that another writer holds.

        A patient one waits until it runs out. Never so in the loop that others wait for.
        """
        known = self._tokens.get(tenant)
        if known is not None:
            return known
        until = monotonic() + self._wait_s
        told = f"{socket.gethostname()}, process {os.getpid()}"
        while True:
            taken = self._database.rows(_TAKE, (tenant, self._holder, told, self._seconds))
            if taken:
                self._tokens[tenant] = token = _whole(taken[0][0])
                return token
            if not patient or (self._wait_s and monotonic() > until):
                raise Unwritable(self._held_by_another(tenant))
            self._closing.wait(_LOOK_S)

    def tenants(self) -> list[str]:
        """Whose leases were taken."""
        return [*self._tokens]

    def close(self) -> None:
        """Let the next one in. Raises OSError."""
        self._closing.set()
        self._thread.join()
        for tenant, token in self._tokens.items():
            self._database.run(_RELEASE, (tenant, token))

    def _renew(self) -> None:
        while not self._closing.wait(self._seconds / 3):
            mine = dict(self._tokens)
            # A lost lease, or a database that does not answer, is found out by the next write, which asks itself.
            with suppress(OSError):
                self._database.run(_RENEW, (self._seconds, [*mine], [*mine.values()]))

    def _held_by_another(self, tenant: str) -> str:
        rows = self._database.rows(_WHO, (tenant,))
        who, left = rows[0] if rows else ("another writer", 0)
        return (
            f"the lease of tenant {tenant} is held by {who} for another {left} s: it writes this record. "
            "Stop it first, or start this one as a standby (audit.store.standby)"
        )


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise OSError(EIO, f"database: {value!r} is no number")
    return value
