"""The parsed source of a tree, and what a broken rule looks like."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PACKAGE = "tallystick"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule. `key` is stable (no line numbers), so that the exception list can name it."""

    key: str
    sentence: str

    def __str__(self) -> str:
        """Both, on one line."""
        return f"{self.key}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Module:
    """One source file. `where` is its path below the root; `room` is empty for the package's own files."""

    where: str
    room: str
    text: str
    tree: ast.Module

    @property
    def is_door(self) -> bool:
        """Whether this file is a room's `__init__.py`."""
        return bool(self.room) and self.where == f"src/{PACKAGE}/{self.room}/__init__.py"


def read_modules(root: Path, folder: str = f"src/{PACKAGE}") -> tuple[Module, ...]:
    """Every Python file below `folder`, parsed."""
    return tuple(_read(root, path) for path in sorted((root / folder).rglob("*.py")))


def _read(root: Path, path: Path) -> Module:
    where = path.relative_to(root).as_posix()
    parts = path.relative_to(root).parts
    inside = parts[2:] if parts[:2] == ("src", PACKAGE) else ()
    room = inside[0].removesuffix(".py") if inside and inside[0] != "__init__.py" else ""
    text = path.read_text(encoding="utf-8")
    return Module(where, room, text, _parsed(text))


@cache
def _parsed(text: str) -> ast.Module:
    """The tree of a text, which no rule changes: a dozen rules read the same files."""
    return ast.parse(text)


@cache
def _nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(tree))


def nodes(module: Module) -> tuple[ast.AST, ...]:
    """Every node of a file, walked once for all rules."""
    return _nodes(module.tree)


def functions(module: Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file. Only statements hold one, so expressions, nine tenths of a tree, are not entered."""
    inside: list[ast.AST] = [module.tree]
    while inside:
        node = inside.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            held: object = getattr(node, name, None)
            if isinstance(held, list):
                inside += held


def rooms(root: Path) -> tuple[str, ...]:
    """Names of the rooms: packages and single files directly below the package."""
    found = {module.room for module in read_modules(root)}
    return tuple(sorted(found - {""}))


def imports(module: Module) -> Iterator[tuple[str, str]]:
    """Every import as (module, name); the name is empty for `import x`."""
    for node in nodes(module):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
