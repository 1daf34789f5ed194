"""Looking at a configuration before it is served: what is wrong in any of its files is said, and nothing is made up."""

import subprocess
import sys
from pathlib import Path

import pytest

TALLY = Path(sys.executable).with_name("tally")
PEOPLE = "people:\n- {subject: ada, title: Ada}\n"
BROKEN = {
    "tally.yaml": ("gateway: [", "tally.yaml"),
    "tally.yaml with an unknown word": ("gateway: {listen_prot: 1}\n", "listen_prot"),
    "tally.yaml with a port that is none": ("gateway: {listen_port: 99999}\n", "listen_port"),
    "development-people.yaml": ("people: [{title: nobody}]\n", "development-people.yaml"),
}


def tally(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder."""
    return subprocess.run([TALLY, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("what", BROKEN)
def test_a_file_that_is_read_at_the_start_only_is_checked_too(tmp_path: Path, what: str) -> None:
    text, said = BROKEN[what]
    (tmp_path / what.partition(" ")[0]).write_text(text)
    run = tally(tmp_path, "config", "check", "--config", ".")
    assert run.returncode == 2
    assert said in run.stderr


def test_a_configuration_without_a_server_is_said_to_serve_nothing(tmp_path: Path) -> None:
    run = tally(tmp_path, "config", "check", "--config", ".")
    assert run.returncode == 0
    assert "nothing is served" in run.stderr


def test_no_token_is_minted_with_a_key_that_no_gateway_knows(tmp_path: Path) -> None:
    (tmp_path / "development-people.yaml").write_text(PEOPLE)
    run = tally(tmp_path, "token", "--config", ".", "--state", "elsewhere", "--as", "ada")
    assert run.returncode == 2
    assert "elsewhere" in run.stderr
    assert "--state" in run.stderr
    assert not (tmp_path / "elsewhere").exists()
