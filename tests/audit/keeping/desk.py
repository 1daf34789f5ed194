"""A desk over real logs and vaults, in process, with a clock that tests set."""

import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tallystick.audit.desk import Standing
from tallystick.audit.keeping.ledger import Ledger
from tallystick.audit.leaf import call_id
from tallystick.audit.log.files import State, read_commitment_key
from tallystick.audit.model import Capture, Content
from tallystick.audit.payload import Vault, Vaults, open_provider, open_vaults
from tallystick.audit.payload.files import FileRecords
from tallystick.audit.payload.keys import FileKeyring, Master
from tallystick.audit.writer.logs import Logs
from tallystick.terms import TenantId
from tests.audit.sample import BANK, intent

ANA, BEN = "a" * 64, "b" * 64


class Moment:
    """A clock that moves by a millisecond when it is read, and to wherever it is set."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Return seconds since the epoch."""
        self.now += 0.001
        return self.now


class TellingKeyring(FileKeyring):
    """A keyring that tells when keys are retired."""

    def __init__(self, path: Path, tenant: str, master: Master) -> None:
        super().__init__(path, tenant, master)
        self.retired = threading.Event()

    def retire(self, key_ids: Iterable[str]) -> None:
        """Retire them and tell it."""
        super().retire(key_ids)
        self.retired.set()


class StandingDesk:
    """What an order works with; everything on it is real but the time. `meanwhile` happens before the next leaf."""

    def __init__(self, state: Path, logs: Logs, vaults: Vaults, clock: Moment) -> None:
        self.state = state
        self.commitment_key = read_commitment_key(state)
        self.logs = logs
        self._vaults = vaults
        self.clock = clock
        self.dies: Literal["", "before the leaf", "after the leaf"] = ""
        self._is_dead = False
        self.meanwhile: Callable[[], object] | None = None
        self.signing = logs.signing

    def now(self) -> float:
        """The test's time."""
        return self.clock()

    def new_id(self) -> str:
        """An id of the test's time."""
        return call_id(self.clock(), bytes(10))

    def tenants(self) -> list[TenantId]:
        """Everybody with a log."""
        return self.logs.tenants()

    def standing(self, tenant: TenantId, year: int | None = None) -> Standing:
        """How a log stands."""
        return self.logs.standing(tenant, year)

    def append(self, tenant: TenantId, leaf: bytes) -> int:
        """Append and publish; the process may end before or after that."""
        if self.dies == "before the leaf":
            raise SystemExit(self.dies)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        first = self.logs.append(tenant, [leaf])[0].first
        assert first is not None
        self.logs.publish()
        self._is_dead = self.dies == "after the leaf"
        return first

    def published(self, tenant: TenantId, year: int, index: int) -> None:
        """Everything is."""

    def vault(self, tenant: TenantId) -> Vault:
        """The vault, in a process that lives."""
        if self._is_dead:
            raise SystemExit(self.dies)
        return self._vaults.vault(tenant)

    def beat(self) -> dict[TenantId, int]:
        """No beat is due."""
        return {}

    def uptime(self) -> float:
        """No time has passed."""
        return 0.0

    def settle_keys(self) -> None:
        """No key has changed."""

    def seal(self, number: int, subject: str = ANA, retention: str = "standard") -> int:
        """Record a call with a payload, which waits in the journal."""
        capture = Capture(subject, retention, (Content("args", b"4111 1111 1111 1111"),))
        first = self.logs.append(BANK, [intent(number)], captures={0: capture})[0].first
        assert first is not None
        return first

    def keep(self, number: int, subject: str = ANA, retention: str = "standard") -> int:
        """Record a call with a payload, which is stored."""
        first = self.seal(number, subject, retention)
        self.logs.publish()
        return first

    def ledger(self) -> Ledger:
        """What keeping remembers."""
        return Ledger(self.state / "keeping" / f"{BANK}.sqlite")


@contextmanager
def opened_desk(directory: Path, now: float) -> Generator[StandingDesk]:
    """Open a record at a time."""
    clock = Moment(now)
    state = State(directory, initialize=True)

    def places(tenant: TenantId, master: Master) -> tuple[TellingKeyring, FileRecords]:
        root = directory / "payload" / tenant
        return TellingKeyring(root / "keyring", tenant, master), FileRecords(root)

    vaults = open_vaults(directory, open_provider(directory), clock, places)
    try:
        logs = Logs(state, "localhost", clock, initialize=True, safes=vaults.vault)
        yield StandingDesk(directory, logs, vaults, clock)
    finally:
        vaults.close()
        state.close()
