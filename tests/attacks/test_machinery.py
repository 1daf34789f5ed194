"""What no request can reach, because it is not there, or because nothing of a request ever gets to it."""

import ast
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tallystick.wiring.compose import clock
from tests.attacks.advisory import holds
from tests.attacks.victim import CALL, ROUTE, attack, nothing_arrives
from tests.interaction.configuration import ROOT
from tests.interaction.stage import Stage, modern

SOURCE = ROOT / "src/tallystick"

_ENGINES = {
    "jinja2",
    "mako",
    "chevron",
    "pystache",
    "django",
    "string.Template",
    "RestrictedPython",
    "simpleeval",
    "jq",
}
_LOADERS = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "runpy", "code", "importlib", "xml", "sqlalchemy"}
_EVALUATE = {"eval", "exec", "compile", "__import__", "execfile", "Template"}
_SHELLS = {"system", "popen", "getoutput", "getstatusoutput", "create_subprocess_shell", "startfile"}
_START = {"open_process", "run_process", "Popen", "create_subprocess_exec", "posix_spawn", "fork", "execv", "execve"}

_QUERIES = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "PRAGMA ")

MAY_START = {
    "runtime/process.py",
    "runtime/launch.py",
    "audit/client.py",
    "wiring/workers.py",
    "wiring/followers/keep.py",
}
"""Whoever starts a process: servers as the configuration names them, and our own writer, workers and followers."""


class File(NamedTuple):
    """One source file: where it is, its nodes, what it imports and which of the names that matter it calls."""

    where: str
    nodes: list[ast.AST]
    imported: set[str]
    called: set[str]


@cache
def _files() -> list[File]:
    return [_read(file) for file in sorted(SOURCE.rglob("*.py"))]


def _read(file: Path) -> File:
    nodes = list(ast.walk(ast.parse(file.read_text())))
    return File(file.relative_to(SOURCE).as_posix(), nodes, _imported(nodes), _called(nodes))


def _imported(nodes: list[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} | {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module.split(".")[0], *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def _called(nodes: list[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Call):
            name = node.func
            if isinstance(name, ast.Name):
                found.add(name.id)
            elif isinstance(name, ast.Attribute):
                # Of attributes only these: `re.compile` and methods of our own are no evaluation.
                found |= {name.attr} & (_SHELLS | _START)
    return found


@holds("GHSA-vwf3-4xxj-qg6h", "GHSA-xm98-3vcf-fph7", "#6205")
def test_there_is_no_template_engine_and_no_evaluator() -> None:
    for file in _files():
        # The command line may load a part of the program late; whoever types there may run anything anyway.
        loaders = set[str]() if file.where.startswith("cli/") else _LOADERS
        # SQLAlchemy is here for its pickled column type and for text that becomes a statement: control state has the
        # database, and neither of them.
        databases = {"sqlalchemy"} if file.where.startswith("control/") else set[str]()
        assert not file.imported & ((_ENGINES | loaders) - databases), file.where
        assert not {"sqlalchemy.PickleType", "sqlalchemy.ext", "sqlalchemy.orm"} & file.imported, file.where
        assert not file.called & (_EVALUATE | _SHELLS), file.where


@holds("CVE-2026-42271", "CVE-2026-40933", "CVE-2026-33224", "CVE-2026-30624", "incident:ox-stdio", "CVE-2025-6514")
def test_processes_are_started_in_few_places_and_never_beside_a_request() -> None:
    starting = {file.where for file in _files() if file.called & _START or "subprocess" in file.imported}
    assert {where for where in starting if not where.startswith("cli/")} <= MAY_START
    for file in _files():
        if file.where.startswith(("gateway/front", "gateway/client", "wire/", "policy/", "guard/")):
            assert not file.imported & {"subprocess", "tempfile", "shutil", "glob", "tallystick.runtime"}, file.where
            # One file names a path: the socket of a sibling process, by its number.
            assert "pathlib" not in file.imported or file.where == "gateway/front/relay.py", file.where


@holds("CVE-2026-14471", "CVE-2026-42208")
def test_no_query_is_built_from_a_text() -> None:
    for file in (file for file in _files() if "sqlite3" in file.imported):
        for node in (node for node in file.nodes if isinstance(node, ast.JoinedStr | ast.BinOp)):
            put_in = [part.id for part in ast.walk(node) if isinstance(part, ast.Name)]
            is_query = any(verb in ast.unparse(node) for verb in _QUERIES)
            assert not is_query or all(name.isupper() for name in put_in), f"{file.where}: {ast.unparse(node)}"


_WATCHED: list[list[str]] = []
_TOLD = {"open", "os.listdir", "os.scandir", "subprocess.Popen", "os.exec", "import", "compile", "exec"}


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _WATCHED and event in (
        "open",
        "os.listdir",
        "os.scandir",
        "subprocess.Popen",
        "os.exec",
        "import",
        "compile",
        "exec",
    ):
        _WATCHED[-1].append(f"{event} {arguments[:2]!r}")


@contextmanager
def _watched() -> Generator[list[str]]:
    """Collect what this process, which is the gateway's too, opens, lists, starts and evaluates."""
    events: list[str] = []
    _WATCHED.append(events)
    yield events
    _WATCHED.remove(events)


sys.addaudithook(_watch)


@pytest.mark.anyio
@holds("CVE-2026-76095", "GHSA-vwf3-4xxj-qg6h", "incident:smithery", "CVE-2025-53109", "CVE-2025-53110")
async def test_nothing_of_a_request_is_opened_listed_started_or_evaluated(stage: Stage) -> None:
    reached = "reach-me"
    spellings = [
        f"../../{reached}",
        f"/etc/{reached}",
        f"file:///{reached}",
        f"{{{{{reached}}}}}",
        f"$({reached})",
        f"%2e%2e/{reached}",
    ]
    await attack(stage)  # whatever is loaded on the first call is loaded now
    with _watched() as events, nothing_arrives(stage):
        for text in spellings:
            call = {**CALL, "name": text}
            await attack(stage, {"mcp-name": text}, modern("tools/call", call))
            await attack(stage, {"mcp-session-id": text, "mcp-protocol-version": "2025-11-25"})
            await attack(stage, path=f"/servers/{text}/mcp")
            await attack(stage, {"host": text})
            await attack(stage, {"authorization": f"Bearer {text}"})
            for claim in ({"tenant": text}, {"sub": text, "groups": [text]}, {"iss": text}, {"client_id": text}):
                await stage.call(ROUTE, "nonsense", {}, token=stage.token(**claim, exp=int(clock()) + 60))  # pyright: ignore[reportArgumentType] - `sub` is among the claims
    assert [event for event in events if reached in event] == []
    assert [event for event in events if event.startswith(("subprocess", "os.exec"))] == []


def test_the_watch_sees_what_is_opened(tmp_path: Path) -> None:
    file = tmp_path / "reach-me"
    with _watched() as events:
        file.write_text("")
    assert any("reach-me" in event for event in events)
