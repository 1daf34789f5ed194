"""`docs/how-to/payloads.md`, followed literally: its commands run on a real record, its settings are read."""

import json
import re
import shlex
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from click.testing import CliRunner, Result

from tallystick.audit.client import WriterClient, start_writer
from tallystick.cli.main import tally
from tallystick.settings import Settings, parse_settings
from tallystick.terms import TallyError
from tests.audit import sample
from tests.audit.payload.stored import BANK, capture
from tests.audit.payload.transit_server import TOKEN, Engine, serving

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/payloads.md").read_text()
COMMANDS = re.findall(r"^(tally audit .*)$", PAGE, re.MULTILINE)
REVEAL, SHOW, ROTATE, REWRAP, MOVE = COMMANDS


class At(NamedTuple):
    """Where the page is followed: a state directory with the call of the page, and its running writer."""

    state: Path
    writer: WriterClient


@asynccontextmanager
async def followed(folder: Path) -> AsyncGenerator[At]:
    """Record the call of the page."""
    async with start_writer(folder / "state", "localhost", initialize=True) as client:
        captured = capture(("args", b'{"iban":"x"}'), ("prompt", b"\xff\x00"))
        index = await client.append(BANK, sample.intent(1), captured)
        await client.reach(BANK, index, "published")
        yield At(folder / "state", client)


@pytest.fixture
async def at(tmp_path: Path) -> AsyncGenerator[At]:
    async with followed(tmp_path) as where:
        yield where


def run(command: str, state: Path) -> Result:
    """Run a command of the page where the page is followed."""
    words = [str(state.parent / word) if word == "new-config" else word for word in shlex.split(command)[1:]]
    environment = {"TALLY_STATE": str(state), "TALLY_CONFIG": str(state.parent / "config")}
    return CliRunner().invoke(tally, words, env=environment, catch_exceptions=False)


def write_keys(folder: Path, url: str, token_file: Path) -> None:
    """Write a configuration directory that names transit."""
    folder.mkdir()
    lines = ("provider: transit", f"url: {url}", "key: tallystick", f"token_file: {token_file}")
    (folder / "tally.yaml").write_text("audit:\n  keys:\n" + "".join(f"    {line}\n" for line in lines))


def test_every_sample_of_settings_is_read() -> None:
    samples = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    read = [parse_settings({"tally.yaml": text.encode()}) for text in samples]
    assert [one.audit.keys.provider if isinstance(one, Settings) else one for one in read] == [
        "transit",
        "pkcs11",
        "aws-kms",
    ]


async def test_a_payload_is_printed_as_it_was_and_what_is_gone_is_told(at: At) -> None:
    told = run(REVEAL, at.state)
    assert (told.exit_code, told.stdout_bytes) == (0, b'{"iban":"x"}')
    assert run(REVEAL.replace(" args ", " prompt "), at.state).stdout_bytes == b"\xff\x00"
    never = run(REVEAL.replace(" args ", " result "), at.state)
    assert (never.exit_code, never.stdout_bytes) == (1, b"")
    assert never.stderr.startswith("never kept: no payload result of a call with the id 01")
    mistyped = run(REVEAL.replace(" args ", " arguments "), at.state)
    assert (mistyped.exit_code, "'args', 'result', 'prompt'" in mistyped.output) == (2, True)
    target = at.state.parent / "told.json"
    assert f"12 bytes in {target} (leaf " in run(f"{REVEAL} -o {target}", at.state).output
    # A leaf of this client's own: what is before it is published with it.
    await at.writer.reach(BANK, await at.writer.append(BANK, sample.denial(2)), "published")
    assert target.read_bytes() == b'{"iban":"x"}'
    rows = [json.loads(line) for line in run("tally audit tail -n 50 --json", at.state).output.splitlines()]
    assert [row["kind"] for row in rows].count("export") == 3


async def test_keys_are_shown_rotated_and_rewrapped(at: At) -> None:
    assert "provider: file\nkeyring key 1: made 20" in run(SHOW, at.state).output
    assert re.fullmatch(r"keyring key 2 is in use \(bank: leaf \d+\)\n", run(ROTATE, at.state).output)
    assert "2 keyring keys are wrapped by file" in run(REWRAP, at.state).output
    shown = run(SHOW, at.state).output
    assert shown.count("master key 2") == 2
    assert "bank: 1 data key" in shown
    assert run(REVEAL, at.state).stdout_bytes == b'{"iban":"x"}'


async def test_keys_move_to_transit_and_everything_asks_for_the_new_configuration(tmp_path: Path) -> None:
    engine, state = Engine(), tmp_path / "state"
    engine.rotate("tallystick")
    (tmp_path / "token").write_text(TOKEN)
    (tmp_path / "token").chmod(0o600)
    with serving(engine) as url:
        write_keys(tmp_path / "new-config", url, tmp_path / "token")
        async with followed(tmp_path):
            moved = run(MOVE, state).output
        assert "1 keyring keys are wrapped by transit" in moved
        assert "Next: set audit.keys.provider to transit in tally.yaml" in moved
        with pytest.raises(TallyError, match=r"was wrapped by transit.*Next: set audit.keys.provider to transit"):
            run(SHOW, state)
        (tmp_path / "new-config").rename(tmp_path / "config")
        assert run(REVEAL, state).stdout_bytes == b'{"iban":"x"}'
        engine.sealed = True
        with pytest.raises(TallyError, match="Next: bao operator unseal"):
            run(SHOW, state)


async def test_a_gateway_that_cannot_open_the_payload_keys_does_not_start_and_says_what_to_do(tmp_path: Path) -> None:
    async with followed(tmp_path) as at:
        master = at.state / "keys/payload-master"
    master.chmod(0o644)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/tally.yaml").write_text("gateway: {listen_port: 0}\n")
    argv = [str(Path(sys.executable).with_name("tally")), "up", "--config", "config", "--state", "state"]
    with anyio.fail_after(60):
        done = await anyio.run_process(argv, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert b"listens at" not in done.stdout
    wanted = rb"payload keys: provider file \(state/keys/payload-master\): mode 0644 .*Next: chown .*; chmod 600"
    assert re.search(wanted, done.stderr), done.stderr
