"""The command line as somebody at a terminal uses it: words in, exit code, output and messages out."""

import io
import json
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from time import time  # noqa: TID251 - the tests' own clock
from typing import NamedTuple

import msgspec
import pytest

from tallystick.cli import main


class Said(NamedTuple):
    """How a command ended, and what it said where."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, object]:
        """Return the JSON object that was printed."""
        return msgspec.json.decode(self.out, type=dict[str, object])

    def items(self) -> list[dict[str, object]]:
        """Return the items of the list that was printed as JSON."""
        return msgspec.convert(self.json()["items"], list[dict[str, object]])


class Desk:
    """One person's terminal: a home of their own, and what the environment says."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.environment = {"HOME": str(home), "TALLY_STATE": str(home / "state"), **environment}

    def __call__(self, *words: str, typed: str = "") -> Said:
        """Run `tally` with these words, through its own main and with its own exit codes."""
        out, err = _Stream(), _Stream()
        with pytest.MonkeyPatch.context() as patch:
            for name in ("TALLY_URL", "TALLY_GATEWAY", "TALLY_CONFIG", "XDG_CONFIG_HOME", "NO_COLOR"):
                patch.delenv(name, raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["tally", *words])
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode()), encoding="utf-8"))
            with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
                main()
        code = ended.value.code
        return Said(code if isinstance(code, int) else 0, out.text(), err.text())

    def done(self, *words: str, typed: str = "") -> Said:
        """Run a command that has to succeed."""
        said = self(*words, typed=typed)
        assert said.code == 0, said
        return said


class _Stream(io.TextIOWrapper):
    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def text(self) -> str:
        """Return what was written."""
        self.seek(0)
        return self.read()


def in_days(days: int) -> str:
    """Return the time in so many days, as commands take it."""
    return datetime.fromtimestamp(time() + days * 86_400, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def documents(folder: Path, *written: dict[str, object]) -> Generator[str]:
    """Write documents to a file, as somebody would who keeps them in a repository."""
    file = folder / "wanted.json"
    file.write_text(json.dumps({"apiVersion": "tallystick.dev/v1", "kind": "List", "items": list(written)}))
    yield str(file)
    file.unlink()
