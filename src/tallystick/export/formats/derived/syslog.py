"""Syslog messages (RFC 5424), without the framing of their transport. Pure.

Facility 13 (log audit). What finds the leaf is structured data; the message is OCSF as JSON in ASCII, or CEF or LEEF.
No byte order mark: receivers of CEF and LEEF look for their first word, and ASCII needs none.
"""

import re
from collections.abc import Mapping
from typing import Final

from tallystick.export.formats.derived.fields import Row, dump, harmless, text_at
from tallystick.export.formats.leaf import Event

ENTERPRISE: Final = 32473
"""Number for documentation (RFC 5612): the project has none of its own yet."""
_FACILITY: Final = 13
_LEVELS: Final = {1: 6, 2: 5, 3: 4, 4: 3, 5: 1}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
_MOST: Final = 512

ROWS: Final = (
    Row("id", ("metadata.uid",), "id of the event; drop repeats by it"),
    Row("origin", ("metadata.log_name",), "origin of the log"),
    Row("index", ("metadata.sequence",), "index of the leaf"),
    Row("leaf", ("unmapped.tlog.leaf_hash",), "leaf hash"),
    Row("tenant", ("metadata.tenant_uid",), "tenant"),
    Row("kind", ("metadata.event_code",), "kind of the leaf"),
    Row("call", ("metadata.correlation_uid",), "call"),
)


def syslog(event: Event, message: bytes | None = None) -> bytes:
    """One message; `message` (CEF, LEEF) stands in for OCSF."""
    level = event.get("severity_id")
    priority = _FACILITY * 8 + (_LEVELS.get(level, 6) if isinstance(level, int) else 6)
    time = text_at(event, ("metadata.original_time",))
    host = _name(text_at(event, ("metadata.log_name",)).partition("/")[0], 255)
    kind = _name(text_at(event, ("metadata.event_code",)), 32)
    head = f"<{priority}>1 {time if _TIME.fullmatch(time) else '-'} {host} tallystick - {kind} {_structured(event)} "
    return head.encode() + (dump(event).encode() if message is None else message)


def _structured(event: Mapping[str, object]) -> str:
    pairs = [(target, harmless(text_at(event, paths), _MOST)) for target, paths, _ in ROWS]
    inside = " ".join(f'{name}="{_escaped(text)}"' for name, text in pairs if text)
    return f"[tallystick@{ENTERPRISE} {inside}]"


def _escaped(text: str) -> str:
    # RFC 5424, section 6.3.3.
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def _name(text: str, most: int) -> str:
    """A name of the header: printable ASCII without spaces; `-` for none (RFC 5424, section 6)."""
    return re.sub(r"[^\x21-\x7e]", "?", text)[:most] or "-"
