"""Orders about payloads, to a real writer process: revealing is on record first, keys rotate and move."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

import msgspec
import pytest

from tallystick import audit
from tallystick.audit.client import WriterClient, order, start_writer
from tallystick.audit.model import Unwritable
from tallystick.terms import TallyError
from tests.audit import sample
from tests.audit.leaf.test_event import SCHEMA
from tests.audit.payload.stored import BANK, capture
from tests.audit.payload.transit_server import TOKEN, Engine, serving

pytestmark = pytest.mark.anyio
ASKED = {"tenant": BANK, "call": sample.call_of(1), "field": "args", "why": "case 12", "operator": "ana"}


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncGenerator[WriterClient]:
    """A writer with one payload."""
    async with start_writer(tmp_path, "localhost", initialize=True) as client:
        await keep(client, 1, b'{"iban":"x"}')
        yield client


async def keep(client: WriterClient, number: int, content: bytes) -> None:
    index = await client.append(BANK, sample.intent(number), capture(("args", content)))
    await client.reach(BANK, index, "published")


def leaves(state: Path, kind: str) -> list[dict[str, object]]:
    """Published leaves of a kind; every leaf fits the schema."""
    log = next((state / "audit" / BANK).iterdir())
    read = [
        audit.offline.read_fields(leaf) for _, leaf in audit.offline.read_leaves(log, range(audit.offline.size_of(log)))
    ]
    assert all(SCHEMA.is_valid(one) for one in read if one["kind"] == kind)
    return [one for one in read if one["kind"] == kind]


async def asked(client: WriterClient, name: str, **fields: object) -> Mapping[str, object]:
    """Give an order; its leaf is published when this returns."""
    told = await client.order({"order": name, "operator": "ana", **fields})
    for index in msgspec.convert(told.get("leaves", {}), dict[str, int]).values():
        await client.reach(BANK, index, "published")
    return told


async def test_a_payload_is_told_after_the_record_says_so(writer: WriterClient, tmp_path: Path) -> None:
    told = await writer.order({"order": "reveal", **ASKED})
    assert isinstance(told["content"], str)
    assert b64decode(told["content"]) == b'{"iban":"x"}'
    assert told["commitment"] == audit.leaf.commit(writer.commitment_key, sample.call_of(1), "args", b'{"iban":"x"}')
    assert isinstance(told["leaf"], int)
    await writer.reach(BANK, told["leaf"], "published")
    (leaf,) = leaves(tmp_path, "export")
    said = {"purpose": "payload", "why": "case 12", "operator": "ana", "call": sample.call_of(1), "field": "args"}
    assert said.items() <= leaf.items()


async def test_a_large_payload_goes_to_a_new_file_that_its_owner_alone_reads(
    writer: WriterClient, tmp_path: Path
) -> None:
    await keep(writer, 2, b"x" * (2 << 20))
    large = {**ASKED, "call": sample.call_of(2)}
    with pytest.raises(TallyError, match="has 2097152 bytes: name a file"):
        await writer.order({"order": "reveal", **large})
    target = tmp_path / "told"
    told = await writer.order({"order": "reveal", **large, "file": str(target)})
    assert (told["file"], "content" in told) == (str(target), False)
    assert target.read_bytes() == b"x" * (2 << 20)
    assert target.stat().st_mode & 0o777 == 0o600
    for wrong in (target, "told", tmp_path / "none/told"):
        with pytest.raises(TallyError, match="name a file that does not exist yet"):
            await writer.order({"order": "reveal", **large, "file": str(wrong)})
    assert len(leaves(tmp_path, "export")) <= 1


@pytest.mark.parametrize("missing", ["why", "operator", "call", "field", "tenant"])
async def test_an_order_without_a_reason_or_an_operator_tells_nothing(writer: WriterClient, missing: str) -> None:
    fields = {name: value for name, value in ASKED.items() if name != missing}
    with pytest.raises(TallyError, match=missing):
        await writer.order({"order": "reveal", **fields})


async def test_what_is_gone_is_told_as_gone_and_nothing_leaves(writer: WriterClient, tmp_path: Path) -> None:
    assert await writer.order({"order": "reveal", **ASKED, "field": "result"}) == {"gone": "never"}
    erased = {"order": "erase", "tenant": BANK, "subject": "a1" * 32, "basis": "GDPR 17", "operator": "ana"}
    await writer.order(erased)
    assert (await writer.order({"order": "reveal", **ASKED}))["gone"] == "erased"
    await keep(writer, 3, b"x")
    assert leaves(tmp_path, "export") == []


async def test_a_tenant_without_a_log_has_no_payloads_and_gets_none(writer: WriterClient, tmp_path: Path) -> None:
    with pytest.raises(TallyError):
        await writer.order({"order": "reveal", **ASKED, "tenant": "nobody"})
    assert not (tmp_path / "payload/nobody").exists()


async def test_a_rotation_is_on_record_and_old_payloads_stay_readable(writer: WriterClient, tmp_path: Path) -> None:
    told = await asked(writer, "rotate-payload-keys")
    assert told["keyring_key"] == 2
    await keep(writer, 2, b"new")
    (leaf,) = [one for one in leaves(tmp_path, "key") if one["purpose"] == "payload"]
    assert {"action": "introduced", "keys": ["keyring key 2"], "provider": "file"}.items() <= leaf.items()
    assert "content" in await writer.order({"order": "reveal", **ASKED})


async def test_rewrapping_renews_the_master_key_in_the_file(writer: WriterClient, tmp_path: Path) -> None:
    before = (tmp_path / "keys/payload-master").read_text().split()
    await asked(writer, "rewrap-payload-keys")
    assert (tmp_path / "keys/payload-master").read_text().split()[0] == "2"
    assert before[1] not in (tmp_path / "keys/payload-master").read_text()
    (leaf,) = [one for one in leaves(tmp_path, "key") if one["purpose"] == "payload"]
    assert leaf["action"] == "rewrapped"
    told = await writer.order({"order": "payload-keys"})
    assert told["live"] == {"bank": 1}
    assert msgspec.convert(told["keyring_keys"], list[dict[str, object]])[0]["master"] == "2"


async def test_the_keys_move_to_transit_and_the_next_start_needs_it(writer: WriterClient, tmp_path: Path) -> None:
    engine = Engine(derived=True)
    engine.rotate("tallystick")
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with serving(engine) as url:
        keys = {"provider": "transit", "url": url, "key": "tallystick", "token_file": str(tmp_path / "token")}
        told = await asked(writer, "rewrap-payload-keys", to=keys)
        assert (told["before"], told["provider"]) == ("file", "transit")
        assert not (tmp_path / "keys/payload-master").exists()
        writer.close()
        await writer.closed
        with pytest.raises(Unwritable, match=r"was wrapped by transit.*set audit.keys.provider to transit"):
            order(tmp_path, {"order": "payload-keys"})
        flags = ["--keys", msgspec.json.encode(keys).decode()]
        assert "content" in order(tmp_path, {"order": "reveal", **ASKED}, flags)
        engine.sealed = True
        with pytest.raises(Unwritable, match=r"provider transit .*sealed.*Next: bao operator unseal"):
            order(tmp_path, {"order": "payload-keys"}, flags)
