"""The official suite: started on the Node that is installed beside it, and what its check files say."""

import json
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).parent.parent
HOME: Final = ROOT / "var" / "conformance"
_MODULES: Final = HOME / "node_modules"
_PACKAGE: Final = _MODULES / "@modelcontextprotocol" / "conformance"
_LIMIT_S: Final = 240
_SAID: Final = 300
"""Characters of what the suite says about a check that are repeated; the rest is in its files."""
ERAS: Final = ("2025-11-25", "2026-07-28")


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What one run of the suite found. A check is written `scenario:id/name`, and is passed if each occurrence is."""

    passed: frozenset[str]
    failed: frozenset[str]
    required_ok: bool
    told: dict[str, str]

    @property
    def red(self) -> frozenset[str]:
        """Checks that failed, as against those that warned or were skipped."""
        return frozenset(check for check in self.failed if self.told[check].startswith("failure"))

    def green(self, scenarios: Iterable[str]) -> int:
        """Return how many of some scenarios ran, and without a failure. A warning or a skipped check is none."""
        ran = {_scenario(check) for check in self.passed}
        red = {_scenario(check) for check in self.red}
        return sum(scenario in ran - red for scenario in scenarios)

    def why(self, check: str) -> str:
        """Return what the suite said about a check that did not pass."""
        return self.told.get(check, "was not reached")


def installed() -> bool:
    """Whether scripts/conformance-setup has done its work."""
    return (HOME / ".installed").exists()


def required(era: str) -> tuple[str, ...]:
    """Return the scenarios that a revision requires of a server."""
    lists: dict[str, list[str]] = yaml.safe_load((_PACKAGE / "requirements" / f"{era}.yaml").read_text())
    return tuple(lists["server"])


def server(url: str, era: str, out: Path) -> Verdicts:
    """Run what a revision requires of a server, with what it reports without scoring."""
    return _run(["server", "--url", url, "--requirements", era], out, "server-")


def client(command: Sequence[str], scenario: str, era: str, out: Path) -> Verdicts:
    """Run one scenario against a client, which is started with the URL of a mock server as its last argument."""
    words = ["client", "--command", " ".join(command), "--scenario", scenario, "--spec-version", era]
    return _run([*words, "--timeout", "60000"], out, "")


def _run(words: list[str], out: Path, prefix: str) -> Verdicts:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    node = _MODULES / ".bin" / "node"
    program = [
        node if node.exists() else "node",
        _MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js",
    ]
    command = [*program, *words, "-o", str(out)]
    with (out / "suite.log").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=log, cwd=ROOT, timeout=_LIMIT_S, check=False)
    return read(out, prefix, required_ok=done.returncode == 0)


def read(out: Path, prefix: str, *, required_ok: bool) -> Verdicts:
    """Return what the check files below a folder say; `prefix` is what their folders' names begin with."""
    passed: set[str] = set()
    failed: set[str] = set()
    told: dict[str, str] = {}
    for file in sorted(out.rglob("checks.json")):
        # <prefix><scenario>-<time as 2026-11-21T15-17-06-158Z>; a scenario's own slash became a folder.
        scenario = str(file.parent.relative_to(out)).removeprefix(prefix)[:-25]
        for check in json.loads(file.read_text()):
            name = f"{scenario}:{check['id']}/{check['name']}"
            if check["status"] == "SUCCESS":
                passed.add(name)
            elif check["status"] != "INFO":
                failed.add(name)
                said = " ".join((check.get("errorMessage") or check["description"]).split())
                told[name] = f"{check['status'].lower()}: {said[:_SAID]}"
    return Verdicts(frozenset(passed - failed), frozenset(failed), required_ok, told)


def _scenario(check: str) -> str:
    return check.partition(":")[0]
