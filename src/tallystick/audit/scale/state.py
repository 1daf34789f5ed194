"""The logs of one deployment in PostgreSQL and S3-compatible storage, as one writer process sees them.

The signing keys and the commitment key are in files of the state directory, on every host that may become the writer.
"""

import os
import threading
from contextlib import ExitStack
from errno import EIO
from pathlib import Path
from secrets import token_hex
from time import CLOCK_REALTIME, clock_gettime

from tallystick.audit.disk import write_durably
from tallystick.audit.keeping.classes import BUILT_IN, YEAR_DAYS
from tallystick.audit.log.files import lock_directory, open_signing
from tallystick.audit.model import Unwritable
from tallystick.audit.payload.keys import Master
from tallystick.audit.scale.bucket.client import connect
from tallystick.audit.scale.bucket.copy import LocalCopy
from tallystick.audit.scale.bucket.objects import Objects
from tallystick.audit.scale.bucket.uploads import Uploads
from tallystick.audit.scale.database.connection import SCHEMA, Database
from tallystick.audit.scale.database.lease import Leases
from tallystick.audit.scale.keeper import Keeper
from tallystick.audit.scale.options import Options, parse_options, read_dsn
from tallystick.audit.scale.payload.keyring import SCHEMA as KEYS
from tallystick.audit.scale.payload.keyring import ScaleKeyring
from tallystick.audit.scale.payload.records import SCHEMA as RECORDS
from tallystick.audit.scale.payload.records import ScaleRecords
from tallystick.audit.scale.store import ScaleStore
from tallystick.audit.tlog.merkle import EMPTY_ROOT
from tallystick.audit.tlog.note import Checkpoint
from tallystick.audit.writer.sequence import Refused
from tallystick.terms import TenantId

_HOLDER = "scale-holder"
_CREATE_LOG = "INSERT INTO log VALUES (%s, %s, %s, %s, %s, %s, '{}', false) ON CONFLICT DO NOTHING"
_CREATE_HEAD = "INSERT INTO head VALUES (%s, 0) ON CONFLICT DO NOTHING"


class ScaleState:
    """The open store. One process at a time per state directory; per tenant, one in the world."""

    def __init__(self, directory: Path, options: str, *, initialize: bool) -> None:
        self._options = parse_options(options)
        self._directory = directory
        # Whatever was opened is closed in the other order: at the end, or when something cannot be opened.
        self._opened = ExitStack()
        self._opened.callback(os.close, lock_directory(directory))
        try:
            self._open(directory, self._options, initialize=initialize)
        except (OSError, ValueError) as error:
            self._opened.close()
            message = f"the scale-out store cannot be opened: {error}"
            raise Unwritable(message) from error

    def _open(self, directory: Path, options: Options, *, initialize: bool) -> None:
        dsn = read_dsn(options)
        self._commits, self._others, renewals = (self._connected(dsn) for _ in range(3))
        if initialize:
            self._others.script(SCHEMA + KEYS + RECORDS)
        self.objects = Objects(connect(options), options.bucket, options.prefix, _realtime)
        self.objects.check()
        self.signing = open_signing(directory, initialize=initialize and not self.logs())
        self._leases = Leases(renewals, _holder(directory), options.lease_s, options.wait_s)
        self._opened.callback(self._leases.close)
        self._closing = threading.Event()
        self._keeper = Keeper(self._others, self._leases.tenants, self._uploads)
        self._keeper.start()
        self._opened.callback(self._keeper.close)
        self._opened.callback(self._closing.set)

    def _connected(self, dsn: str) -> Database:
        database = Database(dsn, self._options.reconnect_s)
        self._opened.callback(database.close)
        return database

    def logs(self) -> dict[tuple[str, int], str]:
        """Origin of every log by tenant and year."""
        rows = self._others.rows("SELECT tenant, year, origin FROM log ORDER BY log")
        return {(str(tenant), int(str(year))): str(origin) for tenant, year, origin in rows}

    def store(self, tenant: str, year: int) -> ScaleStore:
        """Store of a log that exists, under the tenant's lease; finishes a creation that a crash cut short."""
        name = f"{tenant}/{year}"
        databases, uploads = (self._commits, self._others), self._uploads(name)
        try:
            store = ScaleStore(name, self._leases, databases, uploads, self._options.backlog)
            rows = self._others.rows("SELECT origin, body FROM log WHERE log = %s AND NOT ready", (name,))
            for origin, body in rows:
                self._furnish(store, name, str(origin), str(body))
            uploads.catch_up()
        except OSError as error:
            message = f"{name}: cannot be opened: {error}"
            raise Unwritable(message) from error
        return store

    def create(self, tenant: str, year: int, origin: str, time_us: int) -> None:
        """Create an empty log; raises Unwritable when anything says that it existed before.

        Raises Refused, which is no reason to stop, for a tenant whose writer is another one.
        """
        name = f"{tenant}/{year}"
        try:
            self._leases.take(tenant, patient=False)
        except Unwritable as error:
            raise Refused(error.message) from error
        if self.objects.below(name + "/").versions():
            message = f"{origin}: the bucket holds its objects but the database does not know it; restore the database"
            raise Unwritable(message)
        body = self.signing.sign(Checkpoint(origin, 0, EMPTY_ROOT), time_us / 1_000_000)
        # The row goes first: a crash before the objects are there leaves `ready` false, and the next start goes on.
        self._others.again(_CREATE_LOG, (name, tenant, year, origin, body, time_us))
        self._others.again(_CREATE_HEAD, (name,))
        self.store(tenant, year)

    def payload_places(self, tenant: TenantId, master: Master) -> tuple[ScaleKeyring, ScaleRecords]:
        """Where the payload keys and the payloads of a tenant are; takes its lease. Raises OSError, Unwritable."""
        databases = (self._commits, self._others)
        keyring = ScaleKeyring(databases, tenant, self._leases.take(tenant, patient=False), master)
        return keyring, ScaleRecords(self._others, self.objects.below(f"{tenant}/payload/"), tenant, self._days)

    def _uploads(self, name: str) -> Uploads:
        copy = LocalCopy(self._directory / "audit" / name)
        return Uploads(self.objects.below(name + "/"), self._options, self._closing, copy)

    def _days(self, retention: str) -> float:
        """For how long payloads of a class are locked: as long as it keeps them, or where nobody knows, shortly."""
        known = BUILT_IN.get(retention)
        years = self._options.class_years.get(retention, known.years if known else 0.0)
        return years * YEAR_DAYS or self._options.partial_days

    def close(self) -> None:
        """Give the leases back and let the next process in."""
        try:
            self._opened.close()
        except OSError as error:
            message = f"the scale-out store cannot be closed: {error}"
            raise Unwritable(message) from error

    def _furnish(self, store: ScaleStore, name: str, origin: str, body: str) -> None:
        self._others.again(_CREATE_HEAD, (name,))
        store.show(self.signing.vkeys(origin), "vkey")
        store.show(body)
        until = self.objects.below(name + "/").locked_until("checkpoint")
        if until is None:
            raise OSError(EIO, f"the bucket {self._options.bucket} does not lock what is stored with a lock")
        self._others.again("UPDATE log SET ready = true WHERE log = %s", (name,))


def _holder(directory: Path) -> str:
    """A name for this state directory, made once."""
    path = directory / _HOLDER
    if not path.exists():
        write_durably(path, token_hex(16).encode(), 0o600)
    return path.read_text()


def _realtime() -> float:
    return clock_gettime(CLOCK_REALTIME)
