"""ruff, pyright, the import contracts and the generated reference are seen to break, each on planted violations.

A tool runs once on a tree with all its violations; each test looks for one of them in what it said.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.rules.plant import ROOT, small_tree, write

WIRE = "src/tallystick/wire"

# ruff code -> a few lines that break it
LINT = {
    "A001": "id = 1",
    "ANN201": "def open_account():\n    '''Open.'''",
    "ASYNC230": "async def read() -> str:\n    '''Read.'''\n    with open('x') as file:\n        return file.read()",
    "BLE001": "try:\n    x = 1\nexcept Exception:\n    x = 2",
    "C901": "def choose(x: int) -> int:\n    '''Choose.'''\n"
    + "".join(f"    if x == {n}:\n        x += 1\n" for n in range(11)),
    "D103": "def open_account() -> None: ...",
    "D101": "class Account: ...",
    "DTZ005": "import datetime\nnow = datetime.datetime.now()",
    "E501": "x = '" + "x" * 120 + "'",
    "EM101": "raise ValueError('no')",
    "ERA001": "# x = decide(1)",
    "F401": "import json",
    "FBT001": "def open_account(quick: bool) -> None:\n    '''Open.'''",
    "PLC0415": "def late() -> None:\n    '''Late.'''\n    import json\n    json.dumps(1)",
    "PLR0913": "def many(a: int, b: int, c: int, d: int, e: int, f: int, g: int) -> None:\n    '''Many.'''",
    "PLR2004": "import sys\nif len(sys.argv) == 7:\n    sys.exit()",
    "S101": "assert 1",
    "S602": "import subprocess\nsubprocess.run('ls', shell=True)",
    "SLF001": "import json\njson._default_decoder",
    "T201": "print(1)",
    "TID252": "from .words import word",
    "TRY002": "def fail() -> None:\n    '''Fail.'''\n    message = 'no'\n    raise Exception(message)",
    "RUF100": "x = 1  # noqa: S105 - nothing to suppress here",
}
BANNED = {
    "asyncio.create_task": "import asyncio\nasyncio.create_task(1)",
    "datetime.datetime.now": "import datetime\ndatetime.datetime.now()",
    "os.environ": "import os\nos.environ['x']",
    "time.time": "import time\ntime.time()",
    "typing.Any": "from typing import Any",
    "typing.cast": "from typing import cast",
    "unittest.mock": "from unittest import mock",
}
TYPES = {
    "reportReturnType": "def count() -> int:\n    return 'one'\n",
    "reportMissingParameterType": "def count(x) -> int:\n    return 1\n",
    "reportUnknownVariableType": "def first(lines: list) -> None:\n    for line in lines:\n        print(line)\n",
    "reportOptionalMemberAccess": "def name(x: str | None) -> str:\n    return x.upper()\n",
    "reportPrivateUsage": "from tallystick.wire.hidden import _secret\n\nprint(_secret)\n",
    "reportUnusedImport": "import json\n",
    "reportUnnecessaryTypeIgnoreComment": "x = 1  # pyright: ignore[reportReturnType] - nothing to suppress here\n",
}


def _tool(root: Path, name: str, *arguments: str) -> str:
    program = Path(sys.executable).parent / name
    done = subprocess.run([str(program), *arguments], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode != 0, f"{name} found nothing:\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with every planted lint and type violation, one file each."""
    root = small_tree(tmp_path_factory.mktemp("planted"))
    for code, text in LINT.items():
        write(root, f"{WIRE}/lint_{code}.py", f'"""Planted."""\n\n{text}\n')
    for number, text in enumerate(BANNED.values()):
        write(root, f"{WIRE}/banned_{number}.py", f'"""Planted."""\n\n{text}\n')
    for rule, text in TYPES.items():
        write(root, f"{WIRE}/types_{rule}.py", text)
    write(root, f"{WIRE}/hidden.py", "_secret = 1\n")
    write(root, "tests/wire/test_types.py", "def count() -> int:\n    return 'one'\n")
    write(root, "tests/wire/stray.py", "import json\n")
    (root / "scripts").mkdir()
    return root


@pytest.fixture(scope="module")
def lint(planted: Path) -> str:
    """What ruff says of the planted tree."""
    return _tool(planted, "ruff", "check", "--no-cache", "--output-format=concise", ".")


@pytest.fixture(scope="module")
def types(planted: Path) -> str:
    """What pyright says of the planted tree, with the environment of this run."""
    write(planted, ".venv/pyvenv.cfg", "")
    return _tool(planted, "pyright", "--pythonpath", sys.executable)


@pytest.mark.parametrize("code", LINT)
def test_ruff_finds(code: str, lint: str) -> None:
    assert any(f"lint_{code}.py" in line and f" {code} " in line for line in lint.splitlines()), lint


@pytest.mark.parametrize("name", BANNED)
def test_ruff_finds_the_banned(name: str, lint: str) -> None:
    assert f"TID251 `{name}` is banned" in lint, lint


def test_ruff_finds_a_folder_that_is_no_package(planted: Path) -> None:
    write(planted, "src/tallystick/loose/words.py", '"""Words."""\n')
    assert "INP001" in _tool(planted, "ruff", "check", "--no-cache", "--output-format=concise", "src/tallystick/loose")


def test_the_formatter_finds_another_shape(planted: Path) -> None:
    write(planted, f"{WIRE}/shape.py", "x = {  'a':1 }\n")
    assert "shape.py" in _tool(planted, "ruff", "format", "--no-cache", "--check", f"{WIRE}/shape.py")


@pytest.mark.parametrize("rule", TYPES)
def test_pyright_finds(rule: str, types: str) -> None:
    lines = types.splitlines()
    assert any(f"types_{rule}.py" in line and rule in line for line in lines), types


def test_pyright_looks_at_the_tests_too(types: str) -> None:
    assert "tests/wire/test_types.py" in types


@pytest.mark.parametrize(
    ("where", "text", "broken"),
    [
        ("src/tallystick/terms/words.py", "from tallystick import wire\n", "A room imports only rooms below it"),
        (
            "src/tallystick/terms/words.py",
            "def late():\n    import tallystick.wire.words\n",
            "A room imports only rooms below it",
        ),
        ("src/tallystick/attic/__init__.py", "", "A room imports only rooms below it"),
        ("src/tallystick/wire/words.py", "import os\n", "The core is pure"),
        ("src/tallystick/wire/words.py", "def late():\n    from time import monotonic\n", "The core is pure"),
    ],
    ids=[
        "a room above",
        "a room above, late",
        "a room that no layer lists",
        "the core reads the environment",
        "the core asks the time",
    ],
)
def test_the_import_contracts_find(where: str, text: str, broken: str, tmp_path: Path) -> None:
    write(small_tree(tmp_path), where, text)
    said = _tool(tmp_path / "src", "lint-imports", "--no-cache", "--config", "../pyproject.toml")
    assert f"{broken}" in said.replace("\n", " "), said
    assert "BROKEN" in said


def test_rooms_beside_each_other_may_not_import_each_other(tmp_path: Path) -> None:
    small_tree(tmp_path)
    write(tmp_path, "src/tallystick/policy/__init__.py", "from tallystick import audit\n")
    write(tmp_path, "src/tallystick/audit/__init__.py", "")
    said = _tool(tmp_path / "src", "lint-imports", "--no-cache", "--config", "../pyproject.toml")
    assert "tallystick.policy is not allowed to import tallystick.audit" in said.replace("\n", " "), said


def _reference(root: Path) -> Path:
    for where in ("docs/reference", "src/tallystick/terms", "src/tallystick/settings", "src/tallystick/wire"):
        shutil.copytree(ROOT / where, root / where)
    return root


@pytest.mark.parametrize(
    ("where", "before", "after", "said"),
    [
        ("docs/reference/reasons.md", "### `malformed`", "### `misshapen`", "out of date: docs/reference/reasons.md"),
        ("docs/reference/reasons.toml", "[malformed]", "[misshapen]", "differ in: malformed, misshapen"),
        ("src/tallystick/terms/reason.py", '"malformed"', '"misshapen"', "differ in: malformed, misshapen"),
        ("src/tallystick/wire/refuse.py", "-31029", "-31030", "out of date: docs/reference/reasons.md"),
        ("src/tallystick/settings/model.py", "8080", "9090", "out of date: docs/reference/settings.md"),
    ],
)
def test_the_reference_is_compared_with_the_code(
    where: str, before: str, after: str, said: str, tmp_path: Path
) -> None:
    path = _reference(tmp_path) / where
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    assert said in _tool(tmp_path, "python", str(ROOT / "scripts/reference.py"), "--check", "--root", str(tmp_path))


@pytest.mark.parametrize("name", ["first-call.md", "first call.added.md", "first-call.novel.md"])
def test_a_fragment_of_no_known_kind_is_found(name: str, tmp_path: Path) -> None:
    write(tmp_path, f"changes/{name}", "A change.\n")
    said = _tool(tmp_path, "python", str(ROOT / "scripts/changelog.py"), "--check", "--root", str(tmp_path))
    assert name in said


def test_fragments_become_the_changelog(tmp_path: Path) -> None:
    write(tmp_path, "changes/first-call.added.md", "The first\ncall.\n")
    write(tmp_path, "changes/README.md", "How.\n")
    write(tmp_path, "CHANGELOG.md", "# Changelog\n\n## 0.0.1 (2026-01-01)\n")
    program = [sys.executable, str(ROOT / "scripts/changelog.py"), "--root", str(tmp_path), "0.1.0", "2026-02-01"]
    subprocess.run(program, check=True)
    expected = "# Changelog\n\n## 0.1.0 (2026-02-01)\n\n### Added\n\n- The first call.\n\n## 0.0.1 (2026-01-01)\n"
    assert (tmp_path / "CHANGELOG.md").read_text() == expected
    assert [path.name for path in (tmp_path / "changes").iterdir()] == ["README.md"]
