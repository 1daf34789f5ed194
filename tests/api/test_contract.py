"""The OpenAPI document and the console agree: schemathesis sends what the document allows, and what it does not.

It runs as a program of its own, because what it brings along (hooks, warnings) is no part of these tests.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tallystick.api.openapi import document, operation_id
from tallystick.api.routes import ROUTES
from tests.api.stage import Stage

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
ALIKE = "^/api/v1/(tenants|issuers|pins|toolsets|policies|agents|roles|webhooks)($|/[{])"
"""Routes that the same code serves as those of servers, grants and secrets; the live lane asks them too."""


@pytest.fixture(scope="module")
def everywhere(stage: Stage) -> Stage:
    """Somebody owns and audits everything, and there is something to find."""
    stage.approved("ledger", "bank")
    for role in ("owner", "auditor"):
        stage.put("Role", f"all-{role}", "", {"role": role, "people": [f"{stage.issuer.issuer}#root"]})
    return stage


def explore(stage: Stage, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against the whole document, with every check, valid and invalid requests."""
    url = f"http://127.0.0.1:{stage.port}/api/v1/openapi.json"
    words = ["--config-file", str(HERE / "schemathesis.toml"), "run", url, "--checks", "all", "--mode", "all"]
    token = f"Authorization: Bearer {stage.token('root')}"
    fixed = ["--seed", "20261121", "--request-timeout", "60", "--no-color", "-H", token]
    program = [sys.executable, "-m", "schemathesis.cli", *words, *fixed, *options]
    return subprocess.run(program, capture_output=True, text=True, check=False, cwd=stage.socket.parent)


def test_the_document_holds_for_a_few_requests_of_each_form(everywhere: Stage) -> None:
    phases = ["--phases", "fuzzing", "-n", "1", "--generation-database", "none"]
    run = explore(everywhere, *phases, "--exclude-path-regex", ALIKE)
    assert run.returncode == 0, run.stdout[-6000:]


@pytest.mark.live
def test_the_whole_document_holds(everywhere: Stage) -> None:
    run = explore(everywhere, "--phases", "coverage,fuzzing,stateful", "-n", "10", "--generation-database", "none")
    assert run.returncode == 0, run.stdout[-20000:]


def test_the_published_document_is_the_one_of_the_table() -> None:
    published = json.loads((ROOT / "docs/reference/openapi.json").read_text())
    assert published == json.loads(json.dumps(document(ROUTES))), "run `make docs`"


def test_every_operation_has_a_name_of_its_own() -> None:
    names = [operation_id(route) for route in ROUTES]
    assert len(names) == len(set(names))
