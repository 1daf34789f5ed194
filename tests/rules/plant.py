"""A small tree that keeps every rule, made in a temporary folder; the tests plant violations into it."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent

_DOOR = '''"""The {room} room of a small tree. It must never hold anything else."""

from tallystick.{room}.words import word

__all__ = ["word"]
'''
_INNER = '''"""Words of {room}."""


def word() -> str:
    """Say a word."""
    return "{room}"
'''
_TEST = '''"""Tests of {room}."""

from tallystick.{room} import word


def test_the_word_is_said() -> None:
    assert word() == "{room}"
'''


def write(root: Path, where: str, text: str) -> None:
    """Write a file below the tree, folders included."""
    path = root / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def small_tree(root: Path) -> Path:
    """A package with the rooms terms and wire, their tests, this repository's pyproject and locks, and a README."""
    write(root, "src/tallystick/__init__.py", '"""A small tree."""\n')
    write(root, "tests/__init__.py", '"""Tests."""\n')
    for room in ("terms", "wire"):
        write(root, f"src/tallystick/{room}/__init__.py", _DOOR.format(room=room))
        write(root, f"src/tallystick/{room}/words.py", _INNER.format(room=room))
        write(root, f"tests/{room}/__init__.py", f'"""Tests of {room}."""\n')
        write(root, f"tests/{room}/test_words.py", _TEST.format(room=room))
    for where in (
        "pyproject.toml",
        "Makefile",
        "requirements.lock",
        "bench/requirements.lock",
        "fuzz/requirements.lock",
        "examples/npm/package-lock.json",
        "docs/dependencies.md",
    ):
        (root / where).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / where, root / where)
    write(root, "README.md", "# Small\n\n```bash\nmake demo\n```\n")
    return root
