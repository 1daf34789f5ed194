"""One door per third-party library: the table of who may import what, and its agreement with pyproject and the docs."""

import json
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from tests.rules.source import PACKAGE, Violation, imports, read_modules

EVERYWHERE = frozenset({"*"})

# Import name -> (name on the package index, the rooms that may import it). Adding a line needs a decision record.
DOORS: dict[str, tuple[str, frozenset[str]]] = {
    "alembic": ("alembic", frozenset({"control"})),
    "anyio": ("anyio", EVERYWHERE),
    "cedarpy": ("cedarpy", frozenset({"policy"})),
    "click": ("click", frozenset({"cli"})),
    "cryptography": ("cryptography", frozenset({"identity", "audit", "gateway", "control"})),
    "httptools": ("httptools", frozenset({"gateway", "wiring"})),
    "jsonschema_rs": ("jsonschema-rs", frozenset({"guard"})),
    "jwt": ("pyjwt", frozenset({"identity"})),
    "msgspec": ("msgspec", frozenset({"wire", "audit", "identity", "gateway", "remote", "api", "control"})),
    "rfc8785": ("rfc8785", frozenset({"audit"})),
    "sqlalchemy": ("sqlalchemy", frozenset({"control"})),
    "starlette": ("starlette", frozenset({"api"})),
    "urllib3": ("urllib3", frozenset({"audit", "control", "export", "remote"})),
    "uvicorn": ("uvicorn", frozenset({"wiring"})),
    "uvloop": ("uvloop", frozenset({"wiring"})),
    "yaml": ("pyyaml", frozenset({"settings"})),
}

# The same for what an extra of pyproject brings, without the demo's. It is imported only where it was chosen.
OPTIONAL: dict[str, tuple[str, frozenset[str]]] = {
    "boto3": ("boto3", frozenset({"audit", "export"})),
    "botocore": ("boto3", frozenset({"audit", "export"})),
    "pkcs11": ("python-pkcs11", frozenset({"audit"})),
    "psycopg": ("psycopg", frozenset({"audit", "control"})),
}
FOR_THE_DEMO = "demo"

# Packages of the same wheel are no libraries, and are still for one room only.
OWN: dict[str, frozenset[str]] = {"tallystick_demo_bank": frozenset({"cli"})}


def doors(root: Path) -> Iterator[Violation]:
    """Each library is imported from its own rooms only, and one that is not in the table from nowhere."""
    for module in read_modules(root):
        for target in sorted({target.split(".")[0] for target, _ in imports(module)}):
            if target in sys.stdlib_module_names or target == PACKAGE:
                continue
            allowed = OWN.get(target) or {**DOORS, **OPTIONAL}.get(target, ("", frozenset[str]()))[1]
            if allowed != EVERYWHERE and module.room not in allowed:
                who = ", ".join(sorted(allowed)) or "no room yet"
                yield Violation(f"library {target} {module.room}", f"imported by {module.where}; allowed: {who}")


def table(root: Path) -> Iterator[Violation]:
    """pyproject's dependencies, the table above and docs/dependencies.md name the same libraries and the same rooms."""
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[<>=!\[ ]", line)[0].lower() for line in project["dependencies"]}
    listed = dict(DOORS.values())
    for name in sorted(declared ^ set(listed)):
        yield Violation(f"library {name}", "pyproject.toml and the table of doors (tests/rules/libraries.py) differ")
    rows = dict(documented(root))
    for name in sorted(declared ^ set(rows)):
        yield Violation(f"library {name}", "pyproject.toml and the first table of docs/dependencies.md differ")
    for name, rooms in listed.items():
        if name in rows and rows[name] != rooms:
            yield Violation(
                f"library {name}", f"docs/dependencies.md says {sorted(rows[name])}, the table of doors {sorted(rooms)}"
            )
    yield from _extras(root, project.get("optional-dependencies", {}))


def _extras(root: Path, extras: dict[str, list[str]]) -> Iterator[Violation]:
    """The extras, the table of optional doors and the documents name the same libraries."""
    lines = [line for name, extra in extras.items() if name != FOR_THE_DEMO for line in extra]
    wanted = {re.split(r"[<>=!\[ ]", line)[0].lower() for line in lines}
    if extras:
        for name in sorted(wanted ^ {name for name, _ in OPTIONAL.values()}):
            yield Violation(f"library {name}", "the extras of pyproject.toml and the table of optional doors differ")
    text = (root / "docs/dependencies.md").read_text()
    for name in sorted(wanted):
        if f"| `{name}` |" not in text:
            yield Violation(f"library {name}", "docs/dependencies.md has no row for it")


LOCKED = ("bench", "fuzz", "tests")
"""Folders with lock files of their own."""


def locks(root: Path) -> Iterator[Violation]:
    """Lock files hold a hash for everything that pyproject asks for, and no address to fetch it from."""
    for path in (*root.glob("*.lock"), *(path for folder in LOCKED for path in (root / folder).rglob("*.lock"))):
        where, text = path.relative_to(root).as_posix(), path.read_text()
        for entry in re.split(r"\n(?=[a-z0-9])", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)):
            if "--hash=sha256:" not in entry:
                yield Violation(f"lock {where}", f"no hash: {entry.splitlines()[0]}")
        if "://" in text or "--index-url" in text:
            yield Violation(f"lock {where}", "names an address")
    locked = set(re.findall(r"^([\w.-]+)==", (root / "requirements.lock").read_text(), re.MULTILINE))
    pyproject = tomllib.loads((root / "pyproject.toml").read_text())
    project: dict[str, list[str]] = pyproject["project"]
    groups: list[list[str]] = [
        *pyproject["project"]["optional-dependencies"].values(),
        pyproject["dependency-groups"]["dev"],
    ]
    for line in (line for group in [project["dependencies"], *groups] for line in group):
        name = re.split(r"[<>=!\[ ]", line)[0].lower()
        if name not in locked:
            yield Violation("lock requirements.lock", f"{name} is missing: run make lock")
    for folder in ("examples/npm", "conformance", "tests/peers/npm", "tests/oracles/npm"):
        for path in root.glob(f"{folder}/package-lock.json"):
            yield from _npm_lock(path, f"{folder}/package-lock.json")


def _npm_lock(path: Path, where: str) -> Iterator[Violation]:
    packages: dict[str, dict[str, object]] = json.loads(path.read_text())["packages"]
    for name, entry in packages.items():
        if name and ("integrity" not in entry or "resolved" in entry):
            yield Violation(f"lock {where}", f"{name}: an integrity hash and no address, please")


def documented(root: Path) -> Iterator[tuple[str, frozenset[str]]]:
    """(name, rooms) of each row of the first table in docs/dependencies.md; the rooms stand in its last column."""
    inside = False
    for line in (root / "docs/dependencies.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            if inside:
                return
            continue
        if inside and (found := re.match(r"`([\w-]+)`", cells[0])):
            yield found[1], frozenset(re.findall(r"`(\w+)`", cells[-1])) or EVERYWHERE
        inside = inside or set(line) <= set("|- ")
