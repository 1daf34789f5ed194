"""Evidence with the reply: receipts that verify with a key alone, and records vouched for before a reply leaves."""

from base64 import b64encode
from collections.abc import AsyncGenerator
from hashlib import sha256
from pathlib import Path

import httpx2
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tallystick import audit
from tallystick.audit import offline
from tallystick.audit.tlog.policy import parse_policy
from tests.audit.witness.servers import running
from tests.interaction.configuration import copy_configuration, write
from tests.interaction.legacy import Legacy
from tests.interaction.record import leaves_of, log_of, size_of, told_of_calls
from tests.interaction.stage import MODERN, Json, Stage, error_of, index_of, open_stage, reasons_of, text_of
from tests.interaction.ways import every_era
from tests.interaction.world import World
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

ROUTE = "servers/desk"
WANTED: Json = {"tallystick.dev/receipt": True}
NOBODY = "nobody.example"


async def _ask(stage: Stage, era: str, method: str, params: Json) -> httpx2.Response:
    if era == MODERN:
        return await stage.post(ROUTE, method, params)
    client = Legacy(stage, ROUTE, era)
    await client.open()
    return await client.ask(method, params)


def _split(answer: httpx2.Response, member: str, place: str) -> tuple[Json, Json]:
    """Return a result or error without its receipt, and the receipt."""
    said = msgspec.convert(msgspec.json.decode(answer.content, type=Json)[member], Json)
    around = msgspec.convert(said[place], Json)
    return said, msgspec.convert(around.pop("tallystick.dev/receipt"), Json)


def _checked(stage: Stage, receipt: Json) -> Json:
    """Check a receipt as its holder would, with the log's public key; return the leaf."""
    vkey = offline.read_vkey(log_of(stage.places.state, "bank"))
    leaf = str(receipt["leaf"])
    found = offline.check_proof(str(receipt["proof"]), vkey, leaf.encode())
    assert not isinstance(found, offline.Damage), found
    assert f"\nindex {receipt['index']}\n" in str(receipt["proof"])
    other = offline.check_proof(str(receipt["proof"]), vkey, leaf.replace("success", "timeout", 1).encode() + b" ")
    assert isinstance(other, offline.Damage)
    return msgspec.json.decode(leaf, type=Json)


@requirement("record:receipt")
@every_era
async def test_a_reply_carries_a_receipt_that_proves_what_is_on_record(stage: Stage, era: str) -> None:
    answer = await _ask(stage, era, "tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": WANTED})
    assert "tallystick.dev/receipt" not in stage.world.journal("desk").text()
    _, receipt = _split(answer, "result", "_meta")
    leaf = _checked(stage, receipt)
    assert (leaf["kind"], leaf["status"]) == ("outcome", "success")
    without = await _ask(stage, era, "tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}})
    assert "tallystick.dev/receipt" not in without.text


@requirement("record:receipt")
@every_era
async def test_a_receipt_is_no_part_of_what_the_record_commits_to(stage: Stage, era: str) -> None:
    for tool in ("echo", "fail"):
        call: Json = {"name": tool, "arguments": {"text": "twice the same"}}
        plain = await _ask(stage, era, "tools/call", call)
        payload = msgspec.json.decode(plain.content, type=dict[str, msgspec.Raw])["result"]
        answer = await _ask(stage, era, "tools/call", {**call, "_meta": WANTED})
        _, receipt = _split(answer, "result", "_meta")
        leaf = _checked(stage, receipt)
        assert leaf["status"] == ("success" if tool == "echo" else "tool_error")
        key = stage.gateway.rooms.commitment_key
        assert leaf["result_c"] == audit.leaf.commit(key, str(leaf["id"]), "result", bytes(payload))


@requirement("record:receipt")
@every_era
async def test_an_error_of_a_server_and_an_answer_of_the_gateway_have_receipts_too(stage: Stage, era: str) -> None:
    failing: Json = {"name": "refuse", "arguments": {"text": "no", "length": 0}, "_meta": WANTED}
    _, receipt = _split(await _ask(stage, era, "tools/call", failing), "error", "data")
    assert _checked(stage, receipt)["status"] == "rpc_error"
    _, receipt = _split(await _ask(stage, era, "tools/list", {"_meta": WANTED}), "result", "_meta")
    leaf = _checked(stage, receipt)
    assert (leaf["intent"], leaf["method"], leaf["status"]) == (None, "tools/list", "success")


@requirement("record:receipt")
async def test_a_refusal_has_its_records_number_and_no_receipt(stage: Stage) -> None:
    answer = await stage.post(ROUTE, "tools/call", {"name": "nothing", "arguments": {}, "_meta": WANTED})
    assert reasons_of(answer) == ["tool_unknown"]
    assert index_of(answer) >= 0
    assert "tallystick.dev/receipt" not in answer.text


def _vkey_of_nobody() -> str:
    """Return the verifier key of a witness that signs nothing (C2SP tlog-cosignature)."""
    key = b"\x04" + Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    named = sha256(NOBODY.encode() + b"\n" + key).digest()[:4]
    return f"{NOBODY}+{named.hex()}+{b64encode(key).decode()}"


async def _stage_with(world: World, folder: Path, settings: str) -> AsyncGenerator[Stage]:
    config = copy_configuration(world.config, folder / "config")
    write(config, "tally.yaml", (config / "tally.yaml").read_text() + settings)
    write(config, "nobody.txt", "")
    async with open_stage(world, config, folder / "state") as running:
        yield running


@pytest.fixture
async def published(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway whose replies about tools of low risk wait for a checkpoint, and which keeps no payload."""
    async for own in _stage_with(world, tmp_path, "audit: {levels: {low: published}, capture: none}\n"):
        yield own


@pytest.fixture
async def unwitnessed(world: World, tmp_path: Path) -> AsyncGenerator[Stage]:
    """A gateway whose replies about tools of low risk wait for a witness that nobody runs."""
    policy = tmp_path / "witnesses"
    policy.write_text(f"witness nobody {_vkey_of_nobody()} http://127.0.0.1:1/\nquorum nobody\n")
    levels = f"levels: {{low: cosigned}}, level_timeout_s: 0.2, witness_policy: '{policy}', capture_bytes: 8"
    async for own in _stage_with(world, tmp_path, f"audit: {{{levels}}}\n"):
        yield own


@requirement("record:level")
async def test_no_reply_leaves_before_its_record_is_published_where_the_risk_demands_it(published: Stage) -> None:
    state = published.places.state
    for number in range(3):
        assert text_of(await published.call(ROUTE, "echo", {"text": f"published {number}"})) == f"published {number}"
        # Nothing is waited for: what is published now was published before the reply left.
        leaves = leaves_of(log_of(state, "bank"), range(size_of(state, "bank")))
        assert told_of_calls(leaves)[-1] == "outcome success"
        assert len([leaf for leaf in leaves if leaf["kind"] == "outcome" and leaf["intent"] is not None]) == number + 1
        # Nothing is captured here, and no leaf says that anything is.
        assert not any({"kept", "unkept", "subject", "retention"} & leaf.keys() for leaf in leaves)


@requirement("record:level")
async def test_a_reply_whose_record_nobody_witnessed_is_withheld_and_says_so(unwitnessed: Stage) -> None:
    journal, record = unwitnessed.world.journal("desk"), unwitnessed.record()
    start = await record.mark()
    answer = await unwitnessed.call(ROUTE, "echo", {"text": "unwitnessed"})
    assert (answer.status_code, reasons_of(answer)) == (503, ["record_not_witnessed"])
    assert "Do not repeat it" in str(error_of(answer)["message"])
    assert "unwitnessed" not in answer.text
    assert journal.calls("echo", text="unwitnessed") == 1
    leaves = await record.since(start)
    assert told_of_calls(leaves) == ["intent tools/call", "outcome success"]
    assert leaves[index_of(answer) - start - 1]["kind"] == "outcome"
    # Eight bytes are kept here at most, and the leaves say of what is larger that it is not.
    assert [(leaf.get("kept"), leaf["unkept"]) for leaf in leaves] == [(None, ["args"]), (None, ["result"])]
    # A list, and a tool of another risk, wait for no witness.
    assert (await unwitnessed.post(ROUTE, "tools/list")).status_code == 200
    assert "40 to DE02" in (await unwitnessed.call(ROUTE, "transfer", {"account": "DE02", "amount": 40})).text


@requirement("record:level", "record:receipt")
async def test_a_reply_that_waited_for_its_witness_carries_a_receipt_with_its_cosignature(
    world: World, tmp_path: Path
) -> None:
    config = copy_configuration(world.config, tmp_path / "config")
    async with open_stage(world, config, tmp_path / "state") as first:
        await first.call(ROUTE, "echo", {"text": "so that there is a log"})
    vkeys = (log_of(tmp_path / "state", "bank") / "vkey").read_text()
    with running(tmp_path / "witness", vkeys) as witness:
        policy = tmp_path / "policy"
        logs = "".join(f"log {line}\n" for line in vkeys.splitlines())
        policy.write_text(f"{logs}{witness.lines('w')}quorum w\n")
        settings = f"audit: {{levels: {{low: cosigned}}, witness_policy: '{policy}'}}\n"
        write(config, "tally.yaml", (config / "tally.yaml").read_text() + settings)
        async with open_stage(world, config, tmp_path / "state") as stage:
            called: Json = {"name": "echo", "arguments": {"text": "witnessed"}, "_meta": WANTED}
            answer = await stage.post(ROUTE, "tools/call", called)
            _, receipt = _split(answer, "result", "_meta")
            _checked(stage, receipt)
            checkpoint = str(receipt["proof"]).partition("\n\n")[2]
            assert parse_policy(policy.read_bytes()).cosigners(checkpoint) == {"w0", "w1"}
