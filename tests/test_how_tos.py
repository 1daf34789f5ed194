"""The how-to pages, followed literally: their files are written, their commands run, in their order."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import anyio
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

ROOT = Path(__file__).resolve().parent.parent
TALLY = str(Path(sys.executable).with_name("tally"))
TIME_SERVER = str(Path(sys.executable).with_name("mcp-server-time"))
OWN_SERVERS = (ROOT / "docs/how-to/own-servers.md").read_text()
WORKERS = (ROOT / "docs/how-to/workers.md").read_text()
HEALTH = (ROOT / "docs/how-to/health.md").read_text()
VERIFY = (ROOT / "docs/how-to/verify.md").read_text()


def commands_of(page: str) -> list[str]:
    """Every command in the bash blocks of a page."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return [line for block in blocks for line in block.splitlines() if line.startswith("tally")]


def write_files(page: str, folder: Path, port: int) -> None:
    """Write every file block that names its path; a later one replaces an earlier one, as a reader would."""
    for _, name, text in re.findall(r"^```(yaml|cedar)\n(?:#|//) (\S+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("8080", str(port)).replace("mcp-server-time", TIME_SERVER))


def run(command: str, folder: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command of a page and return what it printed; it must succeed."""
    argv = [TALLY, *command.split()[1:]]
    done = subprocess.run(
        argv,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": os.defpath, **(environment or {})},
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


class Trial(NamedTuple):
    """Where the page was followed, on which port, what its commands printed, and the gateway that runs."""

    folder: Path
    port: int
    printed: list[str]
    serving: "subprocess.Popen[str]"


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Trial"]:
    """A folder in which the first page was followed up to `tally up`, which is running."""
    folder = tmp_path_factory.mktemp("own-servers")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free_port = int(probe.getsockname()[1])
    write_files(OWN_SERVERS, folder, free_port)
    pin, check, up, token = commands_of(OWN_SERVERS)
    printed = [run(pin, folder), run(check, folder)]
    serving = subprocess.Popen([TALLY, *up.split()[1:]], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    with serving.stdout:
        printed.append(serving.stdout.readline())
        printed.append(run(token, folder).strip())
        yield Trial(folder, free_port, printed, serving)
        serving.terminate()
        serving.wait(20)


def test_pinning_checking_and_serving_say_what_they_did(trial: Trial) -> None:
    port, printed = trial.port, trial.printed
    assert "time: 2026-07-28, 2025-11-25: 2 new" in printed[0]
    assert "is valid: 1 routes" in printed[1]
    assert printed[2] == f"Tallystick listens at http://127.0.0.1:{port}\n"


@pytest.mark.anyio
async def test_a_client_with_the_printed_token_calls_a_tool(trial: Trial) -> None:
    port, printed = trial.port, trial.printed
    with anyio.fail_after(30):
        async with (
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {printed[3]}"}) as http,
            Client(
                streamable_http_client(f"http://127.0.0.1:{port}/servers/time/mcp", http_client=http), mode="2026-07-28"
            ) as client,
        ):
            result = await client.call_tool("get_current_time", {"timezone": "Europe/Berlin"})
    assert not result.is_error


def test_the_health_of_the_servers_is_told_as_the_page_shows(trial: Trial) -> None:
    lines, as_json = commands_of(HEALTH)
    shown = re.findall(r"^```text\n(.*)\n```", HEALTH, re.MULTILINE)[0]
    # What is shown is what is printed, but for the times.
    pattern = re.sub(r"\d+ (?:s|min)\b", "TIME", shown)
    printed = run(lines, trial.folder)
    # A worker tells once a second: the call of the test before may still be seen under way.
    for _ in range(20):
        if "1 call under way" not in printed:
            break
        printed = run(lines, trial.folder)
    assert re.sub(r"\d+ (?:s|min)\b", "TIME", printed) == f"{pattern}\n"
    (told,) = json.loads(run(as_json, trial.folder))
    assert (told["server"], told["circuit"]) == ("time", "closed")


def test_the_record_is_verified_shown_and_proved_as_the_page_says(trial: Trial) -> None:
    folder = trial.folder
    trial.serving.terminate()
    trial.serving.wait(20)
    blocks = re.findall(r"^```bash\n(.*?)^```", VERIFY, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines()]
    # One shell, in the order of the page: it exports a variable, and writes files that later commands read.
    path = f"{Path(sys.executable).parent}:{os.defpath}"
    done = subprocess.run(
        ["bash", "-e"],
        input="\n".join(f"echo '$ {line}'\n{line}" for line in lines),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = {part.partition("\n")[0]: part.partition("\n")[2] for part in done.stdout.split("$ ")[1:]}
    assert said["tally audit verify"].startswith("Verified ")
    assert json.loads(said["tally audit show 0"])["v"] == 1
    assert (folder / "record-0.tlog-proof").read_text().startswith("c2sp.org/tlog-proof@v1\n")
    assert said["python tally_verify.py --keys trusted.vkey state/audit/acme/*"].startswith("whole: ")
    assert said["tally audit tail"].startswith("INDEX ")


def test_several_workers_serve_what_the_first_page_configured(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        free_port = int(probe.getsockname()[1])
    write_files(OWN_SERVERS, tmp_path, free_port)
    run(commands_of(OWN_SERVERS)[0], tmp_path)
    (command,) = commands_of(WORKERS)
    serving = subprocess.Popen([TALLY, *command.split()[1:]], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    with serving.stdout:
        said = [serving.stdout.readline() for _ in range(4)]
        health = httpx2.get(f"http://127.0.0.1:{free_port}/healthz").json()
        serving.terminate()
        assert serving.wait(30) == 130
    assert said[0] == "the audit writer runs\n"
    assert sorted(line.partition(" (")[0] for line in said[1:3]) == ["worker 0 listens", "worker 1 listens"]
    assert said[3] == f"Tallystick listens at http://127.0.0.1:{free_port} with 2 workers\n"
    assert health["status"] == "ok"
    assert health["worker"] in (0, 1)
    (log,) = (tmp_path / "state" / "audit").glob("acme/*")
    assert ", 1 config," in run(f"tally audit verify {log}", tmp_path)
