"""docs/how-to/review.md: its commands, by the people it speaks of, against a real console."""

import re
import shlex
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.api.stage import Stage, console
from tests.api.test_lifecycle import drafted
from tests.cli.desk import Desk, Said, in_days

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/how-to/review.md").read_text()
AGAIN = "tally server submit risk"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Generator[Stage]:
    """A console with a draft that a developer wrote, and the toolset that somebody wants in to."""
    with console(tmp_path_factory.mktemp("console")) as running:
        drafted(running, "risk")
        running.put("Toolset", "desk", "bank", {"members": [{"server": "risk"}]})
        yield running


def test_a_server_and_a_grant_are_reviewed_as_the_page_says(stage: Stage, tmp_path: Path) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    people = {name: _at(stage, tmp_path / name, name) for name in ("developer-of-bank", "reviewer-of-bank")}
    developer, reviewer = people.values()
    submit, look, approve, reject, *rest = lines
    assert submit == AGAIN
    _run(developer, submit)
    _run(reviewer, reject)
    _run(developer, submit)
    refused = reviewer(*shlex.split(AGAIN.replace("submit", "approve"))[1:])
    assert (refused.code, "definition" in refused.err) == (7, True)
    seen = reviewer.done("server", "definition", "risk", "--field", "observed_digest").out.strip()
    assert seen in _run(reviewer, look).out
    _run(reviewer, approve, seen)
    pinned = reviewer.done("server", "definition", "risk", "--field", "pinned_digest").out.strip()
    for line in rest:
        _run(developer if " request " in line else reviewer, line, pinned)
    states = [reviewer.done(kind, "show", name, "--field", "status.state").out for kind, name in _SHOWN]
    assert states == ["approved\n", "suspended\n"]


_SHOWN = (("server", "risk"), ("grant", "month-end"))


def _at(stage: Stage, home: Path, person: str) -> Desk:
    home.mkdir()
    desk = Desk(home)
    desk.done("login", f"http://127.0.0.1:{stage.port}", "--token-stdin", typed=stage.token(person))
    return desk


def _run(desk: Desk, line: str, digest: str = "") -> Said:
    # What depends on the server and on the day is theirs; everything else is the page's.
    line = re.sub(r"sha256:\w+\.\.\.", digest, line)
    line = re.sub(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", in_days(150), line)
    return desk.done(*shlex.split(line)[1:])
