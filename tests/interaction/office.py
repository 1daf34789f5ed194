"""The second world: clerks, each of one era, over HTTP and as processes; and a configuration that serves them."""

import json
import socket
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sse_starlette.sse import AppStatus

from tallystick.wiring import pin
from tests.identity.remote_issuer import RemoteIssuer
from tests.interaction.clerk import build
from tests.interaction.configuration import ROOT, copy_pin, http, write, write_server, write_toolset
from tests.interaction.journal import Journal
from tests.interaction.one_era import NEW, OLD, Era, OneEra
from tests.interaction.wild import Wild
from tests.interaction.world import Host, World, listening

if TYPE_CHECKING:
    from starlette.types import ASGIApp

WILD = ("curt", "mute")
"""Servers that keep no rule: the streams of the first end at once, the second has none."""
HASTY = "limits: {timeout_s: 0.4, result_bytes: 1048576, in_flight: 64}\n"
USUAL = "limits: {timeout_s: 20, result_bytes: 1048576, in_flight: 64}\n"
TOOLS = 'tools: {"*": {operation: read, risk: low}}\n'
SETTINGS = "gateway: {listen_host: 127.0.0.1, listen_port: 0, streams_per_caller: 40, calls_per_caller: 64}\n"

FIXED = """
tenant: bank
members: [{server: new, tools: [mirrored]}, {server: old, tools: [mirrored]}]
overrides:
  tools:
    new/mirrored: {fixed: {region: eu}}
    old/mirrored: {fixed: {region: eu}}
"""

POLICIES = """
@id("connect")
permit (principal, action == Action::"connect", resource) when { principal.tenant == Tenant::"bank" };

@id("clerks-call")
permit (principal in Group::"clerks", action in Action::"read", resource);

@id("clerks-use")
permit (principal in Group::"clerks", action in Action::"use", resource);

@id("juniors-call")
permit (principal in Group::"juniors", action == Action::"new/echo", resource);

@id("juniors-listen")
permit (
  principal in Group::"juniors",
  action in [Action::"mcp/subscriptions/listen", Action::"mcp/prompts/list"],
  resource
);

@id("juniors-watch")
permit (principal in Group::"juniors", action == Action::"mcp/resources/subscribe", resource)
when { context.arguments has uri && context.arguments.uri like "clerk://desk/public*" };
"""


def write_office(config: Path, journals: Path, origin: str) -> None:
    """Write everything but the pins."""
    write(config, "tally.yaml", SETTINGS)
    write(config, "tenants/bank.yaml", "title: Bank\n")
    write(
        config, "issuers/test.yaml", f"issuer: {origin}/issuer\ntenant_claim: tenant\nallow_special_addresses: true\n"
    )
    write(config, "policies/bank.cedar", POLICIES)
    for era in (OLD, NEW):
        write_server(config, era, http(f"{origin}/{era}/mcp"), USUAL + TOOLS)
        write_server(config, f"{era}-hasty", http(f"{origin}/{era}/mcp"), HASTY + TOOLS)
        write_server(config, f"{era}-line", _stdio(journals / f"{era}-line.jsonl", era), USUAL + TOOLS)
    for name in WILD:
        write_server(config, name, http(f"{origin}/{name}/mcp"), HASTY + TOOLS)
    write_toolset(config, "mixed", OLD, NEW)
    write_toolset(config, "lines", "old-line", "new-line")
    write(config, "toolsets/fixed.yaml", FIXED)


def _stdio(journal: Path, era: str) -> str:
    words = [sys.executable, "-m", "tests.interaction.clerk", "--stdio", "--era", era, "--journal", str(journal)]
    return f"transport: {{stdio: {{command: {json.dumps(words)}, cwd: {json.dumps(str(ROOT))}}}}}\n"


@asynccontextmanager
async def serving_clerk(journal: Journal, era: Era, path: str) -> AsyncGenerator[OneEra]:
    """Run a clerk of one era as an application until the block ends."""
    server = build(journal)
    app = server.streamable_http_app(streamable_http_path=path)
    async with server.session_manager.run():
        yield OneEra(app, era)


@contextmanager
def _only_their_own_end() -> Generator[None]:
    """Keep the SDK's event streams from ending with any other server of this process, such as a gateway."""
    AppStatus.disable_automatic_graceful_drain()
    try:
        yield
    finally:
        AppStatus.enable_automatic_graceful_drain_mode()


@asynccontextmanager
async def running_office(folder: Path) -> AsyncGenerator[World]:
    """Run the clerks and the issuer until the block ends."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, _only_their_own_end():
        # Connections inherit it: no answer in two pieces waits for an acknowledgement.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
        world = World(origin, RemoteIssuer(f"{origin}/issuer"), folder)
        (folder / "journals").mkdir(parents=True)
        async with AsyncExitStack() as stack:
            apps: dict[str, ASGIApp] = {name: Wild(world.journal(name), listens=name == "curt") for name in WILD}
            for era in (OLD, NEW):
                clerk = serving_clerk(world.journal(era), era, f"/{era}/mcp")
                apps[era] = await stack.enter_async_context(clerk)
            await stack.enter_async_context(listening(Host(apps, world), listener))
            write_office(world.config, folder / "journals", origin)
            async for _ in pin(world.config, (OLD, NEW, *WILD)):
                pass
            for era in (OLD, NEW):
                # A server over stdio is pinned as its twin: pinning would start two more processes for each.
                copy_pin(world.config, era, f"{era}-line", f"{era}-hasty")
            yield world
