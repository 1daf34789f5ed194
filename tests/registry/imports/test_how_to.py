"""The page about imports: its code runs as it stands, and its table has every format."""

import re
from pathlib import Path

import pytest

from tallystick.registry import imports
from tests.registry.imports.leaves import SAMPLES

PAGE = (Path(__file__).resolve().parents[3] / "docs/how-to/import.md").read_text()


def test_the_code_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mcp.json").write_bytes((SAMPLES / "vscode.json").read_bytes())
    found = re.search(r"```text\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    exec(compile(found[1], "import.md", "exec"), {})  # noqa: S102 - the page's own code
    printed = capsys.readouterr().out
    assert "Server local {'transport'" in printed
    assert "remote needs Authorization in its header" in printed


def test_the_page_names_every_format() -> None:
    assert re.findall(r"^\| `([^`]+)` \| ", PAGE, re.MULTILINE) == [*imports.FORMATS]
    assert f"{len(imports.FORMATS)} formats" in PAGE
