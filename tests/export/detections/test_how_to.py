"""The page about detections says what is so."""

import re
import subprocess
import sys
from pathlib import Path

from tests.export.detections import compiled
from tests.export.formats.places import ROOT

PAGE = (ROOT / "docs/how-to/detections.md").read_text()


def test_the_command_of_the_page_finds_the_rules() -> None:
    (command,) = re.findall(r"^python -c \"(.*)\"$", PAGE, re.MULTILINE)
    shown = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert Path(shown) == compiled.FOLDER
    assert len(list(Path(shown).glob("rules/*.yml"))) == len(compiled.rules())


def test_the_page_names_rules_and_files_that_exist() -> None:
    for name in re.findall(r"(?:pipelines|rules)/\w+\.yml", PAGE):
        assert (compiled.FOLDER / name).exists()
    for name in re.findall(r"`(\w+_\w+)`", PAGE):
        assert name in compiled.rules() or name in {"weekday_utc", "Tallystick_CL"}
