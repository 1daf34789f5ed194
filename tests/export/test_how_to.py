"""docs/how-to/siem.md: its files are valid, and its commands print what it shows."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from tallystick.cli.main import tally
from tallystick.export import read_sinks
from tallystick.export.model import Stopped
from tallystick.export.run import keep
from tallystick.export.settings import TYPES
from tests.export.kept import Hand, Kept, opened
from tests.export.published import Published

PAGE = (Path(__file__).resolve().parents[2] / "docs/how-to/siem.md").read_text()
FILES = re.findall(r"^```yaml\n# (sinks/\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(("name", "text"), FILES, ids=[name for name, _ in FILES])
def test_every_file_of_the_page_is_a_sink(name: str, text: str) -> None:
    found = read_sinks({name: text.encode()})
    assert not isinstance(found, tuple), "\n".join(map(str, found))


def test_the_page_shows_every_type_of_sink_in_a_file_of_its_own() -> None:
    found = read_sinks({name: text.encode() for name, text in FILES})
    assert not isinstance(found, tuple)
    assert len(found) == len(FILES) == PAGE.count("```yaml")
    assert {sink.type for sink in found.values()} == set(TYPES)


def test_the_commands_of_the_page_work_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config/sinks").mkdir(parents=True)
    ((name, text),) = [entry for entry in FILES if entry[0] == "sinks/soc.yaml"]
    (tmp_path / "config" / name).write_text(text)
    log = Published(tmp_path / "state", "acme")
    log.publish_calls(range(2))
    sink, hand = Kept(), Hand(waits=1)
    with pytest.raises(Stopped):
        keep(opened(tmp_path / "state", sink), hand.clock, hand.pause)
    commands = re.findall(
        r"^tally (.*)$", "\n".join(re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)), re.MULTILINE
    )
    printed = [CliRunner().invoke(tally, command.split()) for command in commands]
    assert [result.exit_code for result in printed] == [0] * len(commands)
    shown = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[0]
    assert printed[0].stdout == shown
    assert [command.split()[1] for command in commands if command.startswith("follow")] == [
        "status", "status", "status", "retry", "retry", "replay", "trust",
    ]  # fmt: skip
