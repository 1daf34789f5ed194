"""A whole, allowed request to change in one place, and the proof that nothing reached a server."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

from tests.attacks.raw import Reply, post, send
from tests.interaction.configuration import DESKS
from tests.interaction.stage import Stage, envelope, modern

ROUTE = "servers/desk"
CALL: dict[str, object] = {"name": "echo", "arguments": {"text": "attack"}}
BODY = modern("tools/call", CALL)
SERVERS = (*DESKS, "risk", "odd")


def headers_of(stage: Stage, **changes: str | None) -> dict[str, str | None]:
    """Return the headers of the request; an underscore in a changed name stands for a hyphen."""
    usual = {**envelope("tools/call", CALL), "host": stage.url.removeprefix("http://")}
    changed = {name.replace("_", "-"): value for name, value in changes.items()}
    return {**usual, "authorization": f"Bearer {stage.token()}", **changed}


async def attack(
    stage: Stage,
    headers: Mapping[str, str | None] | None = None,
    body: bytes = BODY,
    *,
    path: str = f"/{ROUTE}/mcp",
    lines: str = "",
) -> Reply:
    """Send the request with its headers, body or path changed; `lines` are further header lines, as they are."""
    text = post(path, {**headers_of(stage), **(headers or {})}, body)
    return await send(stage.url, text.replace(b"\r\n", f"\r\n{lines}".encode("latin-1"), 1) if lines else text)


def seen(stage: Stage) -> list[object]:
    """Return every call and every request that came to a server, but for what the gateway itself asks of one."""
    own = ("initialize", "server/discover", "ping", "notifications/initialized")
    found: list[object] = []
    for server in dict.fromkeys(stage.world.journal(name) for name in SERVERS):
        found += server.entries("call")
        found += [entry for entry in server.entries("request") if entry["method"] not in own]
    return found


@contextmanager
def nothing_arrives(stage: Stage) -> Generator[None]:
    """Assert that no server hears anything while the block runs."""
    before = seen(stage)
    yield
    assert seen(stage) == before
