"""docs/how-to/cli.md, followed literally against `tally up`; and what only a running gateway can show."""

import json
import re
import shlex
import shutil
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tallystick.cli.output import at
from tests.cli.desk import Desk, Said
from tests.test_how_tos import OWN_SERVERS, TALLY, run, write_files

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs/how-to/cli.md").read_text()
ENDS = {
    "tally plan -f wanted --owner git:ledger": 6,
    "tally server diff time --since 2026-01-01": 6,
}
"""Commands of the page that end with something else than 0, as it says."""
ZSH = (
    "compdef() { :; }; _describe() { print -r -- ${(P)3} }; compadd() { print -r -- ${(P)@[-1]} }; "
    "source <(tally completion zsh); words=(tally server show ti); CURRENT=4; _tally_completion"
)
"""What zsh's own completion would do, without a terminal."""


class Trial(Desk):
    """A desk beside a running Tallystick; commands run in its folder."""

    def __init__(self, folder: Path, ports: tuple[int, int]) -> None:
        super().__init__(folder)
        self.gateway, self.console = (f"http://127.0.0.1:{port}" for port in ports)


def free_ports() -> tuple[int, int]:
    """Return two ports that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        return int(one.getsockname()[1]), int(two.getsockname()[1])


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    """What the first page sets up, and `tally up` on it."""
    folder = tmp_path_factory.mktemp("cli")
    ports = free_ports()
    write_files(OWN_SERVERS, folder, ports[0])
    write_files(PAGE, folder, ports[0])
    settings = folder / "config/tally.yaml"
    settings.write_text(f"{settings.read_text()}console: {{listen_port: {ports[1]}}}\n")
    people = folder / "config/development-people.yaml"
    people.write_text(f"{people.read_text()}  - {{subject: bert, title: Guest, groups: []}}\n")
    run("tally pin --config config", folder)
    serving = subprocess.Popen(
        [TALLY, "up", "--config", "config", "--state", "state"], cwd=folder, stdout=subprocess.PIPE, text=True
    )
    assert serving.stdout is not None
    with serving.stdout:
        assert serving.stdout.readline().startswith("Tallystick listens")
        yield Trial(folder, ports)
        serving.terminate()
        serving.wait(30)


@pytest.fixture(autouse=True)
def _inside(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(trial.home)


def test_every_command_of_the_page_does_what_it_says(trial: Trial) -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    said: dict[str, Said] = {}
    for line in lines:
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").partition("=")
            trial.environment[name] = value
            continue
        said[line] = trial(*shlex.split(line)[1:])
        assert said[line].code == ENDS.get(line, 0), (line, said[line])
    assert "+02:00" in said["tally call time get_current_time --arg timezone=Europe/Berlin"].out or (
        "+01:00" in said["tally call time get_current_time --arg timezone=Europe/Berlin"].out
    )
    assert "get_current_time" in said["tally inspect time"].out
    assert "2025-11-25: yes" in said["tally inspect time"].err
    assert said["tally server show time --field status.state"].out == "approved\n"
    assert "time" in said["tally server list --on 2027-01-31"].out
    checks = {str(one["id"]): one for one in said["tally doctor -o json"].items()}
    assert {one["status"] for one in checks.values()} <= {"ok", "warning", "skipped"}, checks
    assert set(checks) >= {"config", "sign-in", "record", "writer", "key-files", "disk", "console", "clock", "revision"}
    assert set(checks) >= {"notices", "drift", "pins", "issuers"}


def test_whoever_signs_in_through_the_issuer_is_somebody_at_console_and_gateway(trial: Trial, tmp_path: Path) -> None:
    desk = Trial(tmp_path, (0, 0))
    environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    words = [TALLY, "login", trial.console, "--no-browser"]
    signing = subprocess.Popen(words, env=environment, stderr=subprocess.PIPE, text=True)
    assert signing.stderr is not None
    with signing.stderr:
        assert signing.stderr.readline() == "Sign in at:\n"
        page = signing.stderr.readline().strip()
        answer = httpx2.get(f"{page}&login_hint=ana", follow_redirects=True)
        assert "close this page" in answer.text
        assert signing.wait(30) == 0, signing.stderr.read()
    assert desk.done("whoami", "-o", "json").json()["name"] == "ana"
    assert desk.done("call", "time", "get_current_time", "--json", '{"timezone": "UTC"}', "-o", "json").json()[
        "content"
    ]
    kept = tmp_path / ".config/tallystick/sign-in.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    before = json.loads(kept.read_text())
    kept.write_text(json.dumps({**before, "console_until": "0", "gateway_until": "0"}))
    desk.done("whoami")
    desk.done("inspect", "time")
    after = json.loads(kept.read_text())
    assert float(after["console_until"]) > 0
    assert before["refresh"] != after["refresh"]
    kept.chmod(0o644)
    assert desk("whoami").code == 4
    desk.done("logout")
    assert desk("call", "time", "get_current_time").code == 4


def test_a_refused_call_ends_with_five_and_names_its_record(trial: Trial, tmp_path: Path) -> None:
    desk = Trial(tmp_path, (0, 0))
    where = ("--config", str(trial.home / "config"), "--state", str(trial.home / "state"))
    desk.done("login", "--as", "bert", *where)
    refused = desk("call", "time", "get_current_time", "--json", '{"timezone": "UTC"}')
    assert refused.code in {3, 5}, refused
    assert re.search(r"record: \d+", refused.err)
    assert desk("call", "nowhere", "x").code in {3, 5}
    assert desk("call", "a/b/c", "x").code == 2
    assert desk("call", "time", "get_current_time", "--json", "[]").code == 2
    assert "ask an owner" in desk.done("whoami").err
    assert desk("server", "list").code == 5
    assert desk("login", "--as", "nobody", *where).code == 2


def test_a_tool_that_fails_ends_with_one(trial: Trial) -> None:
    failed = trial("call", "time", "get_current_time", "--arg", "timezone=Nowhere/Atlantis")
    assert failed.code == 1
    assert "Atlantis" in failed.out


def test_a_server_is_asked_now(trial: Trial) -> None:
    assert trial.done("server", "scan", "time", "-o", "json").json()["server"] == "time"


def test_changes_are_followed_as_they_come(trial: Trial) -> None:
    environment = {"HOME": str(trial.home), "TALLY_STATE": "state", "PATH": "/usr/bin:/bin"}
    words = [TALLY, "changes", "--follow", "-o", "json", "--url", f"unix:{trial.home}/state/run/console.sock"]
    following = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, cwd=trial.home)
    assert following.stdout is not None
    with following.stdout:
        first = json.loads(following.stdout.readline())
        following.terminate()
        following.wait(30)
    assert at(first, "revision") == 1


def test_bash_completes_commands_and_the_names_of_servers(trial: Trial) -> None:
    script = (
        "source <(tally completion bash)\n"
        "COMP_WORDS=(tally server show ti); COMP_CWORD=3; _tally_completion tally\n"
        'echo "${COMPREPLY[@]}"\n'
        "COMPREPLY=(); COMP_WORDS=(tally serv); COMP_CWORD=1; _tally_completion tally\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"HOME": str(trial.home), "TALLY_STATE": "state", "PATH": path}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, cwd=trial.home, check=False
    )
    assert done.stdout.split("\n")[:2] == ["time", "server"], done


@pytest.mark.parametrize(
    ("shell", "script"),
    [
        ("zsh", ZSH),
        ("fish", "tally completion fish | source; complete -C 'tally server show ti'"),
    ],
)
def test_other_shells_complete_too(trial: Trial, shell: str, script: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed here: scripts/lane completion {shell} installs it")
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"HOME": str(trial.home), "TALLY_STATE": "state", "PATH": path}
    done = subprocess.run(
        [shell, "-c", script], env=environment, capture_output=True, text=True, cwd=trial.home, check=False
    )
    assert "time" in done.stdout.split(), done
