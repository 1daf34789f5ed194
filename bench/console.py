"""What the console's search costs: `python -m bench.console [servers] [tools of each] [rounds]`.

A whole request each time: HTTP on loopback, token, policy, search, JSON; beside it, as the baseline, the plainest page
there is on the same listener (`/api/v1/health`), so that what HTTP itself costs here can be taken off.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from statistics import median, quantiles
from typing import Final, NamedTuple

from tallystick.control import model
from tallystick.terms import TenantId
from tests.api.stage import LAB, Stage, console

USUAL: Final = (500, 20, 100)
"""Servers, tools of each, requests of each kind: the estate of a large firm."""
_QUERIES: Final = {
    "health (baseline)": "/api/v1/health",
    "search, one word": "/api/v1/search?q=payment",
    "search, three words and filters": "/api/v1/search?q=tool+7+payment&operation=write&risk=high&of=tools",
    "search, nothing found": "/api/v1/search?q=nowhere",
    "tools, first 500": "/api/v1/tools?limit=500",
}
_BATCH: Final = 50


def furnish(stage: Stage, servers: int, tools: int) -> None:
    """Have approved servers with pinned tools."""
    for start in range(0, servers, _BATCH):
        changes = [change for number in range(start, min(start + _BATCH, servers)) for change in _server(number, tools)]
        done = stage.control.commit(changes, LAB)
        if not isinstance(done, model.Committed):
            sys.exit(str(done))
        stage.control.wait(done.revision - 1, 60)


class Cost(NamedTuple):
    """Milliseconds of a request: half and 95 % are at most so long; CPU of both sides of the connection."""

    p50: float
    p95: float
    cpu: float


def timed(ask: Callable[[], int], rounds: int) -> Cost:
    """Return what each of some requests costs, after one that warms up."""
    took: list[float] = []
    began_cpu = 0.0
    for number in range(rounds + 1):
        began = time.perf_counter()
        if ask() != HTTPStatus.OK:
            sys.exit("the console refuses")
        took += [(time.perf_counter() - began) * 1000] if number else []
        began_cpu = began_cpu if number else time.process_time()
    return Cost(median(took), quantiles(took, n=20)[-1], (time.process_time() - began_cpu) * 1000 / rounds)


def main() -> None:
    """Measure and print."""
    given = [int(word) for word in sys.argv[1:]]
    servers, tools, rounds = (*given, *USUAL[len(given) :])
    with tempfile.TemporaryDirectory() as folder, console(Path(folder)) as stage:
        furnish(stage, servers, tools)
        stage.put("Role", "all", "", {"role": "auditor", "people": [f"{stage.issuer.issuer}#root"]})
        token = stage.token("root")
        print(f"{servers} servers x {tools} tools, {rounds} requests each: milliseconds")
        print("| request | p50 | p95 | CPU |\n| --- | ---: | ---: | ---: |")
        for name, path in _QUERIES.items():
            cost = timed(lambda path=path: stage.send("GET", path, token).status, rounds)
            print(f"| {name} | {cost.p50:.1f} | {cost.p95:.1f} | {cost.cpu:.1f} |")


def _server(number: int, tools: int) -> list[model.Change]:
    name, operations, risks = (
        f"s{number}",
        ("read", "write", "delete", "execute"),
        ("low", "medium", "high", "critical"),
    )
    classified = {
        f"tool_{at}": {"operation": operations[at % 4], "risk": risks[at % 4], "labels": ["payments"]}
        for at in range(tools)
    }
    spec = {"title": f"Server {number}", "transport": {"http": {"url": "https://8.8.8.8/mcp"}}, "tools": classified}
    pinned = [
        {
            "name": f"tool_{at}",
            "description": f"Moves payment number {at} of server {number} from one account to another.",
            "inputSchema": {"type": "object", "properties": {"amount": {"type": "integer"}}},
        }
        for at in range(tools)
    ]
    pin = {"pinned_at": "2026-01-01T00:00:00Z", "eras": {}, "tools": pinned}
    bank = TenantId("bank")
    return [
        model.Put("Server", name, bank, spec, owner=model.DIRECTORY, state="approved"),
        model.Put("Pin", name, bank, pin, owner=model.DIRECTORY),
    ]


if __name__ == "__main__":
    main()
