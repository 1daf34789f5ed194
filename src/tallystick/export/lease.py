"""Mandatory sinks: a lease that the follower renews, and the gate that lets calls pass while it holds.

A lease ends so long after the oldest record that the sink has not confirmed as the sink may lag behind. The gate needs
no follower to say no: a lease that is not there, cannot be read or has ended refuses (fail closed).
"""

import os
import struct
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from zlib import crc32

from tallystick.export.settings import SinkEntry
from tallystick.terms import Clock, Reason, Refusal, TenantId

_FORM: Final = struct.Struct(">dddd")
_CHECK: Final = struct.Struct(">I")
_READS: Final = 3
"""Reads of a lease before it counts as broken: one may fall into the middle of a renewal."""

UNSENT: Final = Refusal(
    "unavailable",
    (Reason.SINK_UNAVAILABLE,),
    "Records must reach a system outside before more calls are made, and it does not take them. Tell the operator.",
)


def monotonic() -> float:
    """Seconds of a clock that nobody sets, the same in all processes of this machine."""
    return time.monotonic()


def lease_path(state: Path, sink: str) -> Path:
    """Where the lease of a mandatory sink is."""
    return state / "run" / f"sink-{sink}.lease"


class Lease:
    """The follower's side: says until when the sink is near enough."""

    def __init__(self, path: Path, steady: Clock = monotonic) -> None:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._steady = steady

    def renew(self, now: float, until: float) -> None:
        """Let calls pass from `now` to `until`, both seconds since the epoch; an end that has passed stops them."""
        steady = self._steady()
        # Both clocks: the wall clock may be set, and the other one starts anew with the machine.
        body = _FORM.pack(now, until, steady, steady + until - now)
        # Written in place, so that a gate that has it open sees it; the sum tells a gate that read in between.
        os.pwrite(self._file, body + _CHECK.pack(crc32(body)), 0)

    def close(self) -> None:
        """Leave the lease to run out."""
        os.close(self._file)


class Gate:
    """The gateway's side: refuses the calls of a tenant whose mandatory sinks are too far behind, or gone."""

    def __init__(self, state: Path, clock: Clock, steady: Clock = monotonic) -> None:
        self._state = state
        self._clock = clock
        self._steady = steady
        self._everyone: tuple[str, ...] = ()
        self._of: Mapping[str, tuple[str, ...]] = {}
        self._files: dict[str, int] = {}

    def require(self, sinks: Iterable[SinkEntry]) -> None:
        """Name the sinks; the mandatory ones of them stop the calls of their tenants, or everybody's."""
        needed = [sink for sink in sinks if sink.mandatory]
        self._everyone = tuple(sink.name for sink in needed if not sink.tenants)
        named = {tenant for sink in needed for tenant in sink.tenants}
        self._of = {tenant: tuple(sink.name for sink in needed if tenant in sink.tenants) for tenant in named}

    def __call__(self, tenant: TenantId) -> Refusal | None:
        """Return why no call of the tenant may be made now; costs nothing where no sink is mandatory."""
        for name in self._everyone:
            if not self._holds(name):
                return UNSENT
        for name in self._of.get(tenant, ()):
            if not self._holds(name):
                return UNSENT
        return None

    def close(self) -> None:
        """Let go of the leases."""
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _holds(self, name: str) -> bool:
        if self._read(name):
            return True
        # A lease may have been replaced by another file since it was opened.
        file = self._files.pop(name, None)
        if file is not None:
            os.close(file)
        with suppress(OSError):
            self._files[name] = os.open(lease_path(self._state, name), os.O_RDONLY | os.O_CLOEXEC)
        return self._read(name)

    def _read(self, name: str) -> bool:
        file = self._files.get(name)
        if file is None:
            return False
        for _ in range(_READS):
            raw = os.pread(file, _FORM.size + _CHECK.size, 0)
            body = raw[: _FORM.size]
            if len(raw) == _FORM.size + _CHECK.size and _CHECK.pack(crc32(body)) == raw[_FORM.size :]:
                since, until, steady_since, steady_until = _FORM.unpack(body)
                return since <= self._clock() < until and steady_since <= self._steady() < steady_until
        return False
