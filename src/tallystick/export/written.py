"""How a sink's events are written: the canonical event of a leaf, in the form that the sink takes."""

import json
from collections.abc import Callable
from pathlib import Path

from tallystick.export.formats import FORMATS, Entry, Event, Masking, Skipped, event
from tallystick.export.formats.derived.ecs import bulk
from tallystick.export.formats.derived.splunk import Envelope, splunk
from tallystick.export.formats.leaf import OPEN
from tallystick.export.model import Format, Unavailable
from tallystick.export.settings import ElasticOptions, SinkEntry, SplunkOptions
from tallystick.terms import TallyError

_KEY_BYTES = 16
_FRAMED = {"ocsf": "syslog", "cef": "syslog-cef", "leef": "syslog-leef"}


def format_of(entry: SinkEntry) -> Format:
    """Return how the events of a sink are written; raises `Unavailable` when the key of its masks cannot be read."""
    if entry.format == "leaf":
        return raw
    masking = _masking(entry)
    write = _derived(entry)

    def written(found: Entry) -> bytes | Skipped:
        told = event(found, masking)
        return told if isinstance(told, Skipped) else write(told)

    return written


def named(name: str) -> Format:
    """Return a format by its name alone, without masks: what `tally audit events` prints. Raises `TallyError`."""
    if name == "leaf":
        return raw
    if name not in FORMATS:
        message = f"there is no format {name}; known: leaf, {', '.join(sorted(FORMATS))}"
        raise TallyError(code="not_found", message=message)

    def written(found: Entry) -> bytes | Skipped:
        told = event(found)
        return told if isinstance(told, Skipped) else FORMATS[name](told)

    return written


def raw(found: Entry) -> bytes:
    """The leaf itself, with the reference that finds it: one JSON object on one line."""
    head = f'{{"origin":{json.dumps(found.origin)},"index":{found.index},"leaf":'
    return head.encode() + found.leaf + b"}"


def _derived(entry: SinkEntry) -> Callable[[Event], bytes]:
    options = entry.options
    if isinstance(options, SplunkOptions):
        envelope = Envelope(index=options.index)
        return lambda told: splunk(told, envelope)
    if isinstance(options, ElasticOptions):
        return lambda told: bulk(told, options.stream)
    if entry.type == "syslog":
        return FORMATS[_FRAMED[entry.format]]
    return FORMATS[entry.type if entry.type in FORMATS else entry.format]


def _masking(entry: SinkEntry) -> Masking:
    if not entry.mask:
        return OPEN
    try:
        key = Path(entry.mask_key_file).read_bytes()
    except OSError as error:
        message = f"the key of the masks of sink {entry.name} cannot be read: {error}"
        raise Unavailable(message) from error
    if len(key) < _KEY_BYTES:
        message = f"{entry.mask_key_file} holds {len(key)} bytes; a key of masks has at least {_KEY_BYTES}"
        raise Unavailable(message)
    return Masking(frozenset(entry.mask), key)
