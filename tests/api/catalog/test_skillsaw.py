"""What the catalog tells is judged by a linter of server.json that others wrote."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.api.catalog.stage import World, listed, tools
from tests.control.stage import pin, server, toolset

LINTER = Path(__file__).resolve().parents[3] / "var/skillsaw/bin/skillsaw"


def _write(folder: Path, entry: object) -> Path:
    folder.mkdir()
    (folder / "server.json").write_text(json.dumps(entry))
    return folder


def _lint(*folders: Path) -> subprocess.CompletedProcess[str]:
    command = [LINTER, "lint", "--strict", "--no-custom-rules", "--no-plugins", "--no-progress", *folders]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.anyio
@pytest.mark.skipif(not LINTER.exists(), reason="SKIPPED LANE: the linter of server.json is not installed")
async def test_every_entry_passes_a_foreign_linter_and_a_broken_one_does_not(world: World, tmp_path: Path) -> None:
    world.put(server("risk", tools=tools("limit")), pin("risk", "limit"), toolset("desk", "risk"))
    entries = [entry.server for entry in listed(await world.get("/servers"))]
    assert len(entries) == 2
    good = [_write(tmp_path / f"good-{number}", entry) for number, entry in enumerate(entries)]
    found = _lint(*good)
    assert found.returncode == 0, found.stdout
    assert found.stdout.count("mcp-registry") >= 1
    broken = _lint(*good, _write(tmp_path / "broken", {**entries[0], "version": "^1.0"}))
    assert broken.returncode == 1
    assert "one exact release" in broken.stdout
