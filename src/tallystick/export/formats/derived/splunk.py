"""Events for Splunk's HTTP Event Collector: the OCSF event in the envelope that it takes. Pure.

A request's body is these objects one after the other. `fields` are indexed, so that a search finds them at once.
"""

from dataclasses import dataclass
from typing import Final

from tallystick.export.formats.derived.fields import dump, text_at
from tallystick.export.formats.leaf import Event, at

SOURCETYPE: Final = "mcp:audit:ocsf"
FIELDS: Final = {
    "tenant": "metadata.tenant_uid",
    "kind": "metadata.event_code",
    "event_id": "metadata.uid",
    "call": "metadata.correlation_uid",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where Splunk puts the events; an empty text leaves it to the token's own settings."""

    index: str = ""
    sourcetype: str = SOURCETYPE
    host: str = ""


_PLAIN: Final = Envelope()


def splunk(event: Event, envelope: Envelope = _PLAIN) -> bytes:
    """One object as JSON on one line, without a newline at its end."""
    time = at(event, "time")
    found: Event = {
        "time": time / 1000 if isinstance(time, int) else 0,
        "source": text_at(event, ("metadata.log_name",)),
        "sourcetype": envelope.sourcetype,
        "event": event,
        "fields": {name: text for name, path in FIELDS.items() if (text := text_at(event, (path,)))},
    }
    if envelope.index:
        found["index"] = envelope.index
    if envelope.host:
        found["host"] = envelope.host
    return dump(found).encode()
