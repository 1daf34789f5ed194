"""The keyring of a tenant as rows of PostgreSQL: the slots of the embedded keyring, made under the writer's lease.

Destroying a key writes the mark over its row and rewrites the row's part of the table (VACUUM FULL), so that no page of
it holds the wrapped key any more. What it cannot reach are copies that were made before: archived WAL, base backups and
replicas that lag. docs/how-to/scale-out.md says how long those live.
"""

import os
import threading
from collections.abc import Iterable, Sequence
from errno import EIO
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.model import Unwritable
from tallystick.audit.payload.keys import Master, slots
from tallystick.audit.payload.keys.slots import Slot
from tallystick.audit.payload.model import Damaged, Gone, PayloadKey, Why
from tallystick.audit.scale.database.connection import Database
from tallystick.audit.scale.database.lease import HELD

PARTS: Final = 16
"""Parts of the table: an erasure rewrites one, so that it takes moments and blocks only that part meanwhile."""
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS payload_key (
    tenant text NOT NULL, subject text NOT NULL, retention text NOT NULL, id bytea NOT NULL, live boolean NOT NULL,
    slot bytea NOT NULL, PRIMARY KEY (subject, id)
) PARTITION BY HASH (subject);
CREATE UNIQUE INDEX IF NOT EXISTS payload_key_live ON payload_key (tenant, subject, retention, live) WHERE live;
CREATE INDEX IF NOT EXISTS payload_key_id ON payload_key (id);
""" + "".join(
    f"CREATE TABLE IF NOT EXISTS payload_key_{part} PARTITION OF payload_key "
    f"FOR VALUES WITH (MODULUS {PARTS}, REMAINDER {part});\n"
    for part in range(PARTS)
)
_MAKE: Final = f"""
WITH {HELD} INSERT INTO payload_key SELECT %s, %s, %s, %b, true, %b FROM held
ON CONFLICT (tenant, subject, retention, live) WHERE live DO NOTHING
"""  # noqa: S608 - a constant
_MARK: Final = f"""
WITH {HELD} UPDATE payload_key SET slot = %b, live = false WHERE id = %b AND tenant = %s AND EXISTS (SELECT FROM held)
RETURNING tableoid::regclass::text
"""  # noqa: S608 - a constant
_READY_LIMIT: Final = 65_536
_STATES: Final[dict[Why, int]] = {"erased": slots.ERASED, "expired": slots.EXPIRED}


class ScaleKeyring:
    """The data keys of one tenant. The writer's loop makes keys, its clerk destroys them."""

    def __init__(self, databases: tuple[Database, Database], tenant: str, token: int, master: Master) -> None:
        # Keys are made over the connection of the loop's commits, and everything else goes over the other one.
        self._commits, self._others = databases
        self._tenant = tenant
        self._token = token
        self._master = master
        self._lock = threading.Lock()
        self._ready: dict[tuple[str, str], PayloadKey] = {}
        self.damaged: list[int] = []

    @property
    def live(self) -> int:
        """How many keys there are that were not destroyed. Raises OSError."""
        rows = self._others.rows("SELECT count(*) FROM payload_key WHERE tenant = %s AND live", (self._tenant,))
        return int(str(rows[0][0]))

    def key_for(self, subject: str, retention: str, at: float) -> PayloadKey:
        """The live key of a subject and class; a new one is durable when it is returned. Raises Unwritable."""
        key = self._ready.get((subject, retention))
        if key is not None:
            return key
        self.keys_for([(subject, retention)], at)
        with self._lock:
            return self._ready[subject, retention]

    def keys_for(self, pairs: Iterable[tuple[str, str]], at: float) -> None:
        """Fetch or make keys. Raises Unwritable."""
        for subject, retention in pairs:
            if (subject, retention) in self._ready:
                continue
            try:
                slot = self._live(subject, retention) or self._made(subject, retention, at)
            except OSError as error:
                message = (
                    f"the payload keys of {self._tenant} cannot be written: {error}; restart Tallystick to recover"
                )
                raise Unwritable(message) from error
            with self._lock:
                while len(self._ready) >= _READY_LIMIT:
                    del self._ready[next(iter(self._ready))]
                self._ready[subject, retention] = self._opened(slot)

    def key(self, key_id: str) -> PayloadKey | Gone:
        """A key by its id; raises Damaged, OSError."""
        query = "SELECT slot FROM payload_key WHERE id = %b AND tenant = %s"
        rows = self._others.rows(query, (bytes.fromhex(key_id), self._tenant))
        if not rows:
            message = f"the keyring of {self._tenant} holds no key {key_id}"
            raise Damaged(message)
        slot = _slot(rows[0][0])
        if slot.state in slots.READABLE:
            return self._opened(slot)
        return Gone("erased" if slot.state == slots.ERASED else "expired", None if slot.leaf < 0 else slot.leaf)

    def find(self, subject: str, classes: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Id and class of each key of a subject that was not destroyed. Raises OSError."""
        query = "SELECT slot FROM payload_key WHERE tenant = %s AND subject = %s ORDER BY retention, id"
        found = [_slot(row[0]) for row in self._others.rows(query, (self._tenant, subject))]
        return [
            (slot.key_id.hex(), slot.retention)
            for slot in found
            if slot.state in slots.READABLE and (classes is None or slot.retention in classes)
        ]

    def retire(self, key_ids: Iterable[str]) -> None:
        """Use keys for nothing new, durably: what comes goes under another one. Raises Unwritable."""
        try:
            for key_id in map(bytes.fromhex, key_ids):
                slot = self._slot_of(key_id)
                if slot.state == slots.LIVE:
                    self._replace(slot, slot._replace(state=slots.RETIRED))
        except OSError as error:
            message = f"payload keys of {self._tenant} cannot be retired: {error}; restart Tallystick and ask again"
            raise Unwritable(message) from error

    def destroy(self, key_ids: Iterable[str], why: Why, leaf: int | None, at: float) -> int:
        """Write marks over live keys and rewrite their pages; returns how many there were. Raises Unwritable."""
        doomed = [key_id for key_id in key_ids if not isinstance(self.key(key_id), Gone)]
        try:
            parts = {self._mark(bytes.fromhex(key_id), why, leaf, at) for key_id in doomed}
            for part in sorted(parts):
                self._others.again(f"VACUUM (FULL) {part}")
        except OSError as error:
            message = f"payload keys of {self._tenant} cannot be destroyed: {error}; restart Tallystick and ask again"
            raise Unwritable(message) from error
        return len(doomed)

    def close(self) -> None:
        """Forget the keys."""
        self._ready.clear()

    def _live(self, subject: str, retention: str) -> Slot | None:
        query = "SELECT slot FROM payload_key WHERE tenant = %s AND subject = %s AND retention = %s AND live"
        rows = self._commits.rows(query, (self._tenant, subject, retention))
        return _slot(rows[0][0]) if rows else None

    def _made(self, subject: str, retention: str, at: float) -> Slot:
        """Insert a key; durable when it returns. After a lost connection the row that stands counts."""
        version, nonce = self._master.newest, os.urandom(slots.NONCE_BYTES)
        bare = Slot(
            slots.LIVE, version, int(at * 1_000_000), 0, slots.NO_LEAF, os.urandom(16), subject, retention, nonce, b""
        )
        wrapped = self._master.cipher(version).encrypt(nonce, AESGCM.generate_key(256), bare.bound(self._tenant))
        content = slots.encode(bare._replace(wrapped=wrapped))
        values = (self._tenant, self._token, self._tenant, subject, retention, bare.key_id, content)
        self._commits.again(_MAKE, values)
        slot = self._live(subject, retention)
        if slot is None:
            raise OSError(EIO, "the lease is lost: another writer has taken over")
        return slot

    def _mark(self, key_id: bytes, why: Why, leaf: int | None, at: float) -> str:
        slot = self._slot_of(key_id)
        return self._replace(slot, slots.destroyed(slot, _STATES[why], leaf, int(at * 1_000_000)))

    def _slot_of(self, key_id: bytes) -> Slot:
        rows = self._others.rows("SELECT slot FROM payload_key WHERE id = %b AND tenant = %s", (key_id, self._tenant))
        return _slot(rows[0][0])

    def _replace(self, slot: Slot, mark: Slot) -> str:
        """Write a slot in the place of one that is not for new payloads any more; returns its part of the table."""
        values = (self._tenant, self._token, slots.encode(mark), slot.key_id, self._tenant)
        with self._lock:
            ready = self._ready.get((slot.subject, slot.retention))
            if ready is not None and ready.id == slot.key_id.hex():
                del self._ready[slot.subject, slot.retention]
            found = self._others.rows(_MARK, values)
        if not found:
            raise OSError(EIO, "the lease is lost: another writer has taken over")
        return str(found[0][0])

    def _opened(self, slot: Slot) -> PayloadKey:
        try:
            key = self._master.cipher(slot.version).decrypt(slot.nonce, slot.wrapped, slot.bound(self._tenant))
        except InvalidTag as error:
            message = f"key {slot.key_id.hex()} of {self._tenant} does not open with keyring key {slot.version}"
            raise Damaged(message) from error
        return PayloadKey(slot.key_id.hex(), AESGCM(key))


def _slot(content: object) -> Slot:
    try:
        slot = slots.decode(content) if isinstance(content, bytes) else None
    except ValueError as error:
        message = f"a slot of the keyring is damaged: {error}"
        raise Damaged(message) from error
    if slot is None:
        message = "a slot of the keyring is empty"
        raise Damaged(message)
    return slot
