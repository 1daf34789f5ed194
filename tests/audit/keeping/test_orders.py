"""Holding, erasing and expiring, as orders to a real writer process with real payloads."""

import json
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from tallystick import audit
from tallystick.audit import payload
from tallystick.audit.client import WriterClient, start_writer
from tallystick.audit.leaf import subject_ref
from tallystick.audit.model import Capture, Content
from tallystick.terms import TallyError, TenantId
from tests.audit.leaf.test_event import SCHEMA
from tests.audit.sample import intent

pytestmark = pytest.mark.anyio
_NUMBERS = count()


class Bench:
    """A tenant of its own in a running record."""

    def __init__(self, writer: WriterClient, state: Path) -> None:
        self.writer = writer
        self.state = state
        self.tenant = TenantId(f"bank-{next(_NUMBERS)}")
        self.ana = subject_ref(writer.commitment_key, self.tenant, "ana")

    async def keep(self, number: int, name: str = "ana", retention: str = "standard") -> None:
        """Record a call with a payload of somebody."""
        subject = subject_ref(self.writer.commitment_key, self.tenant, name)
        capture = Capture(subject, retention, (Content("args", b'{"iban":"%d"}' % number),))
        index = await self.writer.append(self.tenant, intent(number), capture)
        await self.writer.reach(self.tenant, index, "published")

    async def order(self, name: str, **fields: object) -> Mapping[str, object]:
        """Give an order; its leaf is published when this returns."""
        asked = {"order": name, "tenant": self.tenant, "operator": "root", **fields}
        told = await self.writer.order(asked)
        if isinstance(leaf := told.get("leaf"), int):
            await self.writer.reach(self.tenant, leaf, "published")
        return told

    async def erase(self, **fields: object) -> Mapping[str, object]:
        """Erase ana."""
        return await self.order("erase", subject="ana", basis="GDPR Art. 17(1)", **fields)

    async def access(self, name: str) -> Mapping[str, object]:
        """Write all of somebody to a file."""
        return await self.order("subject-access", subject=name, why="request 7", file=str(self.file(name)))

    def file(self, name: str) -> Path:
        """Where `access` writes to."""
        return self.state / f"{self.tenant}-{name}.jsonl"

    def leaves(self, kind: str) -> list[dict[str, object]]:
        """Published leaves of a kind; every leaf fits the schema."""
        log = next((self.state / "audit" / self.tenant).iterdir())
        every = range(audit.offline.size_of(log))
        fields = [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, every)]
        assert all(SCHEMA.is_valid(one) for one in fields)
        return [one for one in fields if one["kind"] == kind]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, because its writer's client lives in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[WriterClient, Path]]:
    """One writer for all tests."""
    state = tmp_path_factory.mktemp("state")
    async with start_writer(state, "localhost", initialize=True) as client:
        yield client, state


@pytest.fixture
def bench(running: tuple[WriterClient, Path]) -> Bench:
    return Bench(*running)


async def test_an_erased_subject_cannot_be_read_and_the_others_can(bench: Bench) -> None:
    await bench.keep(1)
    await bench.keep(2)
    await bench.keep(3, "ben")
    told = await bench.erase()
    assert (told["payloads"], told["keys"], told["classes"]) == (2, 1, ["standard"])
    [leaf] = bench.leaves("erasure")
    assert (leaf["basis"], leaf["operator"], leaf["subject"]) == ("GDPR Art. 17(1)", "root", bench.ana)
    assert [(await bench.access(name))["records"] for name in ("ben", "ana")] == [1, 0]


async def test_a_hold_blocks_erasure_with_its_matter_until_it_is_released(bench: Bench) -> None:
    await bench.keep(1)
    hold = {"hold": "case-12", "matter": "Smith v. Bank", "subject": "ana"}
    await bench.order("hold", **hold)
    with pytest.raises(TallyError, match=r"case-12: Smith v\. Bank"):
        await bench.erase()
    with pytest.raises(TallyError, match="already"):
        await bench.order("hold", **hold)
    await bench.order("release", hold="case-12")
    assert (await bench.erase())["payloads"] == 1
    holds = bench.leaves("hold")
    assert [(leaf["action"], leaf["hold"]) for leaf in holds] == [("placed", "case-12"), ("released", "case-12")]


async def test_a_hold_that_is_not_there_is_told_with_those_that_are(bench: Bench) -> None:
    await bench.keep(1)
    await bench.order("hold", hold="case-12", matter="Smith v. Bank")
    with pytest.raises(TallyError, match="in force: case-12"):
        await bench.order("release", hold="case-13")


async def test_a_statute_blocks_erasure_and_other_classes_can_be_erased_alone(bench: Bench) -> None:
    await bench.keep(1)
    await bench.keep(2, retention="sec-17a-4")
    with pytest.raises(TallyError, match=r"SEC 17a-4\(a\).*kept for 6 years"):
        await bench.erase()
    told = await bench.erase(classes=["standard"])
    assert (told["payloads"], told["classes"]) == (1, ["standard"])


async def test_subject_access_writes_what_is_kept_to_a_private_file_and_records_its_digest(bench: Bench) -> None:
    await bench.keep(1)
    told = await bench.access("ana")
    [line] = [json.loads(line) for line in bench.file("ana").read_text().splitlines()]
    assert (line["text"], line["field"]) == ('{"iban":"1"}', "args")
    assert bench.file("ana").stat().st_mode & 0o777 == 0o600
    [leaf] = bench.leaves("export")
    assert (leaf["purpose"], leaf["digest"], leaf["why"]) == ("subject_access", told["digest"], "request 7")
    with pytest.raises(TallyError, match="does not exist yet"):
        await bench.access("ana")


async def test_nothing_expires_before_its_time_and_what_has_no_class_never_does(bench: Bench) -> None:
    await bench.keep(1)
    await bench.keep(2, retention="unheard-of")
    told = await bench.order("expire")
    assert told["expired"] == []
    assert "not defined" in json.dumps(told["blocked"])


async def test_configured_classes_are_recorded_once(bench: Bench) -> None:
    await bench.keep(1)
    classes = [{"name": "house", "years": 2, "law": "rule 7"}]
    changed = [(await bench.order("retention-classes", classes=classes))["changed"] for _ in range(2)]
    assert changed == [True, False]
    await bench.keep(2)
    [leaf] = bench.leaves("admin")
    assert (leaf["action"], leaf["object"]) == ("retention class", "house: not defined -> 2 years (rule 7)")
    with pytest.raises(TallyError, match="retention class"):
        await bench.order("retention-classes", classes=[{"name": "house"}])


async def test_cost_tells_payloads_and_log(bench: Bench) -> None:
    await bench.keep(1)
    told = json.loads(json.dumps(await bench.order("cost")))
    assert told["log"]["stored_bytes"] > 0
    assert [(one["retention"], one["payloads"]) for one in told["classes"]] == [("standard", 1)]


async def test_the_log_of_this_year_is_not_pruned(bench: Bench) -> None:
    await bench.keep(1)
    log = next((bench.state / "audit" / bench.tenant).iterdir())
    with pytest.raises(TallyError, match="not pruned"):
        await bench.order("prune", year=int(log.name))


async def test_orders_without_a_record_or_without_a_subject_are_refused(bench: Bench) -> None:
    with pytest.raises(TallyError):
        await bench.order("cost")
    assert not (bench.state / "keeping" / f"{bench.tenant}.sqlite").exists()
    await bench.keep(1)
    with pytest.raises(TallyError, match="subject"):
        await bench.order("erase", basis="x")


async def test_numbers_beyond_all_bounds_end_their_order_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    await bench.keep(1)
    for order in ({"order": "prune", "year": 2**40}, {"order": "tier", "directory": str(tmp_path), "days": 2**62}):
        with pytest.raises(TallyError):
            await bench.writer.order({"tenant": bench.tenant, "operator": "root", **order})
    far = {"order": "hold", "hold": "x", "matter": "y", "since": "0001-01-01T00:00:00+23:59"}
    with pytest.raises(TallyError):
        await bench.writer.order({"tenant": bench.tenant, "operator": "root", **far})
    assert (await bench.order("keeping"))["holds"] == []


async def test_an_erasure_that_a_crash_cut_short_is_finished_at_the_next_start(tmp_path: Path) -> None:
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        crashed = Bench(client, tmp_path)
        await crashed.keep(1)
        await crashed.order("keeping")
    [stored] = payload.read_records(tmp_path / "payload" / crashed.tenant)
    assert stored.header is not None
    fields = {
        "action": "erase", "basis": "Art. 17", "classes": ["standard"], "holds_checked": 0, "keys": 1,
        "operator": "root", "payloads": 1, "subject": crashed.ana,
    }  # fmt: skip
    identity = "01K" + "0" * 23
    with closing(sqlite3.connect(tmp_path / "keeping" / f"{crashed.tenant}.sqlite")) as ledger, ledger:
        begun = json.dumps({"fields": fields, "keys": [stored.header.key]})
        ledger.execute("INSERT INTO pending VALUES (?, ?, NULL)", (identity, begun))
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        crashed.writer = client
        asked = {"tenant": crashed.tenant, "call": stored.header.call, "field": "args", "why": "x", "operator": "root"}
        assert (await client.order({"order": "reveal", **asked}))["gone"] == "erased"
        await crashed.keep(2)
        [leaf] = crashed.leaves("erasure")
        assert (leaf["id"], leaf["subject"]) == (identity, crashed.ana)
