"""`docs/how-to/retention.md`, followed literally: its commands run on a real record."""

import json
import re
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tallystick.audit.client import start_writer
from tallystick.audit.leaf import subject_ref
from tallystick.audit.model import Capture, Content
from tallystick.cli.main import tally
from tallystick.terms import TallyError
from tests.audit import sample
from tests.audit.sample import BANK

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/retention.md").read_text()


@pytest.fixture
async def state(tmp_path: Path) -> AsyncGenerator[Path]:
    """A running record with one payload of ana."""
    async with start_writer(tmp_path / "state", "localhost", initialize=True) as client:
        ana = subject_ref(client.commitment_key, BANK, "ana")
        captured = Capture(ana, "standard", (Content("args", b'{"iban":"x"}'),))
        index = await client.append(BANK, sample.intent(1), captured)
        await client.reach(BANK, index, "published")
        yield tmp_path / "state"


def run(words: list[str], state: Path) -> Result:
    """Run a command where the page is followed."""
    environment = {"TALLY_STATE": str(state), "TALLY_CONFIG": str(state.parent / "config")}
    told = [str(state.parent / word) if word in {"ana.jsonl", "/cold"} else word for word in words[1:]]
    return CliRunner().invoke(tally, told, env=environment, catch_exceptions=False)


def lines(page: str) -> list[list[str]]:
    """The commands of the page, in their order."""
    return [shlex.split(line) for line in re.findall(r"^(tally audit .*)$", page, re.MULTILINE)]


async def test_every_command_of_the_page_does_what_it_says(state: Path) -> None:
    (state.parent / "cold").mkdir()
    told: dict[str, str] = {}
    for words in lines(PAGE):
        found = run([word.replace("/cold", str(state.parent / "cold")) for word in words], state)
        told[" ".join(words[2:4])] = found.output
        assert found.exit_code == 0, (words, found.output)
    assert "sec-17a-4" in told["retention"]
    assert "Hold case-12 is in force" in told["hold place"]
    assert "case-12" in told["hold list"]
    assert "(0 of them gone)" in told["subject-access --subject"]
    assert "erased, 1 key" in told["erase --subject"]
    assert "Nothing is due" in told["expire"]
    assert "standard" in told["cost"]
    [line] = (state.parent / "ana.jsonl").read_text().splitlines()
    assert json.loads(line)["text"] == '{"iban":"x"}'


async def test_what_is_held_is_told_with_the_matter_and_nothing_is_erased(state: Path) -> None:
    run(["tally", "audit", "hold", "place", "case-12", "--matter", "Smith v. Bank"], state)
    with pytest.raises(TallyError, match=r"not erased: standard: legal hold case-12: Smith v\. Bank"):
        run(["tally", "audit", "erase", "--subject", "ana", "--basis", "x", "--yes"], state)
    told = run(["tally", "audit", "erase", "--subject", "ana", "--basis", "x"], state)
    assert told.exit_code == 1
    assert "Nobody can undo this" in told.output
    with pytest.raises(TallyError, match="no log of 2020"):
        run(["tally", "audit", "prune", "--year", "2020", "--yes"], state)
