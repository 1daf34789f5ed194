"""The pilot's page, followed literally: its files are written, its commands run in their order, what it shows is so."""

import io
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest

from tallystick.cli import main
from tests.rules import docs

ROOT = Path(__file__).resolve().parent.parent
PAGE = "docs/tutorials/pilot.md"
INSTALLING = ("python3 -m venv", ".venv/bin/pip", "export PATH")
# Other than on the page: the ports, the day, the end of a grant, who works here.
PORTS = ("8080", "8081", "8702")
DAY, END = "2026-11-21", "2027-06-30T18:00:00Z"
MASKS = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)", "TIME"),
    (r"sha256:[0-9a-f]+(?:\.\.\.)?", "DIGEST"),
    (r"operator:\S+", "OPERATOR"),
    # Numbers of records and revisions: a slow machine has more of both.
    (r"(record:|revision) \d+|^\d+ | \d+$", "NUMBER"),
    (r"[ \t-]{2,}", " "),
    (r"[ ]+$", ""),
)
TRIES = 200
"""How often a command is asked again until what was changed is in force: for many seconds."""


class Step(NamedTuple):
    """A command of the page, what it ends with and what it prints ("": the page does not show it)."""

    command: str
    code: int
    shown: str


@dataclass(slots=True)
class Trial:
    """A folder in which the page is followed."""

    folder: Path
    stack: ExitStack
    real: dict[str, str]
    digests: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])

    def write(self, text: str) -> None:
        """Write a file that says its path in its first line, as a reader would: a later one replaces an earlier."""
        path = self.folder / text.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.here(text) + "\n")

    def start(self, command: str) -> "subprocess.Popen[str]":
        """Start what the page leaves running, and wait until it says that it listens."""
        process = subprocess.Popen(shlex.split(self.here(command)), stdout=subprocess.PIPE, text=True)
        self.stack.callback(process.wait, 30)
        self.stack.callback(process.terminate)
        assert process.stdout is not None
        said = self.stack.enter_context(process.stdout).readline()
        assert said, f"{command} ended with {process.wait(30)}"
        return process

    def follow(self, step: Step) -> None:
        """Run a command until it prints what the page shows: what is in force within a second may not be there yet."""
        code, said = self.run(step.command)
        is_look = step.command.startswith(("tally call", "tally inspect", "curl"))
        for _ in range(TRIES):
            # Who was refused has changed nothing, and may ask again: a role, too, is in force within a second only.
            if code == step.code and (not is_look or fits(step.shown, said)):
                break
            code, said = self.run(step.command)
        if code != step.code or not fits(step.shown, said):
            self.broken.append(f"$ {step.command}\n{said}[{code}]")
        self.digests = re.findall(r"^OBSERVED +(sha256:\w+)", said, re.MULTILINE) or self.digests

    def run(self, command: str) -> tuple[int, str]:
        """Return how a command ended and what it printed, errors and notes first."""
        words = [self.here(word) for word in shlex.split(command)]
        if words[0] == "curl":
            return 0, self.there(httpx2.get(words[-1]).text)
        out, errors = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
            patch.setattr(sys, "argv", words)
            with pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        return code if isinstance(code, int) else 1, self.there(errors.getvalue() + out.getvalue())

    def here(self, text: str) -> str:
        """Return what a text of the page is in this trial."""
        for page, real in self.real.items():
            text = text.replace(page, real)
        return re.sub(r"sha256:[0-9a-f]+\.\.\.", self.digests[-1], text) if self.digests else text

    def there(self, text: str) -> str:
        """Return what the page would show."""
        for page, real in self.real.items():
            text = text.replace(real, page)
        return text


def masked(text: str) -> str:
    """Return a text without what is another one each time."""
    for pattern, mask in MASKS:
        text = re.sub(pattern, mask, text, flags=re.MULTILINE)
    return text.rstrip()


def fits(shown: str, said: str) -> bool:
    """Whether the page shows what was printed: a line `...` stands for any lines, `...` in a line for any text."""
    if not shown:
        return True
    lines = [
        r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*") + r"\n"
        for line in masked(shown).splitlines()
    ]
    return re.fullmatch("".join(lines), masked(said) + "\n") is not None


def steps(block: docs.Block) -> Iterator[Step]:
    """Return the commands of a block."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, shown = part.partition("\n")
        command, _, code = line.partition(" # exit code ")
        yield Step(command, int(code or 0), shown.rstrip())


@contextmanager
def machine(folder: Path) -> Generator[Trial]:
    """Have an empty machine: a folder, an environment with everything installed, ports that are free, a home."""
    (folder / ".venv").symlink_to(sys.prefix)
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.chdir(folder)
        patch.setenv("PATH", f"{folder}/.venv/bin:{os.defpath}")
        patch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
        for name in ("TALLY_CONFIG", "TALLY_STATE", "TALLY_URL", "TALLY_GATEWAY"):
            patch.delenv(name, raising=False)
        with ExitStack() as probes:
            taken = [probes.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
            real = {page: str(probe.getsockname()[1]) for page, probe in zip(PORTS, taken, strict=True)}
        now = datetime.now(UTC)  # noqa: TID251 - a grant ends within a year of now, and today is asked for
        real[DAY] = now.date().isoformat()
        real[END] = (now + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
        real["/2026"] = f"/{now.year}"
        yield Trial(folder, stack, real)


def test_the_pilot_is_as_its_page_says(tmp_path: Path) -> None:
    with machine(tmp_path) as trial:
        for block in docs.blocks(ROOT):
            if block.where != PAGE:
                continue
            if block.language == "console":
                for step in steps(block):
                    trial.follow(step)
            elif block.language == "bash":
                for command in docs.commands(block):
                    if not command.text.startswith(INSTALLING):
                        trial.start(command.text)
            else:
                trial.write(block.text)
        assert not trial.broken, "\n\n".join(trial.broken)
