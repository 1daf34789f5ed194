"""Where `scripts/peers` puts what others wrote, and which versions the lock files name."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / "var" / "peers"
PROGRAMS = Path(__file__).with_name("programs")
RESULTS = PEERS / "results.json"
"""What the live lane saw; `python -m tests.peers.support --record` takes it over."""
NPM = "npm"
"""The environment of the npm packages; the others are named like their requirements files."""

_LOCKS = Path(__file__).parent


def locked(environment: str, package: str) -> str:
    """Return the version of a package in the lock file of an environment."""
    if environment == NPM:
        packages: dict[str, dict[str, str]] = json.loads((_LOCKS / "npm/package-lock.json").read_text())["packages"]
        return packages[f"node_modules/{package}"]["version"]
    text = (_LOCKS / f"{environment}.lock").read_text()
    found = re.search(rf"^{re.escape(package)}==(\S+)", text, re.MULTILINE)
    assert found is not None, f"{package} is not in the lock file of {environment}"
    return found[1]


def program(environment: str, name: str = "python") -> str:
    """Return the path of a program of an environment; skips the test where it could not be installed."""
    found = PEERS / environment / "bin" / name
    if not found.exists():
        pytest.skip(f"scripts/peers could not install the environment {environment}; it says why")
    return str(found)


def node() -> str:
    """Return the Node that the lock file brings; skips the test on a machine for which it has none."""
    found = sorted((PEERS / NPM / "node_modules").glob("node-linux-*/bin/node"))
    if not found:
        pytest.skip(f"scripts/peers has no Node for {sys.platform}, or npm could not install it")
    return str(found[0])


def npm_file(package: str, file: str = "dist/index.js") -> str:
    """Return the path of a file of an npm package."""
    return str(PEERS / NPM / "node_modules" / package / file)
