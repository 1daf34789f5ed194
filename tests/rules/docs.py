"""Rules about documents: every command block is proven, every link resolves, every fence has a language."""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.rules.source import Violation

SHELL = frozenset({"bash", "console"})
OTHER = frozenset({"cedar", "json", "mermaid", "text", "toml", "yaml"})
SECONDS_FOR_A_COMMAND = 60

# Command -> why nobody runs it. Kept apart from the commands that a test runs (test_docs.py).
NOT_RUN = {
    "python3 -m venv": "the environment of the tests stands for the new one",
    ".venv/bin/pip": "needs the network",
    "export PATH=.venv/bin:/usr/bin:/bin": "the tests set it",
    "git clone": "needs the network",
    "cd": "goes into what was cloned",
}

_FENCE = re.compile(r"^```(.*)$")
_LINK = re.compile(r"(?<!!)\[[^\]\[]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: `where` is its document, `line` the line of its opening fence."""

    where: str
    line: int
    language: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a block. `expected` is the output shown below it, None if the document shows none."""

    where: str
    line: int
    text: str
    expected: str | None


def documents(root: Path) -> tuple[Path, ...]:
    """README and the other documents at the top, everything below docs, and the README of each example."""
    below = [path for folder in ("docs", "examples", "changes") for path in (root / folder).rglob("*.md")]
    return tuple(sorted(path for path in [*root.glob("*.md"), *below] if "node_modules" not in path.parts))


def blocks(root: Path) -> Iterator[Block]:
    """Every fenced block of every document."""
    for path in documents(root):
        opened: tuple[int, str] | None = None
        inside: list[str] = []
        for number, line in enumerate(path.read_text().splitlines(), 1):
            fence = _FENCE.match(line.strip())
            if fence is None:
                inside.append(line)
            elif opened is None:
                opened, inside = (number, fence[1].strip()), []
            else:
                yield Block(path.relative_to(root).as_posix(), opened[0], opened[1], "\n".join(inside))
                opened = None


def commands(block: Block) -> Iterator[Command]:
    """The commands of a shell block: each line of `bash`; each `$ ` line of `console` with the output below it."""
    if block.language == "bash":
        for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
            text = line.split(" # ")[0].strip()
            if text and not text.startswith("#"):
                yield Command(block.where, block.line, text, None)
    elif block.language == "console":
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            text, _, expected = part.partition("\n")
            yield Command(block.where, block.line, text.split(" # ")[0].strip(), expected.rstrip() or None)


def fences(root: Path) -> Iterator[Violation]:
    """Every fence says its language, and one that this file can judge."""
    for block in blocks(root):
        if block.language not in SHELL | OTHER:
            known = ", ".join(sorted(SHELL | OTHER))
            yield Violation(f"fence {block.where}", f"line {block.line}: {block.language!r} is none of: {known}")
        if block.language == "text" and re.search(r"^\$ ", block.text, re.MULTILINE):
            yield Violation(f"fence {block.where}", f"line {block.line}: a command hides in a text block; use console")


def links(root: Path) -> Iterator[Violation]:
    """A link inside the repository leads to a file, and its anchor to a heading."""
    for path in documents(root):
        prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
        for target in _LINK.findall(prose):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            to = (path.parent / name) if name else path
            key = f"link {path.relative_to(root)}"
            if not to.exists():
                yield Violation(key, f"{target} leads nowhere")
            elif anchor and to.suffix == ".md" and anchor not in anchors(to.read_text()):
                yield Violation(key, f"{target} names no heading")


def glossary(root: Path) -> Iterator[Violation]:
    """Each word of the glossary is defined once, in the order of the alphabet."""
    text = (root / "docs/glossary.md").read_text()
    words = [row.lower() for row in re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)][2:]
    for before, word in pairwise(words):
        if word <= before:
            yield Violation("glossary", f"{word!r} stands after {before!r}: once, and in order")


def decision_records(root: Path) -> Iterator[Violation]:
    """A decision record is in the list, and tells what, why, what was rejected, and which check enforces it."""
    listed = (root / "docs/adr/README.md").read_text()
    for path in sorted((root / "docs/adr").glob("[0-9]*.md")):
        text = path.read_text()
        for part in ("Decision", "Why", "Rejected", "Check"):
            if f"**{part}.**" not in text:
                yield Violation(f"record {path.name}", f"does not say: {part}")
        if path.name not in listed:
            yield Violation(f"record {path.name}", "is not in docs/adr/README.md")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub-style renderers make of a document's headings."""
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in _HEADING.findall(text)}


def proofs(root: Path, proven: Mapping[str, str]) -> Iterator[Violation]:
    """Every command is proven: run here, run by a test that `proven` names, or in NOT_RUN with its reason."""
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    for block in blocks(root):
        for command in commands(block):
            if wrong := _doubt(root, command, proven, targets):
                yield Violation(f"command {command.where}", f"line {command.line}: `{command.text}`: {wrong}")


def _doubt(root: Path, command: Command, proven: Mapping[str, str], targets: set[str]) -> str:
    """What is wrong with a command, or nothing."""
    if re.search(r"[|;&<>`]|\$\(", command.text):
        return "one plain command a line, so that it can be run"
    if command.text in proven:
        return "" if names_a_test(root, proven[command.text]) else f"no such test: {proven[command.text]}"
    if any(command.text == start or command.text.startswith(f"{start} ") for start in NOT_RUN):
        return ""
    words = command.text.split()
    if words[0] == "make":
        named = [word for word in words[1:] if "=" not in word]
        return "" if set(named) <= targets else "the Makefile has no such target"
    if words[0] == "tally":
        return "" if is_run_here(command) else "not run: show its output (console), or name its test in test_docs.py"
    return "nothing runs this command: see test_docs.py"


def is_run_here(command: Command) -> bool:
    """Whether `run` may be asked to run it: `tally ... --help`, and whatever shows its output."""
    return command.text.startswith("tally ") and (command.text.endswith("--help") or command.expected is not None)


def names_a_test(root: Path, name: str) -> bool:
    """Whether `tests/room/test_x.py::test_y` exists."""
    where, _, function = name.partition("::")
    path = root / where
    definition = rf"^(?:async )?def {re.escape(function)}\("
    return path.is_file() and re.search(definition, path.read_text(), re.MULTILINE) is not None


def run(command: Command, folder: Path) -> Iterator[Violation]:
    """Run a `tally` command in `folder` and compare its output with the one shown, `...` standing for any lines."""
    # The program of this very environment, whatever PATH says.
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'tally'; from tallystick.cli import main; main()"]
    done = subprocess.run(
        [*program, *command.text.split()[1:]],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "COLUMNS": "100"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_FOR_A_COMMAND,
        check=False,
    )
    key = f"command {command.where}"
    if done.returncode != 0:
        yield Violation(key, f"`{command.text}` ended with {done.returncode}: {done.stderr.strip()}")
    elif command.expected is not None and not matches(command.expected, done.stdout.rstrip()):
        yield Violation(key, f"`{command.text}` prints something else:\n{done.stdout}")


def matches(expected: str, output: str) -> bool:
    """Whether the output is the expected one; a line `...` stands for any number of lines."""
    parts = re.split(r"^\.\.\.$\n?", expected, flags=re.MULTILINE)
    pattern = r"(?:.*\n)*?(?:.*)?".join(re.escape(part) for part in parts)
    return re.fullmatch(pattern, output) is not None
