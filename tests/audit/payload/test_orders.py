"""Orders about payloads, to a real writer process: revealing is on record first, keys rotate and move."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tallystick import audit
from tallystick.audit.client import WriterClient, order, start_writer
from tallystick.audit.model import Unwritable
from tallystick.terms import TallyError, TenantId
from tests.audit import sample
from tests.audit.leaf.test_event import SCHEMA
from tests.audit.payload.stored import ALICE, capture
from tests.audit.payload.transit_server import TOKEN, Engine, serving

pytestmark = pytest.mark.anyio
_NUMBERS = count()


class Desk:
    """A tenant of its own in a running record, with one payload."""

    def __init__(self, writer: WriterClient, state: Path) -> None:
        self.writer = writer
        self.state = state
        self.tenant = TenantId(f"bank-{next(_NUMBERS)}")

    async def keep(self, number: int, content: bytes) -> None:
        """Record a call with a payload, and wait until it can be read."""
        index = await self.writer.append(self.tenant, sample.intent(number), capture(("args", content)))
        await self.writer.reach(self.tenant, index, "published")

    def asked(self, **changes: object) -> dict[str, object]:
        """An order that reveals the arguments of call 1."""
        said = {"call": sample.call_of(1), "field": "args", "why": "case 12", "operator": "ana"}
        return {"order": "reveal", "tenant": self.tenant, **said, **changes}

    async def order(self, fields: Mapping[str, object]) -> Mapping[str, object]:
        """Give an order; its leaves are published when this returns."""
        told = await self.writer.order(fields)
        indices = msgspec.convert(told.get("leaves", {}), dict[str, int])
        if isinstance(leaf := told.get("leaf"), int):
            indices[self.tenant] = leaf
        for tenant, index in indices.items():
            await self.writer.reach(TenantId(tenant), index, "published")
        return told

    def leaves(self, kind: str) -> list[dict[str, object]]:
        """Published leaves of a kind; every leaf fits the schema."""
        log = next((self.state / "audit" / self.tenant).iterdir())
        every = range(audit.offline.size_of(log))
        read = [audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, every)]
        assert all(SCHEMA.is_valid(one) for one in read)
        return [one for one in read if one["kind"] == kind]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """One loop for the module, because its writer's client lives in it."""
    return "asyncio"


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[tuple[WriterClient, Path]]:
    """One writer for all tests but the last."""
    state = tmp_path_factory.mktemp("state")
    async with start_writer(state, "localhost", initialize=True) as client:
        yield client, state


@pytest.fixture
async def desk(running: tuple[WriterClient, Path]) -> Desk:
    """A tenant with one payload."""
    made = Desk(*running)
    await made.keep(1, b'{"iban":"x"}')
    return made


async def test_a_payload_is_told_after_the_record_says_so(desk: Desk) -> None:
    told = await desk.order(desk.asked())
    assert isinstance(told["content"], str)
    assert b64decode(told["content"]) == b'{"iban":"x"}'
    key = desk.writer.commitment_key
    assert told["commitment"] == audit.leaf.commit(key, sample.call_of(1), "args", b'{"iban":"x"}')
    (leaf,) = desk.leaves("export")
    said = {"purpose": "payload", "why": "case 12", "operator": "ana", "call": sample.call_of(1), "field": "args"}
    assert said.items() <= leaf.items()


async def test_a_large_payload_goes_to_a_new_file_that_its_owner_alone_reads(desk: Desk, tmp_path: Path) -> None:
    await desk.keep(2, b"x" * (2 << 20))
    large, target = desk.asked(call=sample.call_of(2)), tmp_path / "told"
    with pytest.raises(TallyError, match="has 2097152 bytes: name a file"):
        await desk.order(large)
    told = await desk.order({**large, "file": str(target)})
    assert (told["file"], "content" in told) == (str(target), False)
    assert target.read_bytes() == b"x" * (2 << 20)
    assert target.stat().st_mode & 0o777 == 0o600
    for wrong in (target, "told", tmp_path / "none/told"):
        with pytest.raises(TallyError, match="name a file that does not exist yet"):
            await desk.order({**large, "file": str(wrong)})
    assert len(desk.leaves("export")) == 1


@pytest.mark.parametrize("missing", ["why", "operator", "call", "field", "tenant"])
async def test_an_order_without_a_reason_or_an_operator_tells_nothing(desk: Desk, missing: str) -> None:
    with pytest.raises(TallyError, match=missing):
        await desk.order({name: value for name, value in desk.asked().items() if name != missing})


async def test_what_is_gone_is_told_as_gone_and_nothing_leaves(desk: Desk) -> None:
    assert await desk.order(desk.asked(field="result")) == {"gone": "never"}
    erasure = {"order": "erase", "tenant": desk.tenant, "subject": ALICE, "basis": "GDPR 17", "operator": "ana"}
    await desk.order(erasure)
    assert (await desk.order(desk.asked()))["gone"] == "erased"
    assert desk.leaves("export") == []


async def test_a_tenant_without_a_log_has_no_payloads_and_gets_none(desk: Desk) -> None:
    with pytest.raises(TallyError):
        await desk.order(desk.asked(tenant="nobody"))
    assert not (desk.state / "payload/nobody").exists()


async def test_a_rotation_is_on_record_and_old_payloads_stay_readable(desk: Desk) -> None:
    told = await desk.order({"order": "rotate-payload-keys", "operator": "ana"})
    (leaf,) = desk.leaves("key")
    said = {"purpose": "payload", "action": "introduced", "keys": [f"keyring key {told['keyring_key']}"]}
    assert {**said, "provider": "file", "operator": "ana"}.items() <= leaf.items()
    await desk.keep(2, b"new")
    assert "content" in await desk.order(desk.asked())


async def test_rewrapping_renews_the_master_key_in_the_file(desk: Desk) -> None:
    before = (desk.state / "keys/payload-master").read_text().split()
    await desk.order({"order": "rewrap-payload-keys", "operator": "ana"})
    number, key = (desk.state / "keys/payload-master").read_text().split()
    assert (int(number), key != before[1]) == (int(before[0]) + 1, True)
    (leaf,) = desk.leaves("key")
    assert leaf["action"] == "rewrapped"
    told = await desk.order({"order": "payload-keys"})
    assert msgspec.convert(told["live"], dict[str, int])[desk.tenant] == 1
    masters = [entry["master"] for entry in msgspec.convert(told["keyring_keys"], list[dict[str, object]])]
    assert set(masters) == {number}


async def test_the_keys_move_to_transit_and_the_next_start_needs_it(tmp_path: Path) -> None:
    state, token_file, engine = tmp_path / "state", tmp_path / "token", Engine(derived=True)
    engine.rotate("tallystick")
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    with serving(engine) as url:
        keys = {"provider": "transit", "url": url, "key": "tallystick", "token_file": str(token_file)}
        async with start_writer(state, "localhost", initialize=True) as client:
            desk = Desk(client, state)
            await desk.keep(1, b"x")
            told = await desk.order({"order": "rewrap-payload-keys", "operator": "ana", "to": keys})
        assert (told["before"], told["provider"]) == ("file", "transit")
        assert not (state / "keys/payload-master").exists()
        with pytest.raises(Unwritable, match=r"was wrapped by transit.*set audit.keys.provider to transit"):
            order(state, {"order": "payload-keys"})
        flags = ["--keys", msgspec.json.encode(keys).decode()]
        assert "content" in order(state, desk.asked(), flags)
        engine.sealed = True
        with pytest.raises(Unwritable, match=r"provider transit .*sealed.*Next: bao operator unseal"):
            order(state, {"order": "payload-keys"}, flags)
