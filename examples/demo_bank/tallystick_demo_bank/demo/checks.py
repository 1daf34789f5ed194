"""What must hold over the whole run: counted at the servers, read from the record, proved offline by `tally audit`."""

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from tallystick_demo_bank.demo.model import Check, Done
from tallystick_demo_bank.demo.people import AGENT, Desk
from tallystick_demo_bank.demo.prepare import Installation
from tallystick_demo_bank.demo.processes import tally
from tallystick_demo_bank.demo.script import ANA, PETE, RITA

_BANK = {"core-banking": "core_banking", "risk-database": "risk_database", "ticketing": "ticketing"}
_ENDINGS = {"answer": "done", "cancel": "cancelled", "kill": "cut off"}
_HOW_CALLS_ENDED = """
    SELECT coalesce(e.outcome, 'cut off') FROM calls c LEFT JOIN call_endings e ON e.call = c.sequence
"""
_NONE = "none"


class _Report(msgspec.Struct):
    """The part of `tally audit verify --json` that is told."""

    size: int = 0
    root: str = ""
    opened: list[int] | None = None


def at_the_servers(made: Installation, steps: Sequence[Done], leaves: Sequence[dict[str, object]]) -> list[Check]:
    """Compare what reached the bank's servers with what was allowed, and look for credentials that came along."""
    checks: list[Check] = []
    for server, name in _BANK.items():
        allowed = Counter(_tool(done, server) for done in steps if done.decision == "allow" and _tool(done, server))
        recorded = Counter(
            str(leaf["tool"])
            for leaf in leaves
            if leaf.get("kind") == "intent" and leaf.get("server") == server and leaf.get("tool") is not None
        )
        arrived = Counter(str(tool) for (tool,) in _rows(made.database(name), "SELECT tool FROM calls"))
        checks.append(Check(f"calls that reached {server} are the allowed ones", _told(allowed), _told(arrived)))
        checks.append(Check(f"calls that reached {server} have an intent", _told(recorded), _told(arrived)))
        strays = _rows(made.database(name), "SELECT http_method, header FROM stray_credentials")
        checks.append(Check(f"credentials that reached {server}", _NONE, ", ".join(map(str, strays)) or _NONE))
    called = [done for done in steps if done.decision == "allow" and _tool(done, "risk-database")]
    wanted = Counter(_ENDINGS[done.step.turn] for done in called)
    found = Counter(str(outcome) for (outcome,) in _rows(made.database("risk_database"), _HOW_CALLS_ENDED))
    return [*checks, Check("how the calls ended at risk-database", _told(wanted), _told(found))]


def of_the_callers(desk: Desk, steps: Sequence[Done]) -> list[Check]:
    """Compare who signed in, and through which client the record says that they called."""
    code = "authorization code with PKCE"
    wanted = {ANA: code, PETE: code, RITA: code, AGENT: "client credentials", f"{AGENT} for {ANA}": "token exchange"}
    others = {done.n for done in steps if done.client != desk.client_id(done.step.who, done.step.agent)}
    return [
        Check("signed in", _told(wanted), _told(desk.signed_in)),
        Check("steps recorded for another client than the one that was used", "0", str(len(others))),
    ]


async def of_the_record(made: Installation, proved: int | None) -> tuple[list[Check], list[str]]:
    """Verify the log and prove one leaf, with the commands that an auditor uses; return the checks and what was run."""
    log, key = str(made.log), str(made.log / "vkey")
    status, text = await tally("audit", "verify", log, "--vkey", key, "--json")
    report = msgspec.json.decode(text, type=_Report) if text.lstrip().startswith("{") else _Report()
    opened = "unknown" if report.opened is None else str(len(report.opened))
    checks = [
        Check("`tally audit verify` says that the log is whole", "exit status 0", f"exit status {status}"),
        Check("intents without an outcome", "0", opened),
    ]
    told = [f"tally audit verify {log} --vkey {key}", f"  {report.size} leaves, root {report.root}"]
    proof, leaf = made.folder / "proof.txt", made.folder / "leaf.json"
    index = str(proved if proved is not None else 0)
    written, _ = await tally("audit", "proof", index, log, "-o", str(proof))
    shown, raw = await tally("audit", "show", index, log, "--raw")
    leaf.write_text(raw, encoding="utf-8")
    proves = ("audit", "verify", "--proof", str(proof), "--leaf", str(leaf), "--vkey", key)
    status, text = await tally(*proves) if written == shown == 0 else (written or shown, "no proof")
    checks.append(Check(f"leaf {index} is proved", "exit status 0", f"exit status {status}"))
    told += [f"tally {' '.join(proves)}", f"  {text.strip()}"]
    leaf.write_text(raw.replace("2026", "2027", 1), encoding="utf-8")
    refused, _ = await tally(*proves)
    leaf.write_text(raw, encoding="utf-8")
    checks.append(Check("the proof refuses a changed leaf", "exit status 1", f"exit status {refused}"))
    return checks, told


def _tool(done: Done, server: str) -> str | None:
    """Return the tool's own name when a step called a tool of a server."""
    recorded = done.recorded
    called = recorded is not None and recorded.fields.get("server") == server and recorded.fields.get("tool")
    return str(called) if called else None


def _rows(database: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(database)) as connection:
        return list(connection.execute(sql))


def _told(counted: dict[str, int] | dict[str, str] | Counter[str | None]) -> str:
    return ", ".join(f"{name}: {held}" for name, held in sorted(counted.items(), key=str)) or _NONE
