"""`python -m tests.peers.support [--record]` writes docs/reference/support.md from what the live lane saw.

--record first takes over the results of the last `make test-live` (var/peers/results.json) into recorded.json.
"""

import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from tests.peers.clients import AUTO, CLIENTS
from tests.peers.dialogue import LEGACY, MODERN
from tests.peers.places import RESULTS, ROOT
from tests.peers.seen import RECORDED, Peer, Record, read, rows_of, write
from tests.peers.servers import SERVERS

PAGE: Final = ROOT / "docs/reference/support.md"
NOT_TRIED: Final = {
    "Claude Desktop, Claude Code, Cursor, Windsurf, VS Code, Gemini CLI, Codex CLI": (
        "need an account at their maker, most of them a window too"
    ),
    "MCP Inspector in its web form": "the same connection as on the command line, behind a window",
    "Servers that others host (GitHub, Atlassian, Linear and the like)": "need the network and an account",
    "Servers that drive a browser": "need a browser and the network",
}
"""Who was not tried, and why."""

_INTRODUCTION: Final = """<!-- Written by `python -m tests.peers.support`; changes by hand are lost. -->

# Support matrix

Clients and servers that nobody here wrote, through a running gateway, in the versions of the lock files below
`tests/peers`. Every cell is a test of `make test-live` that passed on {on}; the default tests fail when a version here
is no longer the locked one.

## Clients

Each signs a person in by itself, lists the tools of a server that speaks both eras, and calls one. "auto" is what the
client does when it is left to choose: each finds 2026-07-28 (the Inspector does not tell).

| client | version | transport | 2025-11-25 | 2026-07-28 | auto | signs in with |
| --- | --- | --- | --- | --- | --- | --- |
"""
_SERVERS: Final = """
## Servers

Each is pinned by `tally pin`, and then listed and called by the official Python client in both eras, whichever it
speaks itself. "Same" names the methods whose answers were compared with those that the server gives directly, and did
not differ.

| server | version | transport | speaks | 2025-11-25 client | 2026-07-28 client |
| --- | --- | --- | --- | --- | --- |
"""
_REST: Final = """
## Not tried

| who | why |
| --- | --- |
"""


def page(record: Record) -> str:
    """Return the support matrix."""
    lines = [_INTRODUCTION.format(on=record.on).rstrip("\n")]
    lines += _client_lines(record)
    lines.append(_SERVERS.rstrip("\n"))
    lines += _server_lines(record)
    lines.append(_REST.rstrip("\n"))
    lines += [f"| {who} | {why} |" for who, why in NOT_TRIED.items()]
    return "\n".join(lines) + "\n"


def _client_lines(record: Record) -> Iterable[str]:
    for client in CLIENTS:
        cells = {era: _cell(record, client.peer, era) for era in (LEGACY, MODERN, AUTO)}
        for era in cells.keys() - set(client.eras):
            cells[era] = "does not speak it"
        signs_in = next(row.signed_in for row in rows_of(record, client.peer))
        yield _line(client.peer, {**cells, "signs in": signs_in})


def _server_lines(record: Record) -> Iterable[str]:
    for server in SERVERS:
        speaks = next(row.speaks for row in rows_of(record, server.peer))
        cells = {era: _cell(record, server.peer, era) for era in (LEGACY, MODERN)}
        yield _line(server.peer, {"speaks": speaks, **cells})


def _line(peer: Peer, cells: Mapping[str, str]) -> str:
    return "| " + " | ".join([f"{peer.title} (`{peer.package}`)", peer.version, peer.transport, *cells.values()]) + " |"


def _cell(record: Record, peer: Peer, era: str) -> str:
    seen = [entry for row in rows_of(record, peer) if row.era == era for entry in row.seen]
    same = [entry.removeprefix("same ") for entry in seen if entry.startswith("same ")]
    done = [entry for entry in seen if not entry.startswith("same ")]
    return "; ".join([*done, *([f"same: {', '.join(same)}"] if same else [])]) or "fails"


def main() -> None:
    """Write the page, from a new record if one is asked for."""
    if "--record" in sys.argv[1:]:
        on = datetime.fromtimestamp(RESULTS.stat().st_mtime, UTC).date()
        write(RECORDED, Record(on.isoformat(), read(RESULTS).rows))
    PAGE.write_text(page(read(RECORDED)))


if __name__ == "__main__":
    main()
