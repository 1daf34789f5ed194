"""`tally demo` and `tally up` without a configuration: what the command line decides."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest

TALLY = [sys.executable, "-m", "tallystick.cli"]
PORTS = (8765, 8701, 8702)
WITHIN_S = 120
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


def _tally(where: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TALLY, *arguments], cwd=where, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )


def test_without_the_extra_the_demo_says_what_to_install() -> None:
    lines = ["import sys", "sys.modules['mcp_server_git'] = None", "sys.argv = ['tally', 'demo']"]
    program = "; ".join([*lines, "from tallystick.cli import main", "main()"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == "tally: the demo needs mcp_server_git. Run: pip install 'tallystick[demo]'\n"


def test_up_serves_the_demo_bank_only_where_nobody_named_a_configuration(tmp_path: Path) -> None:
    done = _tally(tmp_path, "up", "--config", "elsewhere")
    assert done.returncode == 2
    assert not (tmp_path / "var").exists()


def test_up_names_the_port_that_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        # Taken by this test, or by whoever was here first.
        with suppress(OSError):
            taken.bind(("127.0.0.1", PORTS[0]))
            taken.listen()
        done = _tally(tmp_path, "up")
    assert done.returncode == 2
    assert f"port {PORTS[0]} on 127.0.0.1 is in use" in done.stderr


@pytest.mark.live
def test_up_serves_the_demo_bank_until_it_is_ended(tmp_path: Path) -> None:
    if any(_is_taken(port) for port in PORTS):
        pytest.skip(f"one of the ports {PORTS} is in use on this machine")
    with subprocess.Popen([*TALLY, "up"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C" in line:
                break
        places = ("--config", "var/demo/config", "--state", "var/demo/state")
        token = _tally(tmp_path, "token", "--as", "ana.alvarez", *places).stdout.strip()
        headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
        url = f"http://127.0.0.1:{PORTS[0]}/toolsets/credit-desk/mcp"
        answer = httpx2.post(url, json=INITIALIZE, headers=headers, trust_env=False)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WITHIN_S)
    assert answer.json()["result"]["protocolVersion"] == "2025-11-25"
    assert f"claude mcp add --transport http credit-desk {url}" in told
    assert "DEVELOPMENT ISSUER" in told
    assert process.returncode == 130
    assert not _children_in(tmp_path)


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _children_in(folder: Path) -> list[str]:
    """Return the processes of this machine whose command line names the folder."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                found += [line] if str(folder) in line else []
    return found
