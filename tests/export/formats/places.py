"""Where `scripts/siem` puts parsers and compilers that others wrote, and how they are asked."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / "var/siem/bin/python"
PROGRAMS = Path(__file__).with_name("programs")
_LIMIT = 120


def ask(program: str, question: object) -> object:
    """Run one of `programs` in the environment of the outside parsers: JSON in, JSON out."""
    if not PYTHON.exists():
        pytest.skip("scripts/siem could not install the outside parsers; it says why")
    asked = subprocess.run(
        [PYTHON, "-I", PROGRAMS / f"{program}.py"],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    answer: object = json.loads(asked.stdout)
    return answer
