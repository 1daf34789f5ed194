"""Real writer processes: whatever happens to one, nothing acknowledged is lost, and there are never two."""

import os
import signal
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree

import anyio
import anyio.to_thread
import pytest

from tallystick import audit
from tallystick.audit.client import WriterClient, start_writer
from tallystick.audit.model import Unwritable
from tallystick.audit.scale import mirror
from tallystick.audit.scale.bucket.objects import Objects, Version
from tests.audit.sample import BANK, denial
from tests.audit.scale.place import BUCKET, Place
from tests.audit.scale.servers import writer_of

HOST = "audit.bank.example"
LEASE_S = 1.0
CLIENTS = 16
PATIENCE_S = 60
pytestmark = pytest.mark.anyio


@asynccontextmanager
async def _writer(place: Place, host: str) -> AsyncGenerator[WriterClient]:
    """A writer process on a host; one that was stopped or killed may end as it likes."""
    further = ["--store", place.options.to_json()]
    async with start_writer(place.directory / host, HOST, initialize=True, further=further) as client:
        yield client


def _versions(place: Place) -> list[Version]:
    return Objects(place.client, BUCKET, place.options.prefix, lambda: 0.0).versions()


def _serves(place: Place) -> bool:
    """Whether the object store gives out what it has: after a kill it answers with errors for some seconds."""
    objects = Objects(place.client, BUCKET, place.options.prefix, lambda: 0.0)
    try:
        return all(objects.read_version(version) for version in objects.versions() if not version.marker)
    except OSError:
        return False


class Load:
    """Clients that append one leaf after the other, and what was acknowledged to them."""

    def __init__(self, first: int = 0) -> None:
        self.acknowledged: dict[int, bytes] = {}
        self.refused: list[str] = []
        self._number = first
        self._moved = anyio.Event()

    async def run(self, client: WriterClient, clients: int, until: int = 1 << 30) -> None:
        """Append until so many are acknowledged, or the record cannot be written."""

        async def one() -> None:
            while len(self.acknowledged) < until:
                self._number += 1
                leaf = denial(self._number)
                try:
                    index = await client.append(BANK, leaf)
                except Unwritable as error:
                    self.refused.append(error.message)
                    self._move()
                    return
                assert index not in self.acknowledged, "no index is given twice"
                self.acknowledged[index] = leaf
                self._move()

        async with anyio.create_task_group() as group:
            for _ in range(clients):
                group.start_soon(one)

    async def reach(self, acknowledged: int = 0, refused: int = 0) -> None:
        """Wait until so many more were acknowledged, and so many refused in all."""
        wanted = len(self.acknowledged) + acknowledged
        with anyio.fail_after(PATIENCE_S):
            while len(self.acknowledged) < wanted or len(self.refused) < refused:
                await self._moved.wait()

    def _move(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()

    def check(self, place: Place, copy: Path) -> None:
        """The log verifies, everything acknowledged is where it was acknowledged, and nothing is there twice."""
        year = max(version.path.split("/")[1] for version in _versions(place) if version.path.startswith(f"{BANK}/2"))
        options = place.options
        url = f"s3://{BUCKET}/{options.prefix}{BANK}/{year}"
        mirror(url, copy, endpoint=options.endpoint, credentials=options.credentials_file)
        report = audit.offline.verify_log(copy, audit.offline.read_vkey(copy))
        assert report.damage == ()
        leaves = dict(audit.offline.read_leaves(copy, range(report.size)))
        assert {index: leaves.get(index) for index in self.acknowledged} == self.acknowledged
        ours = [leaf for leaf in leaves.values() if b'"kind":"denial"' in leaf]
        assert len(ours) == len(set(ours))


async def _fails_over(place: Place, how: signal.Signals, tmp_path: Path) -> tuple[Load, Load]:
    """A writer under load gets a signal; another one takes over; then the first may go on, if it can."""
    place = place.change(lease_s=LEASE_S, wait_s=30.0)
    first, second = Load(), Load(1_000_000)
    async with _writer(place, "a") as one, anyio.create_task_group() as group:
        process = writer_of(place.directory / "a")
        group.start_soon(first.run, one, CLIENTS)
        await first.reach(300)
        os.kill(process, how)
        copytree(place.directory / "a" / "keys", place.directory / "b" / "keys")
        async with _writer(place, "b") as other:
            await second.run(other, CLIENTS, 300)
            if how == signal.SIGSTOP:
                os.kill(process, signal.SIGCONT)
            await first.reach(refused=CLIENTS)
            await second.run(other, CLIENTS, 400)
    assert min(second.acknowledged) > max(first.acknowledged)
    both = Load()
    both.acknowledged = first.acknowledged | second.acknowledged
    both.check(place, tmp_path / "copy")
    return first, second


async def test_a_writer_that_sleeps_through_its_lease_is_replaced_and_refused_when_it_wakes(
    place: Place, tmp_path: Path
) -> None:
    first, _ = await _fails_over(place, signal.SIGSTOP, tmp_path)
    assert any("the lease is lost: another writer has taken over" in text for text in first.refused)


@pytest.mark.live
async def test_a_writer_that_is_killed_is_replaced_and_nothing_acknowledged_is_lost(
    place: Place, tmp_path: Path
) -> None:
    await _fails_over(place, signal.SIGKILL, tmp_path)


@pytest.mark.live
async def test_a_restart_of_the_database_under_load_is_waited_for(place: Place, tmp_path: Path) -> None:
    place = place.change(reconnect_s=30.0)
    load = Load()
    async with _writer(place, "a") as client, anyio.create_task_group() as group:
        group.start_soon(load.run, client, CLIENTS, 1500)
        for how in ("fast", "immediate"):
            await load.reach(200)
            await anyio.to_thread.run_sync(place.postgres.stop, how)
            await anyio.to_thread.run_sync(place.postgres.start)
    assert not load.refused
    load.check(place, tmp_path / "copy")


@pytest.mark.live
async def test_a_database_that_stays_away_stops_the_writer_and_the_next_one_finds_everything(
    place: Place, tmp_path: Path
) -> None:
    place = place.change(reconnect_s=1.0)
    load = Load()
    try:
        async with _writer(place, "a") as client, anyio.create_task_group() as group:
            group.start_soon(load.run, client, CLIENTS)
            await load.reach(200)
            await anyio.to_thread.run_sync(place.postgres.stop)
            await load.reach(refused=CLIENTS)
    finally:
        await anyio.to_thread.run_sync(place.postgres.start)
    assert "the database cannot be reached" in load.refused[0]
    async with _writer(place, "a") as client:
        await load.run(client, CLIENTS, len(load.acknowledged) + 100)
    load.check(place, tmp_path / "copy")


@pytest.mark.live
async def test_an_object_store_that_is_away_is_waited_for_up_to_the_backlog(place: Place, tmp_path: Path) -> None:
    place = place.change(backlog=3000)
    load = Load()
    try:
        async with _writer(place, "a") as client:
            await load.run(client, CLIENTS, 200)
            await anyio.to_thread.run_sync(place.seaweed.kill)
            await load.run(client, CLIENTS, 1000)
            await anyio.to_thread.run_sync(place.seaweed.start)
            await client.reach(BANK, max(load.acknowledged), "published")
            assert not load.refused, "it came back in time"
            await anyio.to_thread.run_sync(place.seaweed.kill)
            await load.run(client, CLIENTS)
    finally:
        await anyio.to_thread.run_sync(place.seaweed.kill)
        await anyio.to_thread.run_sync(place.seaweed.start)
        with anyio.fail_after(PATIENCE_S):
            while not await anyio.to_thread.run_sync(_serves, place):
                pass
    assert "wait for the object store, which is away" in load.refused[0]
    async with _writer(place, "a") as client:
        await load.run(client, CLIENTS, len(load.acknowledged) + 100)
    load.check(place, tmp_path / "copy")
