"""The gate of mandatory sinks: it opens for a lease that holds, and for nothing else."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tallystick.export.lease import Gate, Lease, lease_path
from tallystick.export.ledger import Ledger, ledger_path
from tallystick.export.model import Stopped, Unavailable
from tallystick.export.run import keep
from tallystick.terms import Reason, TenantId
from tests.audit.sample import NOON
from tests.export.kept import ENTRY, Hand, Kept, opened
from tests.export.published import Published

BANK, OTHER = TenantId("bank"), TenantId("other")
MANDATORY = replace(ENTRY, mandatory=True)


class Machine:
    """The two clocks of a machine."""

    def __init__(self) -> None:
        self.wall = NOON
        self.up = 5000.0

    def clock(self) -> float:
        """Seconds since the epoch."""
        return self.wall

    def steady(self) -> float:
        """Seconds since the machine started."""
        return self.up

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.wall += seconds
        self.up += seconds


@pytest.fixture
def machine() -> Machine:
    """A machine whose time a test moves."""
    return Machine()


def gate_of(state: Path, machine: Machine, *sinks: object) -> Gate:
    """A gate as a gateway has it."""
    gate = Gate(state, machine.clock, machine.steady)
    gate.require([sink for sink in sinks if isinstance(sink, type(ENTRY))] or [MANDATORY])
    return gate


def is_open(gate: Gate, tenant: TenantId = BANK) -> bool:
    """Whether calls of a tenant pass."""
    refusal = gate(tenant)
    assert refusal is None or refusal.reasons == (Reason.SINK_UNAVAILABLE,)
    return refusal is None


def test_without_a_mandatory_sink_every_call_passes(tmp_path: Path, machine: Machine) -> None:
    assert is_open(gate_of(tmp_path, machine, ENTRY))


def test_calls_pass_while_the_lease_holds_and_not_a_moment_longer(tmp_path: Path, machine: Machine) -> None:
    gate = gate_of(tmp_path, machine)
    assert not is_open(gate)
    lease = Lease(lease_path(tmp_path, "soc"), machine.steady)
    assert not is_open(gate)
    lease.renew(machine.clock(), machine.clock() + 60)
    assert is_open(gate)
    machine.wait(59.9)
    assert is_open(gate)
    machine.wait(0.2)
    assert not is_open(gate)
    lease.renew(machine.clock(), machine.clock() + 60)
    assert is_open(gate)
    lease.renew(machine.clock(), machine.clock() - 1)
    assert not is_open(gate)


def test_a_clock_that_is_set_back_opens_nothing(tmp_path: Path, machine: Machine) -> None:
    gate = gate_of(tmp_path, machine)
    Lease(lease_path(tmp_path, "soc"), machine.steady).renew(machine.clock(), machine.clock() + 60)
    machine.wait(61)
    machine.wall -= 30
    assert not is_open(gate)


def test_a_lease_from_before_the_machine_started_opens_nothing(tmp_path: Path, machine: Machine) -> None:
    gate = gate_of(tmp_path, machine)
    Lease(lease_path(tmp_path, "soc"), machine.steady).renew(machine.clock(), machine.clock() + 60)
    machine.wall += 20
    machine.up = 4.0
    assert not is_open(gate)


@pytest.mark.parametrize("at", range(36))
def test_a_damaged_lease_opens_nothing(tmp_path: Path, machine: Machine, at: int) -> None:
    gate = gate_of(tmp_path, machine)
    Lease(lease_path(tmp_path, "soc"), machine.steady).renew(machine.clock(), machine.clock() + 60)
    assert is_open(gate)
    with lease_path(tmp_path, "soc").open("r+b") as file:
        byte = os.pread(file.fileno(), 1, at)[0]
        os.pwrite(file.fileno(), bytes([byte ^ 0x10]), at)
    assert not is_open(gate)


def test_a_lease_that_is_another_file_now_is_found(tmp_path: Path, machine: Machine) -> None:
    gate, path = gate_of(tmp_path, machine), lease_path(tmp_path, "soc")
    Lease(path, machine.steady).renew(machine.clock(), machine.clock() + 10)
    assert is_open(gate)
    path.unlink()
    Lease(path, machine.steady).renew(machine.clock(), machine.clock() + 60)
    machine.wait(30)
    assert is_open(gate)


def test_a_sink_of_one_tenant_stops_nobody_else(tmp_path: Path, machine: Machine) -> None:
    gate = gate_of(tmp_path, machine, replace(MANDATORY, tenants=("other",)))
    assert is_open(gate, BANK)
    assert not is_open(gate, OTHER)


def test_of_two_mandatory_sinks_both_must_be_near(tmp_path: Path, machine: Machine) -> None:
    gate = gate_of(tmp_path, machine, MANDATORY, replace(MANDATORY, name="second"))
    Lease(lease_path(tmp_path, "soc"), machine.steady).renew(machine.clock(), machine.clock() + 60)
    assert not is_open(gate)
    Lease(lease_path(tmp_path, "second"), machine.steady).renew(machine.clock(), machine.clock() + 60)
    assert is_open(gate)


def test_a_follower_keeps_the_gate_open_while_its_sink_takes_records(tmp_path: Path, machine: Machine) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish_calls(range(5), machine.wall)
    follower = opened(tmp_path, sink, chosen=MANDATORY)
    lease, gate = Lease(lease_path(tmp_path, "soc"), machine.steady), gate_of(tmp_path, machine)
    follower.round(machine.clock, lease)
    assert is_open(gate)
    machine.wait(50)
    assert follower.round(machine.clock, lease) == 0
    machine.wait(50)
    assert is_open(gate)
    # The follower is gone: nobody renews.
    machine.wait(11)
    assert not is_open(gate)


def test_a_sink_that_fails_closes_the_gate_when_its_lag_is_over_the_bound(tmp_path: Path, machine: Machine) -> None:
    log, sink = Published(tmp_path), Kept()
    follower = opened(tmp_path, sink, chosen=MANDATORY)
    lease, gate = Lease(lease_path(tmp_path, "soc"), machine.steady), gate_of(tmp_path, machine)
    follower.round(machine.clock, lease)
    log.publish_calls(range(5), machine.wall)
    for seconds in (1, 30, 28):
        sink.failing.append(Unavailable("down"))
        with pytest.raises(Unavailable):
            follower.round(machine.clock, lease)
        machine.wait(seconds)
        assert is_open(gate)
    machine.wait(2)
    assert not is_open(gate)
    follower.round(machine.clock, lease)
    assert is_open(gate)


def test_a_backlog_older_than_the_bound_keeps_the_gate_closed_until_it_is_worked_off(
    tmp_path: Path, machine: Machine
) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish_calls(range(400), machine.wall - 100)
    follower = opened(tmp_path, sink, chosen=MANDATORY)
    lease, gate = Lease(lease_path(tmp_path, "soc"), machine.steady), gate_of(tmp_path, machine)
    assert follower.round(machine.clock, lease) == 500
    assert not is_open(gate)
    assert follower.round(machine.clock, lease) == 300
    assert is_open(gate)


def test_a_log_that_cannot_be_trusted_closes_the_gate(tmp_path: Path, machine: Machine) -> None:
    log, sink = Published(tmp_path), Kept()
    log.publish_calls(range(5), machine.wall)
    (log.directory / "checkpoint").write_text("no checkpoint at all\n")
    follower = opened(tmp_path, sink, chosen=MANDATORY)
    lease, gate = Lease(lease_path(tmp_path, "soc"), machine.steady), gate_of(tmp_path, machine)
    follower.round(machine.clock, lease)
    assert not is_open(gate)


def test_a_failing_mandatory_sink_is_asked_again_soon(tmp_path: Path) -> None:
    Published(tmp_path).publish_calls(range(5))
    sink, hand = Kept(), Hand(waits=12)
    sink.failing.extend([Unavailable("down")] * 20)
    with pytest.raises(Stopped):
        keep(opened(tmp_path, sink, chosen=MANDATORY), hand.clock, hand.pause)
    assert max(hand.waited) <= 5
    condition = Ledger(ledger_path(tmp_path, "soc")).condition()
    assert condition is not None
    assert condition.failing == "down"
