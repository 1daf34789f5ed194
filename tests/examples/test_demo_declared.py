"""The demo bank and the third-party servers through plan, apply and review; and exported from there to elsewhere."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tallystick_demo_bank import config_directory
from tallystick_demo_bank.demo.prepare import Installation, Ports, prepare

from tests.examples.running import running
from tests.test_pilot import Trial, machine

KNOWN = {
    "owner": {"person": "rita.olsen", "team": "it-desk"},
    "purpose": "the demo",
    "classification": "internal",
    "jurisdictions": ["LU"],
    "security_review": {"date": "2026-01-15", "next": "2036-01-15"},
}
"""What a review asks for, and a configuration directory need not say."""
BALANCE = ("core-banking", "get_balance", "account_id=ACC-0001")


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    """An empty machine."""
    with machine(tmp_path) as trial:
        yield trial


def test_the_demo_bank_is_applied_reviewed_exported_and_the_same_elsewhere(trial: Trial) -> None:
    with running(trial.folder, "core_banking", "risk_database") as bank:
        core, risk = (int(url.rpartition(":")[2].partition("/")[0]) for url in bank.urls.values())
        made = prepare(trial.folder / "demo", Ports(int(trial.real["8080"]), core, risk, int(trial.real["8081"])))
        _declare(made, trial.folder)
        serving = trial.start("tally up")
        # First the servers: a policy about a tool that nobody has seen is refused.
        _run(trial, "tally apply -f documents/servers.yaml --yes")
        names = [str(one["metadata"]["name"]) for one in _servers(trial.folder)]
        assert {"core-banking", "risk-database", "ticketing", "time"} <= set(names)
        for name in names:
            _run(trial, f"tally server submit {name}")
        _run(trial, "tally role grant reviewer person=rita.olsen --tenant demo-bank")
        _run(trial, "tally login --as rita.olsen")
        for name in names:
            digest = _run(trial, f"tally server scan {name} --field observed_digest").strip()
            _run(trial, f"tally server approve {name} --definition {digest}")
        _run(trial, "tally logout")
        _run(trial, "tally apply -f documents/rest.yaml --yes")
        _run(trial, "tally plan -f documents")
        first = _works(trial)
        _run(trial, "tally export -f elsewhere.yaml")
        serving.terminate()
        serving.wait(30)
        # Elsewhere: nothing but the settings, who signs in, and what was exported.
        shutil.copytree("config", "elsewhere")
        shutil.move("elsewhere.yaml", "elsewhere/everything.yaml")
        trial.start("tally up --config elsewhere --state state")
        assert _works(trial, "--state state") == first


def _declare(made: Installation, folder: Path) -> None:
    """Write the demo's configuration as documents, but for what the process itself reads."""
    away = config_directory(node=True)
    for file in (path.relative_to(away) for path in away.rglob("*") if path.is_file()):
        if not (config_directory() / file).exists():
            (made.config / file).unlink(missing_ok=True)
    (folder / "config").mkdir()
    for name in ("tally.yaml", "development-people.yaml"):
        shutil.copy(made.config / name, folder / "config" / name)
    documents = list(_documents(made.config))
    (folder / "documents").mkdir()
    first = [one for one in documents if one["kind"] in {"Tenant", "Issuer", "Server"}]
    (folder / "documents/servers.yaml").write_text(yaml.safe_dump_all(first))
    (folder / "documents/rest.yaml").write_text(yaml.safe_dump_all([one for one in documents if one not in first]))


def _documents(config: Path) -> Iterator[dict[str, object]]:
    kinds = {"tenants": "Tenant", "issuers": "Issuer", "servers": "Server", "toolsets": "Toolset"}
    for folder, kind in kinds.items():
        for file in sorted((config / folder).glob("*.yaml")):
            spec = dict(yaml.safe_load(file.read_text()))
            metadata = {"name": spec.pop("name", file.stem), "tenant": spec.pop("tenant", None)}
            if kind == "Server":
                tools = {
                    name: {"data_scope": "the demo", "reversibility": "R2", **about}
                    for name, about in spec["tools"].items()
                }
                spec |= {**KNOWN, "tools": tools}
            yield {"apiVersion": "tallystick.dev/v1", "kind": kind, "metadata": metadata, "spec": spec}
    for file in sorted((config / "policies").glob("*.cedar")):
        metadata = {"name": file.stem}
        yield {
            "apiVersion": "tallystick.dev/v1",
            "kind": "Policy",
            "metadata": metadata,
            "spec": {"cedar": file.read_text()},
        }


def _servers(folder: Path) -> Iterator[dict[str, dict[str, object]]]:
    for one in yaml.safe_load_all((folder / "documents/servers.yaml").read_text()):
        if one["kind"] == "Server":
            yield one


def _works(trial: Trial, where: str = "") -> tuple[str, str]:
    """Call a tool as an analyst; return its answer and the digest of what is in force."""
    _run(trial, "tally logout")
    digest = _run(trial, f"tally status --field snapshot {where}")
    _run(trial, f"tally login --as ana.alvarez {where}")
    server, tool, argument = BALANCE
    balance = _run(trial, f"tally call {server} {tool} --arg {argument}")
    assert json.loads(balance)["account_id"] == "ACC-0001"
    _run(trial, "tally logout")
    return balance, digest


def _run(trial: Trial, command: str) -> str:
    code, said = trial.run(command)
    assert code == 0, f"{command}\n{said}"
    return said
