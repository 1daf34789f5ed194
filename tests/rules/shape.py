"""Rules about the shape of a room: its door, its size, its files, its mirror in tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.rules.source import PACKAGE, Module, Violation, functions, imports, nodes, read_modules, rooms

NAMES_AT_A_DOOR = 12
LINES_OF_A_FILE = 500
LINES_OF_A_FUNCTION = 60
FILES_OF_A_PACKAGE = 10
LINES_OF_A_PACKAGE = 2_500
FIELDS_OF_A_ROOM = 10
FIELDS_IN_ALL = 80


def exported(module: Module) -> tuple[str, ...] | None:
    """The door's `__all__`, or None if it has none that can be read."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Name) and to.id == "__all__" for to in node.targets):
            listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else []
            return tuple(str(item.value) for item in listed if isinstance(item, ast.Constant))
    return None


def doors(root: Path) -> Iterator[Violation]:
    """A door says what the room does and what must never be in it, and shows at most 12 names."""
    for module in read_modules(root):
        if not module.is_door:
            continue
        key = f"door {module.room}"
        if "never" not in (ast.get_docstring(module.tree) or "").lower():
            yield Violation(key, "its docstring has to say what the room does and what must never be in it")
        names = exported(module)
        if names is None or len(names) > NAMES_AT_A_DOOR:
            yield Violation(key, f"needs an __all__ of at most {NAMES_AT_A_DOOR} names, has {names and len(names)}")
        if not all(isinstance(node, ast.Import | ast.ImportFrom | ast.Assign | ast.Expr) for node in module.tree.body):
            yield Violation(key, "holds nothing but a docstring, imports and __all__")


def closed_doors(root: Path) -> Iterator[Violation]:
    """Only a room's door is imported from outside, and only names it shows; `wiring` may name inner modules."""
    modules = read_modules(root)
    shown = {module.room: exported(module) or () for module in modules if module.is_door}
    for module in modules:
        if module.room in {"", "wiring"}:
            continue
        for target, name in imports(module):
            parts = target.split(".")
            if parts[0] != PACKAGE or len(parts) == 1 or parts[1] == module.room:
                continue
            key = f"door {parts[1]}"
            if len(parts) > 2:
                yield Violation(key, f"{module.where} imports {target}: use the door, {PACKAGE}.{parts[1]}")
            elif name and parts[1] in shown and name not in shown[parts[1]]:
                yield Violation(key, f"{module.where} imports {name}, which its __all__ does not show")


def sizes(root: Path) -> Iterator[Violation]:
    """A file has at most 500 lines, a function at most 60."""
    for folder in (f"src/{PACKAGE}", "tests", "scripts"):
        for module in read_modules(root, folder):
            lines = module.text.count("\n")
            if lines > LINES_OF_A_FILE:
                yield Violation(f"size {module.where}", f"{lines} lines, at most {LINES_OF_A_FILE}: split by meaning")
            for node in functions(module):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LINES_OF_A_FUNCTION:
                    sentence = f"{length} lines, at most {LINES_OF_A_FUNCTION}"
                    yield Violation(f"size {module.where} {node.name}", sentence)


def packages(root: Path) -> Iterator[Violation]:
    """A package has at most 10 files and 2,500 lines; past that it is split by meaning."""
    inside: dict[str, list[Module]] = {}
    for module in read_modules(root):
        inside.setdefault(module.where.rpartition("/")[0], []).append(module)
    for folder, modules in inside.items():
        lines = sum(module.text.count("\n") for module in modules)
        if len(modules) > FILES_OF_A_PACKAGE:
            yield Violation(f"package {folder}", f"{len(modules)} files, at most {FILES_OF_A_PACKAGE}")
        if lines > LINES_OF_A_PACKAGE:
            yield Violation(f"package {folder}", f"{lines} lines, at most {LINES_OF_A_PACKAGE}")


def mirrors(root: Path) -> Iterator[Violation]:
    """Every room has its folder of tests with at least one test file, in itself or below."""
    for room in rooms(root):
        if not any((root / "tests" / room).rglob("test_*.py")):
            yield Violation(f"mirror {room}", f"no test_*.py in tests/{room}")


def frozen_models(root: Path) -> Iterator[Violation]:
    """The dataclasses of `terms` and of every `model.py` are frozen and slotted."""
    for module in read_modules(root):
        if module.room != "terms" and not module.where.endswith("/model.py"):
            continue
        for node in nodes(module):
            if not isinstance(node, ast.ClassDef):
                continue
            for decorator in map(ast.unparse, node.decorator_list):
                if "dataclass" in decorator and not ("frozen=True" in decorator and "slots=True" in decorator):
                    yield Violation(
                        f"model {module.where} {node.name}", "a model is @dataclass(frozen=True, slots=True)"
                    )


def settings_fields(root: Path) -> Iterator[Violation]:
    """A settings field tells its unit, default and reason below it; a room has at most 10, all rooms together 80."""
    total = 0
    for module in read_modules(root):
        if not module.where.endswith("/settings/model.py"):
            continue
        for node in (node for node in module.tree.body if isinstance(node, ast.ClassDef)):
            # The root value's fields are the rooms' own values, each explained by its class.
            fields = [
                place
                for place, entry in enumerate(node.body)
                if isinstance(entry, ast.AnnAssign) and not ast.unparse(entry.annotation).endswith("Settings")
            ]
            total += len(fields)
            if len(fields) > FIELDS_OF_A_ROOM:
                yield Violation(f"settings {node.name}", f"{len(fields)} fields, at most {FIELDS_OF_A_ROOM}")
            for place in fields:
                if not any(isinstance(entry, ast.Expr) for entry in node.body[place + 1 : place + 2]):
                    yield Violation(f"settings {node.name}", f"nothing below {ast.unparse(node.body[place])} tells why")
    if total > FIELDS_IN_ALL:
        yield Violation("settings", f"{total} fields, at most {FIELDS_IN_ALL}")
