"""The how-to pages about witnesses and signing keys, followed literally."""

import re
import shutil
import socket
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import anyio

from tallystick.audit.client import join_writer
from tallystick.audit.leaf import call_id
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.tlog.note import parse_vkeys, read_note, signed_by
from tallystick.audit.witness import WitnessState
from tallystick.audit.writer import socket_of
from tallystick.terms import TenantId
from tests.audit.sample import NOON
from tests.test_how_tos import OWN_SERVERS, ROOT, TALLY, commands_of, run, write_files

WITNESS = (ROOT / "docs/how-to/witness.md").read_text()
ROTATE = (ROOT / "docs/how-to/rotate-keys.md").read_text()


@contextmanager
def started(command: str, folder: Path) -> Generator[str]:
    """A command of a page that runs until it is interrupted; gives its first line."""
    words = [TALLY, *command.split()[1:]]
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    with process, process.stdout:
        try:
            yield process.stdout.readline()
        finally:
            process.terminate()
        assert process.wait(30) == 130


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def a_record(folder: Path) -> Path:
    """A log as `own-servers.md` makes one, for a tenant without servers; returns its directory."""
    write_files(OWN_SERVERS, folder, free_port())
    for file in (file for file in (folder / "config").rglob("*.*") if file.name not in {"tally.yaml", "acme.yaml"}):
        file.unlink()
    up = commands_of(OWN_SERVERS)[2]
    with started(up, folder) as said:
        assert "listens at" in said
    (log,) = (folder / "state" / "audit").glob("acme/*")
    return log


def test_a_witness_is_set_up_asked_and_looked_at_as_the_page_says(tmp_path: Path) -> None:
    log = a_record(tmp_path)
    port = free_port()
    page = WITNESS.replace("8443", str(port))
    init, add_log, serve, policy, up, show, verify = commands_of(page)
    keys = parse_vkeys(run(init, tmp_path))
    assert {key.name for key in keys} == {"audit.bank.example/witness"}
    shutil.copy(log / "vkey", tmp_path / "acme.vkey")
    assert "/acme/* is known by:" in run(add_log, tmp_path)
    with started(serve, tmp_path) as said:
        assert said == f"audit.bank.example/witness listens at http://127.0.0.1:{port}\n"
        run(policy, tmp_path)
        (settings,) = re.findall(r"^```yaml\n# config/tally.yaml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
        tally_yaml = tmp_path / "config" / "tally.yaml"
        tally_yaml.write_text(tally_yaml.read_text() + settings)
        with started(up, tmp_path) as listening:
            assert "listens at" in listening
            anyio.run(until_cosigned, tmp_path / "state")
        note = read_note((log / "cosigned").read_text())
        assert [one.verifier for one in signed_by(note, keys)] == list(keys)
        shown = run(show, tmp_path)
        assert re.search(r"^seen \S+/acme/\d{4}: \d+ leaves", shown, re.MULTILINE)
        assert "Verified" in run(verify, tmp_path, {"TALLY_STATE": "state"})
    assert WitnessState(tmp_path / "witness").refusals() == []


async def until_cosigned(state: Path) -> None:
    """Write a leaf beside the gateway, and wait until it is cosigned."""
    tenant, fields = TenantId("acme"), {"action": "looked", "object": "witness", "result": "success"}
    leaf = event(Event("admin", call_id(NOON, bytes(10)), NOON, tenant, fields))
    with anyio.fail_after(60):
        async with join_writer(socket_of(state)) as recorder:
            await recorder.reach(tenant, await recorder.append(tenant, leaf), "cosigned")


def test_the_signing_keys_are_replaced_as_the_page_says(tmp_path: Path) -> None:
    log = a_record(tmp_path)
    before = (log / "vkey").read_text()
    begin, end, verify = commands_of(ROTATE)
    place = {"TALLY_STATE": "state"}
    assert "acme: keys introduced, see leaf" in run(begin, tmp_path, place)
    both = (log / "vkey").read_text()
    assert both.startswith(before)
    assert "acme: keys retired, see leaf" in run(end, tmp_path, place)
    assert (log / "vkey").read_text() == both.removeprefix(before)
    files = {file.name for file in (tmp_path / "state" / "keys").iterdir()}
    assert {"audit-ed25519.2", "audit-mldsa44.2"} <= files
    assert not {"audit-ed25519", "audit-mldsa44"} & files
    assert "2 key" in run(verify, tmp_path, place)
