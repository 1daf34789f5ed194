"""A gateway as a program, in front of one server: configured, pinned by `tally pin`, served by `tally up`."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TALLY = [sys.executable, "-m", "tallystick.cli"]
PERSON = "ana"
_WITHIN_S = 60


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway. `pinned` is the line that `tally pin` printed about the server."""

    url: str
    config: Path
    state: Path
    pinned: str

    def endpoint(self, server: str) -> str:
        """Return the URL of a server's un-renamed route."""
        return f"{self.url}/servers/{server}/mcp"

    def token(self) -> str:
        """Return an access token of the person whom these tests sign in."""
        places = ["--config", str(self.config), "--state", str(self.state)]
        return _tally("token", *places, "--as", PERSON).strip()


def stdio(command: Sequence[str], environment: Mapping[str, str], cwd: Path) -> dict[str, object]:
    """Return the transport of a server that the gateway starts."""
    return {"stdio": {"command": list(command), "env": dict(environment), "cwd": str(cwd)}}


def http(url: str) -> dict[str, object]:
    """Return the transport of a server on this machine."""
    return {"http": {"url": url, "allow_special_addresses": True}}


def free_port() -> int:
    """Return a TCP port of the loopback address that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def gateway(folder: Path, server: str, transport: Mapping[str, object]) -> Generator[Gateway]:
    """Serve one server, whose tools and methods everybody may use, until the block ends."""
    url = f"http://127.0.0.1:{free_port()}"
    config, state = folder / "config", folder / "state"
    _configure(config, url, server, transport)
    pinned = _tally("pin", "--config", str(config))
    command = [*TALLY, "up", "--config", str(config), "--state", str(state)]
    log = (folder / "gateway.log").open("wb")
    with log, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith(b"Tallystick listens"), (folder / "gateway.log").read_text()
            yield Gateway(url, config, state, pinned)
        finally:
            process.terminate()
            try:
                process.wait(_WITHIN_S)
            finally:
                process.kill()


def _configure(config: Path, url: str, server: str, transport: Mapping[str, object]) -> None:
    # JSON is YAML: what is written by a program needs no quoting by hand.
    files: dict[str, object] = {
        "tally.yaml": {
            "gateway": {"listen_port": int(url.rpartition(":")[2]), "public_url": url},
            "console": {"listen_port": 0},
        },
        "tenants/acme.yaml": {"title": "ACME"},
        "issuers/development.yaml": {
            "issuer": f"{url}/development-issuer",
            "tenant": "acme",
            "algorithms": ["EdDSA"],
            "groups_claim": "groups",
            "client_claim": "client_id",
        },
        "development-people.yaml": {"people": [{"subject": PERSON, "title": "Analyst", "groups": ["staff"]}]},
        f"servers/{server}.yaml": {
            "tenant": "acme",
            "transport": transport,
            "limits": {"timeout_s": 30, "result_bytes": 4194304, "in_flight": 8},
            "tools": {"*": {"operation": "read", "risk": "low"}},
        },
    }
    for name, document in files.items():
        _write(config / name, json.dumps(document))
    _write(config / "policies/everyone.cedar", '@id("everything")\npermit (principal, action, resource);\n')


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def _tally(*arguments: str) -> str:
    done = subprocess.run(
        [*TALLY, *arguments],
        capture_output=True,
        text=True,
        timeout=_WITHIN_S,
        env={"PATH": os.defpath},
        check=False,
    )
    assert done.returncode == 0, f"tally {arguments[0]}: {done.stdout}{done.stderr}"
    return done.stdout
