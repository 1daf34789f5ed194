"""The pages on asking, keeping, holding and erasing, followed literally over a record that holds payloads."""

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from subprocess import CompletedProcess

import anyio
import pytest

from tallystick import audit
from tallystick.audit.client import start_writer
from tallystick.audit.leaf import subject_ref
from tallystick.audit.model import Capture, Content
from tallystick.terms import TenantId
from tests.audit.sample import CALLER, DECISION, NOON, TARGET, call_of

_PAGES = Path(__file__).resolve().parent.parent / "docs/how-to"
PAGE = (_PAGES / "search.md").read_text() + (_PAGES / "retention.md").read_text()
ACME = TenantId("acme")


def _intent(number: int) -> bytes:
    ana = replace(CALLER, subject="ana")
    return audit.encode(audit.Intent(call_of(number), NOON, ACME, ana, TARGET, DECISION, "e" * 64, 300))


async def _follow(folder: Path) -> CompletedProcess[bytes]:
    """Run the page's commands in one shell, while a record with three calls of ana is being kept."""
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    async with start_writer(folder / "state", "localhost", initialize=True) as writer:
        subject = subject_ref(writer.commitment_key, ACME, "ana")
        for number in range(3):
            capture = Capture(subject, "standard", (Content("args", b'{"amount":%d}' % number),))
            await writer.reach(ACME, await writer.append(ACME, _intent(number), capture), "published")
        return await anyio.run_process(
            ["bash", "-e"],
            input="\n".join(f"echo '$ {line}'\n{line}" for line in lines).encode(),
            cwd=folder,
            env={"PATH": f"{Path(sys.executable).parent}:{os.defpath}"},
            check=False,
        )


@pytest.mark.anyio
async def test_what_is_held_stays_and_what_is_erased_is_gone_as_the_page_says(tmp_path: Path) -> None:
    done = await _follow(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = done.stdout.decode().split("$ ")[1:]
    said = {part.partition("\n")[0].split(" --")[0]: part.partition("\n")[2] for part in parts}
    assert "accounts.list" in said["tally audit search"]
    assert "FINRA 4511" in said["tally audit retention"]
    assert "Smith v. Bank" in said["tally audit hold list"]
    assert said["tally audit subject-access"].startswith("3 payloads (0 of them gone)")
    assert [json.loads(line)["text"] for line in (tmp_path / "ana.jsonl").read_text().splitlines()] == [
        f'{{"amount":{number}}}' for number in range(3)
    ]
    assert said["tally audit erase"].startswith("3 payloads erased, 1 key destroyed")
    assert said["tally audit expire"] == "Nothing is due.\n"
    assert "standard" in said["tally audit cost"]
