"""`tally up` without a configuration: the demo bank prepared in a folder, its servers started and kept running."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from tallystick_demo_bank.demo.model import Say
from tallystick_demo_bank.demo.prepare import claimed, default_ports, prepare
from tallystick_demo_bank.demo.processes import keep_running, pin, programs


@dataclass(frozen=True, slots=True)
class Stand:
    """A demo bank that runs: what to serve, and what to tell whoever wants to connect."""

    config: Path
    state: Path
    advice: tuple[str, ...]


@asynccontextmanager
async def stand(folder: Path, say: Say) -> AsyncGenerator[Stand]:
    """Run the bank's servers until the context is left. Keys, record and the bank's own files of earlier starts stay.

    Raises DemoError where the folder or a port is taken, or a server does not start.
    """
    with claimed(folder):
        made = prepare(folder, default_ports())
        say(f"no ./config here: the demo bank is set up in {folder}")
        for server, reason in made.skipped.items():
            say(f"SKIPPED: the server {server}, because {reason}")
        async with programs(made) as running:
            say("starting the bank's servers")
            await running.start_bank()
            await pin(made, say)
            async with anyio.create_task_group() as watching:
                for name in ("core_banking", "risk_database"):
                    watching.start_soon(keep_running, running[name], say)
                try:
                    yield Stand(folder / "config", folder / "state", _advice(folder, made.gateway))
                finally:
                    # Before the servers are ended: nobody may start them again.
                    watching.cancel_scope.cancel()


def _advice(folder: Path, url: str) -> tuple[str, ...]:
    token = f"tally token --as ana.alvarez --config {folder / 'config'} --state {folder / 'state'}"
    endpoint = f"{url}/toolsets/credit-desk/mcp"
    return (
        "",
        "A client that knows OAuth needs the URL only: it opens the sign-in page by itself. For any other:",
        f"  {token}",
        "(or pete.clark, rita.olsen: development-people.yaml). For example Claude Code:",
        f'  claude mcp add --transport http credit-desk {endpoint} --header "Authorization: Bearer $({token})"',
        "VS Code, .vscode/mcp.json:",
        f'  {{"servers": {{"credit-desk": {{"type": "http", "url": "{endpoint}"}}}}}}',
        f"A policy changed in {folder / 'config' / 'policies'} is in force within a second. Ctrl-C ends everything.",
    )
