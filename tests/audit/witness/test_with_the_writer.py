"""The writer process and its witnesses together: cosigned levels, a rolled-back record, keys that are replaced."""

import shutil
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from tallystick.audit import offline
from tallystick.audit.client import WriterClient, start_writer
from tallystick.audit.signing import load_signers
from tallystick.audit.tlog.note import open_checkpoint, parse_vkeys, read_note, signed_by
from tallystick.audit.tlog.policy import parse_policy
from tests.audit.sample import BANK, denial
from tests.audit.witness.servers import Running, running

pytestmark = pytest.mark.anyio
HOST = "bank.example"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def log_of(state: Path) -> Path:
    """The directory of the only log."""
    return next((state / "audit" / BANK).iterdir())


async def begun(state: Path) -> str:
    """A record with one leaf; returns the content of its log's vkey file."""
    async with start_writer(state, HOST, initialize=True) as recorder:
        await recorder.append(BANK, denial(0))
    return (log_of(state) / "vkey").read_text()


def policy_file(state: Path, quorum: str, *lines: str) -> Path:
    """A policy that accepts the log of this record by its keys of now."""
    logs = "".join(f"log {line}\n" for line in (log_of(state) / "vkey").read_text().splitlines())
    file = state.with_name(f"{state.name}-{quorum}.policy")
    file.write_text(f"{logs}{''.join(lines)}quorum {quorum}\n")
    return file


@asynccontextmanager
async def writing(state: Path, policy: Path) -> AsyncGenerator[WriterClient]:
    """The writer of a record that exists, with witnesses; all within a bound."""
    with anyio.fail_after(60):
        async with start_writer(state, HOST, further=["--witness-policy", str(policy)]) as recorder:
            yield recorder


async def test_a_record_comes_to_be_cosigned_by_a_quorum_and_its_proof_says_so(tmp_path: Path) -> None:
    state = tmp_path / "state"
    vkeys, index = await begun(state), 0
    with running(tmp_path / "one", vkeys) as one, running(tmp_path / "two", vkeys) as two:
        policy = policy_file(state, "both", one.lines("a"), two.lines("b"), "group both all a b\n")
        trusted = parse_policy(policy.read_bytes())
        async with writing(state, policy) as recorder:
            for number in range(1, 4):
                index = await recorder.append(BANK, denial(number))
                await recorder.reach(BANK, index, "cosigned")
                cosigned = (log_of(state) / "cosigned").read_text()
                assert trusted.open_checkpoint(cosigned).size > index
                assert trusted.cosigners(cosigned) == {"a0", "a1", "b0", "b1"}
            proof = await recorder.prove(BANK, index)
        assert trusted.open_checkpoint(proof.partition("\n\n")[2]).size > index
        for witness in (one, two):
            assert witness.state.refusals() == []
    report = offline.verify_log(log_of(state), vkeys)
    assert report.damage == ()


async def test_a_witness_that_is_down_keeps_a_record_from_being_cosigned_and_from_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    vkeys = await begun(state)
    with running(tmp_path / "one", vkeys) as one:
        policy = policy_file(state, "a", one.lines("a"))
        port = int(one.server.server_address[1])
    async with writing(state, policy) as recorder:
        index = await recorder.append(BANK, denial(1))
        await recorder.reach(BANK, index, "published")
        assert not (log_of(state) / "cosigned").exists()
        # It comes back, and what waited is cosigned without a further leaf.
        with running(tmp_path / "one", port=port):
            await recorder.reach(BANK, index, "cosigned")
    assert parse_policy(policy.read_bytes()).open_checkpoint((log_of(state) / "cosigned").read_text()).size > index


async def test_a_record_that_was_restored_from_a_backup_is_never_cosigned_again(tmp_path: Path) -> None:
    state, backup = tmp_path / "state", tmp_path / "backup"
    vkeys = await begun(state)
    with running(tmp_path / "one", vkeys) as one:
        policy = policy_file(state, "a", one.lines("a"))
        async with writing(state, policy) as recorder:
            await recorder.reach(BANK, await recorder.append(BANK, denial(1)), "cosigned")
        shutil.copytree(state, backup, ignore=shutil.ignore_patterns("run"))
        async with writing(state, policy) as recorder:
            await recorder.reach(BANK, await recorder.append(BANK, denial(2)), "cosigned")
        (origin,) = one.state.origins()
        seen = one.state.seen(origin)
        # Database and files agree with each other, so the writer cannot notice. The witness does.
        async with writing(backup, policy) as recorder:
            indices = [await recorder.append(BANK, denial(number)) for number in range(3, 40)]
            await recorder.reach(BANK, indices[-1], "published")
            await until_refused(one)
        assert one.state.seen(origin) == seen
        with pytest.raises(Exception, match="not reached"):
            parse_policy(policy.read_bytes()).open_checkpoint((log_of(backup) / "checkpoint").read_text())


async def until_refused(witness: Running) -> None:
    """Wait for answers of a witness until one was a refusal."""
    while not witness.state.refusals():
        assert await anyio.to_thread.run_sync(lambda: witness.server.answers.acquire(timeout=60))


async def test_keys_are_replaced_while_witnesses_watch(tmp_path: Path) -> None:
    state = tmp_path / "state"
    before = await begun(state)
    with running(tmp_path / "one", before) as one:
        policy = policy_file(state, "a", one.lines("a"))
        async with writing(state, policy) as recorder:
            assert (await recorder.order({"order": "rotate-key", "step": "begin", "operator": "ana"}))["action"] == (
                "introduced"
            )
            both = (log_of(state) / "vkey").read_text()
            assert both.startswith(before)
            assert len(both.splitlines()) == 4
            # Who knows the old keys only, or the new ones only, accepts what is signed by both.
            shown = (log_of(state) / "checkpoint").read_text()
            for keys in (before, both.removeprefix(before)):
                assert open_checkpoint(shown, parse_vkeys(keys), every=True)
            one.state.add_log(both)
            await recorder.order({"order": "rotate-key", "step": "end", "operator": "ana"})
            after = (log_of(state) / "vkey").read_text()
            assert both == before + after
            await recorder.reach(BANK, await recorder.append(BANK, denial(1)), "cosigned")
    shown = (log_of(state) / "checkpoint").read_text()
    assert len(signed_by(read_note(shown), parse_vkeys(both))) == 2
    report = offline.verify_log(log_of(state), after)
    assert report.damage == ()
    assert report.kinds["key"] == 2
    leaves = [offline.read_fields(leaf) for _, leaf in offline.read_leaves(log_of(state), range(report.size))]
    told = [(leaf["action"], leaf["keys"], leaf["operator"]) for leaf in leaves if leaf["kind"] == "key"]
    assert told == [
        ("introduced", after.splitlines(), "ana"),
        ("retired", before.splitlines(), "ana"),
    ]


@pytest.mark.parametrize("half", ["begin", pytest.param("end", marks=pytest.mark.live)])
async def test_a_crash_right_after_the_keys_were_changed_is_made_good_at_the_next_start(
    tmp_path: Path, half: str
) -> None:
    await begun(tmp_path)
    signers = load_signers(tmp_path, initialize=False)
    for change in (signers.begin_rotation, signers.end_rotation)[: 1 if half == "begin" else 2]:
        change()
        signers.settle()
    async with start_writer(tmp_path, HOST):
        pass
    log = log_of(tmp_path)
    assert (log / "vkey").read_text() == signers.vkeys((log / "checkpoint").read_text().split("\n")[0])
    assert open_checkpoint((log / "checkpoint").read_text(), parse_vkeys((log / "vkey").read_text()), every=True)


async def test_a_record_from_before_the_second_algorithm_gets_it_on_record_at_its_next_start(tmp_path: Path) -> None:
    await begun(tmp_path)
    # What an older release has left: one key, no roll, and a log that knows of no other.
    keys, log = tmp_path / "keys", log_of(tmp_path)
    (keys / "signing.json").unlink()
    (keys / "audit-mldsa44").unlink()
    first = (log / "vkey").read_text().splitlines()[0]
    (log / "vkey").write_text(f"{first}\n")
    for _ in range(2):
        async with start_writer(tmp_path, HOST) as recorder:
            await recorder.order({"order": "beat", "tenant": BANK})
    both = (log / "vkey").read_text()
    assert both.splitlines()[0] == first
    assert open_checkpoint((log / "checkpoint").read_text(), parse_vkeys(both), every=True)
    leaves = [offline.read_fields(leaf) for _, leaf in offline.read_leaves(log, range(offline.size_of(log)))]
    told = [(leaf["action"], leaf["keys"]) for leaf in leaves if leaf["kind"] == "key"]
    assert told == [("introduced", both.splitlines()[1:])]
