"""What a server under test saw, as lines of JSON in a file: read alike whether the server is a task or a process."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec

Entry = dict[str, object]


@dataclass(frozen=True, slots=True)
class Journal:
    """One server's journal. Written by the server, read by the tests."""

    file: Path

    def write(self, event: str, **facts: object) -> None:
        """Add a line; one `write` of one process, so lines never mix."""
        with self.file.open("ab", buffering=0) as stream:
            stream.write(json.dumps({"event": event, "pid": os.getpid(), **facts}).encode() + b"\n")

    def entries(self, event: str, **facts: object) -> list[Entry]:
        """Return the entries of an event that have these facts."""
        if not self.file.exists():
            return []
        decoder = msgspec.json.Decoder(Entry)
        found = [decoder.decode(line) for line in self.file.read_bytes().splitlines()]
        return [entry for entry in found if entry["event"] == event and facts.items() <= entry.items()]

    def calls(self, tool: str, **arguments: object) -> int:
        """Return how many calls of a tool with exactly these arguments reached the server."""
        return len(self.entries("call", tool=tool, arguments=arguments))

    def text(self) -> str:
        """Return everything."""
        return self.file.read_text() if self.file.exists() else ""
