"""What one of several worker processes knows of itself and of the others."""

from dataclasses import dataclass
from pathlib import Path

from tallystick.audit.writer import socket_of
from tallystick.guard import Admission, Bulkhead
from tallystick.settings import AuditSettings
from tallystick.terms import Refusal, ServerId


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes behind one address: `index` counts from 0, `of` is how many there are."""

    index: int = 0
    of: int = 1

    def share(self, limit: int) -> int:
        """Return this process's part of a limit, which all processes together keep: at least 1."""
        return max(1, limit // self.of)


def writer_socket(state: Path) -> Path:
    """Where the audit writer of a state directory takes in workers."""
    return socket_of(state)


def writer_flags(settings: AuditSettings) -> list[str]:
    """What the audit writer is told of the settings, beside where its record is."""
    flags = ["--witness-policy", settings.witness_policy] if settings.witness_policy else []
    flags += ["--witness-ca", settings.witness_ca] if settings.witness_ca else []
    if settings.store.dsn_file:
        flags += ["--store", settings.store.to_json({found.name: found.years for found in settings.classes})]
    return [*flags, "--keys", settings.keys.to_json()]


def console_socket(state: Path) -> Path:
    """Where the console takes requests of this machine's user."""
    return state / "run" / "console.sock"


def peer_socket(state: Path, index: int) -> Path:
    """Where a worker takes in requests that another one passes on."""
    return state / "run" / f"worker-{index}.sock"


class SharedBulkhead(Bulkhead):
    """The bulkhead of one worker: each limit is divided by the number of workers."""

    __slots__ = ("_worker",)

    def __init__(self, per_caller: int, worker: Worker) -> None:
        """Bound each caller, and each server, in this worker's share."""
        super().__init__(worker.share(per_caller))
        self._worker = worker

    def admit(self, server: ServerId, server_limit: int, caller: str) -> Admission | Refusal:
        """Take a place, or refuse."""
        return super().admit(server, self._worker.share(server_limit), caller)
