"""The relay: every change is on record exactly once, whatever is killed when, and is published only then."""

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import anyio
import pytest

from tallystick import audit
from tallystick.audit import Unwritable
from tallystick.audit.client import start_writer
from tallystick.control import Control, Postgres, Relay, Sqlite, found_by
from tallystick.terms import TallyError, TenantId
from tests.control.outbox.crash import CHANGES, HOST
from tests.control.stage import done, opened, server, tenant
from tests.interaction.waiting import until

pytestmark = pytest.mark.anyio
POINTS = ("committed", "tried", "appended", "marked", "tried-and-writer", "appended-and-writer", "marked-and-writer")
OFTEN = frozenset({("sqlite", "committed"), ("sqlite", "appended"), ("sqlite", "appended-and-writer")})
"""Points of the default suite; the others cost as much and are of the crash lane."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Record:
    """A record in memory, which does what a test says."""

    def __init__(self) -> None:
        self.leaves: list[tuple[str, Mapping[str, object]]] = []
        self.asked: list[tuple[str, tuple[str, ...]]] = []
        self.refuses: Callable[[Mapping[str, object]], bool] = lambda leaf: False

    async def append(self, tenant_id: TenantId, leaf: bytes) -> int:
        """Keep a leaf."""
        fields: dict[str, object] = json.loads(leaf)
        if self.refuses(fields):
            message = "not now"
            raise Unwritable(message)
        self.leaves.append((tenant_id, fields))
        return len(self.leaves) - 1

    def refuse_at_once(self, tenant_id: TenantId, leaf: bytes) -> Awaitable[int]:
        """Refuse before there is anything to wait for, as the writer's client does when the writer has gone."""
        del tenant_id, leaf
        message = "gone"
        raise Unwritable(message)

    async def find(self, tenant_id: TenantId, ids: Sequence[str]) -> frozenset[str]:
        """Tell which ids are there."""
        self.asked.append((tenant_id, tuple(ids)))
        return frozenset(str(leaf["id"]) for log, leaf in self.leaves if log == tenant_id) & frozenset(ids)

    @property
    def objects(self) -> list[object]:
        """What the leaves are about."""
        return [leaf["object"] for _, leaf in self.leaves]


async def test_what_is_committed_is_brought_in_order_and_then_published(control: Control) -> None:
    record = Record()
    done(control, tenant(), server("a"))
    done(control, server("b"))
    assert await Relay(control, record.append, record.find).drain() == 3
    assert record.objects == ["tenant/retail", "server/a", "server/b"]
    assert (control.published(), control.outbox(10)) == (2, ())


async def test_the_record_is_asked_for_what_lay_there_at_the_start_and_for_nothing_else(control: Control) -> None:
    record = Record()
    relay = Relay(control, record.append, record.find)
    done(control, tenant())
    await relay.drain()
    asked = len(record.asked)
    done(control, server("a"))
    await relay.drain()
    assert (asked, len(record.asked), record.objects) == (1, 1, ["tenant/retail", "server/a"])


async def test_what_a_restored_database_still_has_to_tell_is_not_told_twice(control: Control) -> None:
    record = Record()
    done(control, tenant(), server("a"))
    # On record since the backup was made, which does not know of it.
    for row in control.outbox(10):
        await record.append(row.tenant, row.leaf)
    await Relay(control, record.append, record.find).drain()
    assert record.objects == ["tenant/retail", "server/a"]
    assert control.published() == 1


async def test_a_record_that_refuses_holds_back_what_it_refused_and_all_after_it(control: Control) -> None:
    record = Record()
    done(control, tenant(), server("a"))
    done(control, server("b"))
    done(control, server("c"))
    record.refuses = lambda leaf: leaf["object"] == "server/b"
    relay = Relay(control, record.append, record.find)
    with pytest.raises(Unwritable):
        await relay.drain()
    assert (control.published(), len(control.outbox(10))) == (1, 1)
    record.refuses = lambda leaf: False
    assert await relay.drain() == 1
    assert control.published() == 3
    # The record was asked for what lay there at the start, and then for what it had refused, and only for that.
    assert [len(ids) for _, ids in record.asked] == [4, 1]
    assert Counter(record.objects).most_common(1)[0][1] == 1


async def test_what_is_on_record_although_nobody_heard_so_is_not_appended_again(control: Control) -> None:
    record = Record()
    done(control, tenant(), server("a"))

    async def lose_the_answer(tenant_id: TenantId, leaf: bytes) -> int:
        await record.append(tenant_id, leaf)
        message = "gone"
        raise Unwritable(message)

    with pytest.raises(Unwritable):
        await Relay(control, lose_the_answer, record.find).drain()
    assert control.published() == 0
    await Relay(control, record.append, record.find).drain()
    assert (record.objects, control.published()) == (["tenant/retail", "server/a"], 1)


async def test_a_record_that_is_away_is_no_loss(control: Control) -> None:
    record = Record()
    done(control, tenant(), server("a"))
    with pytest.raises(Unwritable):
        await Relay(control, record.refuse_at_once, record.find).drain()
    assert (control.published(), len(control.outbox(10))) == (0, 2)
    assert await Relay(control, record.append, record.find).drain() == 2


async def test_what_cannot_be_asked_for_is_not_appended_again(control: Control) -> None:
    record = Record()
    done(control, tenant())
    control.tried([row.number for row in control.outbox(10)])

    async def silent(tenant_id: TenantId, ids: Sequence[str]) -> frozenset[str]:
        raise TallyError(code="unavailable", message=f"nobody answers for {tenant_id} {ids}")

    with pytest.raises(TallyError):
        await Relay(control, record.append, silent).drain()
    assert (record.leaves, control.published()) == ([], 0)


async def test_more_than_one_batch_is_brought_whole(control: Control) -> None:
    record = Record()
    done(control, tenant(), *(server(f"s{number}") for number in range(300)))
    assert await Relay(control, record.append, record.find).drain() == 301
    assert control.published() == 1


async def test_the_relay_brings_what_comes_while_it_runs_and_survives_an_outage(control: Control) -> None:
    record = Record()
    refused = anyio.Event()

    def refuse(leaf: Mapping[str, object]) -> bool:
        del leaf
        refused.set()
        return True

    record.refuses = refuse
    relay = Relay(control, record.append, record.find)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(relay.run)
            done(control, tenant())
            await refused.wait()
            record.refuses = lambda leaf: False
            assert await anyio.to_thread.run_sync(control.wait, 0, 20.0) == 1
            done(control, server("a"))
            assert await anyio.to_thread.run_sync(control.wait, 1, 20.0) == 2
            # Published is said in the database, a moment before the relay says that nothing keeps it any more.
            await until(lambda: relay.failure is None)
            group.cancel_scope.cancel()
    assert record.objects == ["tenant/retail", "server/a"]


async def test_of_two_relays_one_works_and_the_other_takes_over(place: Sqlite | Postgres) -> None:
    with opened(place) as one, opened(place, "1") as other:
        with one.relaying() as mine, other.relaying() as theirs:
            assert (mine, theirs) == (True, False)
        with other.relaying() as theirs, one.relaying() as mine:
            assert (mine, theirs) == (False, True)


@pytest.mark.parametrize(
    ("place", "point"),
    [
        pytest.param(kind, point, marks=() if (kind, point) in OFTEN else (pytest.mark.live, pytest.mark.crash))
        for kind in ("sqlite", "postgres")
        for point in POINTS
    ],
    indirect=["place"],
)
async def test_whatever_is_killed_every_change_is_on_record_once(
    place: Sqlite | Postgres, tmp_path: Path, point: str
) -> None:
    state = tmp_path / "state"
    where = place.dsn if isinstance(place, Postgres) else str(place.path)
    run = await anyio.run_process(
        [sys.executable, "-m", "tests.control.outbox.crash", str(state), where, point],
        check=False,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert run.returncode == -signal.SIGKILL
    with opened(place) as control:
        assert control.head() == CHANGES + 1
        assert control.published() == (CHANGES + 1 if point.startswith("marked") else 1)
        async with start_writer(state, HOST, initialize=True) as client:
            await Relay(control, client.append, found_by(client.order)).drain()
        assert control.published() == CHANGES + 1
        revisions = [entry.revision for entry in control.history()]
    leaves = [leaf for leaf in _leaves(state) if "object" in leaf]
    assert Counter(leaf["id"] for leaf in leaves).most_common(1)[0][1] == 1
    assert [leaf["revision"] for leaf in leaves] == revisions


def _leaves(state: Path) -> list[Mapping[str, object]]:
    (log,) = (state / "audit" / "retail").iterdir()
    size = audit.offline.verify_log(log, audit.offline.read_vkey(log)).size
    return [json.loads(leaf) for _, leaf in audit.offline.read_leaves(log, range(size))]
