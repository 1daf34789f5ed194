"""The writer process and its client: durable in order, closed when anything is wrong, exact after a kill."""

import resource
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
import uvloop

from tallystick import audit
from tallystick.audit import client as clients
from tallystick.audit.client import connect, start_writer
from tallystick.terms import TenantId
from tests.audit.sample import BANK, denial

pytestmark = pytest.mark.anyio
HOST = "localhost"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def _log_of(state: Path, tenant: str = BANK) -> Path:
    return next((state / "audit" / tenant).iterdir())


def _verified(log: Path) -> audit.offline.Report:
    return audit.offline.verify_log(log, audit.offline.read_vkey(log))


async def test_leaves_are_numbered_in_order_and_readable_afterwards(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        futures = [recorder.append(BANK, denial(number)) for number in range(600)]
        assert [await future for future in futures] == list(range(600))
        assert await recorder.append(TenantId("other"), denial(0)) == 0
        assert len(recorder.commitment_key) == 32
    report = _verified(_log_of(tmp_path))
    # At the end the writer says of each log that it stops, and at its next start that it goes on.
    assert (report.size, report.kinds, report.damage) == (601, {"denial": 600, "heartbeat": 1}, ())
    assert _verified(_log_of(tmp_path, "other")).kinds == {"denial": 1, "heartbeat": 1}
    async with start_writer(tmp_path, HOST) as recorder:
        assert await recorder.append(BANK, denial(600)) == 602


def test_the_client_works_on_uvloop(tmp_path: Path) -> None:
    async def record() -> list[int]:
        async with start_writer(tmp_path, HOST, initialize=True) as recorder:
            return [await recorder.append(BANK, denial(number)) for number in range(3)]

    assert uvloop.run(record()) == [0, 1, 2]


async def test_a_tenant_without_a_log_is_refused_and_the_others_go_on(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
    async with start_writer(tmp_path, HOST) as recorder:
        with pytest.raises(audit.Unwritable, match="'other' has no log"):
            await recorder.append(TenantId("other"), denial(0))
        assert await recorder.append(BANK, denial(1)) == 3, "after the two heartbeats in between"


async def test_a_record_that_was_never_initialised_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(audit.Unwritable, match="initialise"):
        async with start_writer(tmp_path, HOST):
            pytest.fail("the writer started")


async def test_a_second_writer_on_the_same_state_does_not_start(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        with pytest.raises(audit.Unwritable, match="another process"):
            async with start_writer(tmp_path, HOST, initialize=True):
                pytest.fail("the second writer started")
        assert await recorder.append(BANK, denial(0)) == 0


async def test_a_leaf_that_is_too_long_is_a_bug_of_the_caller(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        with pytest.raises(ValueError, match="8192"):
            recorder.append(BANK, bytes(8193))


async def test_the_queue_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "PENDING_LIMIT", 10)
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        futures = [recorder.append(BANK, denial(number)) for number in range(10)]
        with pytest.raises(audit.Unwritable, match="10 leaves wait"):
            recorder.append(BANK, denial(10))
        assert [await future for future in futures] == list(range(10))
        assert await recorder.append(BANK, denial(10)) == 10


async def test_a_caller_that_gave_up_does_not_disturb_the_others(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        first, second = recorder.append(BANK, denial(0)), recorder.append(BANK, denial(1))
        first.cancel()
        assert await second == 1


def _spawn(state: Path) -> tuple["subprocess.Popen[bytes]", socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        flags = ["--fd", str(theirs.fileno()), "--state", str(state), "--host", HOST, "--initialize"]
        process = subprocess.Popen(
            [sys.executable, "-m", "tallystick.audit.writer", *flags], pass_fds=[theirs.fileno()]
        )
    return process, ours


async def test_when_the_writer_dies_pending_and_later_appends_are_refused(tmp_path: Path) -> None:
    process, ours = _spawn(tmp_path)
    with closing(ours):
        recorder = await connect(ours)
        process.send_signal(signal.SIGSTOP)
        pending = recorder.append(BANK, denial(0))
        process.kill()
        with pytest.raises(audit.Unwritable, match="has gone"):
            await pending
        with pytest.raises(audit.Unwritable, match="has gone"):
            recorder.append(BANK, denial(1))
    process.wait()


async def test_a_disk_that_cannot_be_written_stops_the_writer_for_good(tmp_path: Path) -> None:
    async with start_writer(tmp_path, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
    process, ours = _spawn(tmp_path)
    with closing(ours):
        recorder = await connect(ours)
        # The writer's journal gets no byte more: the kernel answers its next write with an error.
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (10, 10))
        with pytest.raises(audit.Unwritable, match="the writer has stopped"):
            await recorder.append(BANK, denial(1))
        with pytest.raises(audit.Unwritable, match="the writer has stopped"):
            recorder.append(BANK, denial(2))
    assert process.wait() == 1
