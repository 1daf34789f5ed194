"""Promises and tests agree: every promise that is kept has a test, every test of the whole gateway has a promise."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.interaction.configuration import ROOT
from tests.requirements import REQUIREMENTS

FOLDERS = ("interaction", "crash")
"""Every test in these is about the gateway as a whole, so it has to name its promise; tests elsewhere may."""


def _tests(folder: Path) -> Iterator[tuple[str, list[str]]]:
    for file in sorted(folder.rglob("test_*.py")):
        # Most files have no promise, and one that has none need not be parsed: its tests' names are enough.
        text = file.read_text()
        if "@requirement(" not in text:
            yield from (
                (f"{file.name}::{name}", [])
                for name in re.findall(r"^\s*(?:async )?def (test_\w+)", text, re.MULTILINE)
            )
            continue
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield f"{file.name}::{node.name}", list(_promises(node))


def _promises(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "requirement":
            yield from (str(ast.literal_eval(name)) for name in decorator.args)


def test_every_promise_that_is_kept_has_a_test() -> None:
    tested = {name for _, promises in _tests(ROOT / "tests") for name in promises}
    assert {name for name, entry in REQUIREMENTS.items() if not entry.deferred} - tested == set()


def test_every_test_of_the_whole_gateway_has_a_promise() -> None:
    about_us = Path(__file__).name
    without = [
        name
        for folder in FOLDERS
        for name, promises in _tests(ROOT / "tests" / folder)
        if not promises and not name.startswith(about_us)
    ]
    assert without == []


def test_every_promise_is_a_sentence_with_a_source_and_a_gap_says_why() -> None:
    for name, entry in REQUIREMENTS.items():
        assert name.count(":") >= 1, name
        assert name == name.lower(), name
        assert entry.sentence.endswith("."), name
        assert entry.source, name
        assert not entry.deferred or len(entry.deferred.split()) >= 4, name
