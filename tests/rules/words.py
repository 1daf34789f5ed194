"""Rules about words: names in code, reasons beside suppressions, and what must never be written into a file."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.rules.source import PACKAGE, Module, Violation, nodes, read_modules

BANNED_IN_NAMES = frozenset(
    ["base", "common", "data", "handler2", "helper", "info", "manager", "processor", "service", "util"]
)

# Methods whose names, and whose parameters' names, an interface of Python gives.
GIVEN_FROM_OUTSIDE = frozenset({"data_received"})  # asyncio.Protocol

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+[0-9]*|[0-9]+")
_SUPPRESSION = re.compile(r"#\s*(noqa|type:\s*ignore|pyright:\s*ignore)(?P<rest>[^#\n]*)")
_FORBIDDEN = {
    "a path of one machine": re.compile(r"(?<![\w.~}\])-])/(?:home|root|work|Users)/[\w.]+"),
    "a registry's host": re.compile(r"pypi[.]org|python[h]osted|registry[.]npm|deb[.]debian|static[.]crates"),
    "a ticket number": re.compile(r"\b(?:issue|ticket|task) #?\d+\b", re.IGNORECASE),
}
_TEXT = {".py", ".md", ".toml", ".lock", ".txt", ".json", ".yaml", ".yml", ".cedar", ".in", ".cfg", ""}


def words_of(name: str) -> set[str]:
    """The words of an identifier, lower case, plural `s` taken off: `loadUserData` -> load, user, data."""
    words = {word.lower() for word in _WORD.findall(name)}
    return words | {word.removesuffix("s") for word in words}


def names(root: Path) -> Iterator[Violation]:
    """Names come from the field; the words that mean nothing are banned."""
    for module in read_modules(root):
        stem = module.where.rpartition("/")[2].removesuffix(".py")
        for name in [stem, *defined_names(module)]:
            if banned := words_of(name) & BANNED_IN_NAMES:
                yield Violation(f"name {module.where} {name}", f"says {', '.join(sorted(banned))}: name what it is")


def defined_names(module: Module) -> Iterator[str]:
    """Every name that a file gives: classes, functions, parameters, variables, attributes, import aliases."""
    given: set[ast.AST] = set()
    for node in nodes(module):
        if isinstance(node, ast.FunctionDef) and node.name in GIVEN_FROM_OUTSIDE:
            given |= {node, *node.args.args}
    for node in nodes(module):
        match node:
            case ast.AST() if node in given:
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.name
            case ast.arg():
                yield node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr
            case ast.alias(asname=str(alias)):
                yield alias
            case _:
                pass


def suppressions(root: Path) -> Iterator[Violation]:
    """A suppressed finding names its code and gives its reason: `# noqa: S105 - a reason code, not a secret`."""
    for folder in (f"src/{PACKAGE}", "tests", "scripts", "examples", "bench"):
        for module in read_modules(root, folder):
            for line in module.text.splitlines():
                found = _SUPPRESSION.search(line)
                if found and not re.match(r"(?::\s*|\[)[\w, ]+\]?\s+- \S+", found["rest"]):
                    yield Violation(f"suppression {module.where}", f"no code or no reason: {line.strip()}")


def forbidden_text(root: Path) -> Iterator[Violation]:
    """No file names one machine's paths, a registry's host or a ticket."""
    for path in tracked_files(root):
        if path.suffix not in _TEXT:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):
            continue
        for what, pattern in _FORBIDDEN.items():
            if found := pattern.search(text):
                yield Violation(f"text {path.relative_to(root)}", f"{what}: {found[0]}")


def tracked_files(root: Path) -> tuple[Path, ...]:
    """The files that belong to the repository: what git tracks or would track; without git, every file."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if listing.returncode == 0 and (root / ".git").exists():
        return tuple(root / line for line in listing.stdout.splitlines())
    return tuple(path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts)
