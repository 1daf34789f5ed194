"""Names of the formats, as settings of a sink choose them. Pure."""

from collections.abc import Callable, Mapping
from typing import Final

from tallystick.export.formats.derived.cef import cef
from tallystick.export.formats.derived.ecs import bulk, ecs
from tallystick.export.formats.derived.fields import dump
from tallystick.export.formats.derived.leef import leef
from tallystick.export.formats.derived.otlp import otlp
from tallystick.export.formats.derived.sentinel import sentinel
from tallystick.export.formats.derived.splunk import splunk
from tallystick.export.formats.derived.syslog import syslog
from tallystick.export.formats.leaf import Event

Format = Callable[[Event], bytes]
"""One OCSF event -> its text in a format; no newline at its end but for `elastic`, whose lines end in one."""


def ocsf(event: Event) -> bytes:
    """The event itself as JSON on one line."""
    return dump(event).encode()


FORMATS: Final[Mapping[str, Format]] = {
    "ocsf": ocsf,
    "ecs": ecs,
    "elastic": bulk,
    "cef": cef,
    "leef": leef,
    "splunk": splunk,
    "sentinel": sentinel,
    "otlp": otlp,
    "syslog": syslog,
    "syslog-cef": lambda event: syslog(event, cef(event)),
    "syslog-leef": lambda event: syslog(event, leef(event)),
}
