"""What the live lane saw, peer by peer, and the page that is made of it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tests.peers.places import locked

RECORDED = Path(__file__).with_name("recorded.json")
"""What the last recorded run saw; `python -m tests.peers.support --record` writes it."""
CODE_FLOW = "authorization code, PKCE, dynamic registration"


@dataclass(frozen=True, slots=True)
class Peer:
    """A package of others, in the environment that its lock file makes. `kind` is `client` or `server`."""

    title: str
    kind: str
    environment: str
    package: str
    transport: str

    @property
    def version(self) -> str:
        """The version that the lock file names."""
        return locked(self.environment, self.package)


class Row(msgspec.Struct, frozen=True, order=True):
    """One line of the matrix: a peer in one era of the client's side of the gateway."""

    kind: str
    peer: str
    package: str
    version: str
    transport: str
    speaks: str
    era: str
    signed_in: str
    seen: tuple[str, ...]


def row(peer: Peer, speaks: str, era: str, signed_in: str, seen: Iterable[str]) -> Row:
    """Return the line of one test that passed."""
    return Row(peer.kind, peer.title, peer.package, peer.version, peer.transport, speaks, era, signed_in, tuple(seen))


def worked(tools: int) -> tuple[str, ...]:
    """Return what is said of a list of tools, of which one was called."""
    return (f"{tools} tool{'' if tools == 1 else 's'} listed", "1 called")


class Record(msgspec.Struct, frozen=True):
    """All lines of one run, and its day (ISO 8601; empty: not recorded yet)."""

    on: str
    rows: list[Row]


def rows_of(record: Record, peer: Peer) -> list[Row]:
    """Return the lines about one peer."""
    return [
        line
        for line in record.rows
        if (line.peer, line.transport, line.kind) == (peer.title, peer.transport, peer.kind)
    ]


def write(file: Path, record: Record) -> None:
    """Write a record, its lines in order."""
    document = msgspec.to_builtins(Record(record.on, sorted(record.rows)))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def read(file: Path) -> Record:
    """Read what `write` wrote."""
    return msgspec.json.decode(file.read_bytes(), type=Record)
