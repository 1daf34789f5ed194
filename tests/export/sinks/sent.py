"""Events to send: leaves in the form of a sink, as the follower hands them over."""

import json
from pathlib import Path

from tallystick.export.formats import Entry, Skipped
from tallystick.export.model import Event, Format, Place
from tallystick.export.settings import Options, SinkEntry, Tls, Type
from tallystick.export.written import format_of
from tests.audit.sample import denial

PLACE = Place("bank", 2026)
PLAIN = Tls()


def entry_of(type_: Type, options: Options, written: str = "ocsf") -> SinkEntry:
    """Settings of a sink whose options alone matter."""
    return SinkEntry("soc", type_, written, (), (), False, 60.0, (), "", options)  # noqa: FBT003 - one of ten values


def events(written: Format, numbers: range) -> list[Event]:
    """Denials, each a leaf of its own."""
    found: list[Event] = []
    for number in numbers:
        body = written(Entry("localhost/bank/2026", number, denial(number)))
        assert not isinstance(body, Skipped)
        found.append(Event(PLACE, number, "denial", "2026-05-28T20:26:40.000000Z", body))
    return found


def format_for(type_: Type, options: Options, written: str = "ocsf") -> Format:
    """How that sink's events are written."""
    return format_of(entry_of(type_, options, written))


def secret_file(folder: Path, text: str, name: str = "secret") -> str:
    """A file that holds a secret, as an operator would write it."""
    path = folder / name
    path.write_text(f"{text}\n")
    return str(path)


def objects(stream: bytes) -> list[dict[str, object]]:
    """JSON objects that stand one after the other, with or without space between them."""
    decoder, text, at = json.JSONDecoder(), stream.decode(), 0
    found: list[dict[str, object]] = []
    while at < len(text):
        value, at = decoder.raw_decode(text, at)
        found.append(value)
        while at < len(text) and text[at].isspace():
            at += 1
    return found
