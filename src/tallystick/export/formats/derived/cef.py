r"""Common Event Format, version 0 (ArcSight; CommonSecurityLog of Microsoft Sentinel). Pure.

`\` and `|` are escaped in the header, `\`, `=` and newlines in the extension.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.export.formats.derived.fields import (
    AGENT,
    CALLER,
    CLIENT,
    FORM,
    PRODUCT,
    VENDOR,
    Row,
    harmless,
    text_at,
)


class CefRow(NamedTuple):
    """A row, the most characters that the dictionary of CEF gives its key, and the label of a custom key."""

    row: Row
    most: int
    label: str = ""


ROWS: Final = (
    CefRow(Row("rt", ("time",), "time, milliseconds"), 20),
    CefRow(Row("act", ("action", "activity_name"), "Allowed or Denied; else what was done"), 63),
    CefRow(Row("cat", ("class_name",), "OCSF class"), 1023),
    CefRow(Row("outcome", ("status",), "Success, Failure or Unknown"), 63),
    CefRow(Row("reason", ("status_detail", "status_code"), "reason codes, or how it ended"), 1023),
    CefRow(Row("suid", CALLER, "subject"), 1023),
    CefRow(Row("suser", CALLER, "subject"), 1023),
    CefRow(Row("sproc", AGENT, "agent that acts"), 1023),
    CefRow(Row("requestClientApplication", CLIENT, "OAuth client"), 1023),
    CefRow(Row("dhost", ("dst_endpoint.name",), "server"), 255),
    CefRow(Row("destinationServiceName", ("api.service.name", "service.name"), "server or issuer"), 1023),
    CefRow(Row("requestMethod", ("api.operation",), "MCP method"), 1023),
    CefRow(Row("request", ("resources.0.uid",), "URI of the tool"), 1023),
    CefRow(Row("externalId", ("metadata.uid",), "id of the event; drop repeats by it"), 40),
    CefRow(Row("cnt", ("count",), "requests that it stands for"), 10),
    CefRow(Row("in", ("unmapped.tally.request_bytes",), "bytes of the arguments"), 20),
    CefRow(Row("out", ("unmapped.tally.result_bytes",), "bytes of the result"), 20),
    CefRow(
        Row("cs1", ("resources.0.name", "unmapped.tally.tool", "entity.name"), "tool, or what was changed"),
        4000,
        "tool",
    ),
    CefRow(Row("cs2", ("policy.uid",), "first policy that decided"), 4000, "policy"),
    CefRow(Row("cs3", ("metadata.correlation_uid",), "call"), 4000, "call"),
    CefRow(Row("cs4", ("actor.session.uid",), "session"), 4000, "session"),
    CefRow(Row("cs5", ("metadata.tenant_uid",), "tenant"), 4000, "tenant"),
    CefRow(Row("cs6", ("trace.uid",), "trace"), 4000, "trace"),
    CefRow(Row("cn1", ("metadata.sequence",), "index of the leaf"), 20, "leafIndex"),
    CefRow(Row("cn2", ("risk_level_id",), "risk, 1 to 4"), 2, "risk"),
    CefRow(Row("flexString1", ("metadata.log_name",), "origin of the log"), 1023, "origin"),
    CefRow(Row("flexString2", ("unmapped.tlog.leaf_hash",), "leaf hash"), 1023, "leafHash"),
    CefRow(Row("msg", ("message",), "what happened, as a sentence"), 1023),
)

NAMES: Final = {
    "outcome": "Call ended",
    "denial": "Request refused",
    "in_doubt": "Call in doubt",
    "open": "Log opened",
    "config": "Configuration changed",
    "policy": "Policies changed",
    "registry": "Registry changed",
    "login": "Sign-in",
    "token": "Token issued",
    "approval": "Approval answered",
    "admin": "Administration",
    "heartbeat": "Heartbeat",
    "erasure": "Payloads erased",
    "hold": "Legal hold changed",
    "key": "Key changed",
    "export": "Content exported",
    "breakglass": "Break glass",
}
"""Name of each kind; stable, because rules in SIEMs stand on it."""

_SEVERITIES: Final = {1: 2, 2: 4, 3: 6, 4: 8, 5: 10}


def severity(event: Mapping[str, object]) -> int:
    """Severity of 1 to 10."""
    level = event.get("severity_id")
    return _SEVERITIES.get(level, 2) if isinstance(level, int) else 2


def cef(event: Mapping[str, object]) -> bytes:
    """One line, without a newline at its end."""
    kind = text_at(event, ("metadata.event_code",))
    header = (VENDOR, PRODUCT, FORM, kind, NAMES.get(kind, kind), str(severity(event)))
    pairs: list[str] = []
    for (target, paths, _), most, label in ROWS:
        text = harmless(text_at(event, paths), most, newlines=True)
        if text:
            pairs.append(f"{target}={_extension(text)}")
            if label:
                pairs.append(f"{target}Label={label}")
    return f"CEF:0|{'|'.join(map(_header, header))}|{' '.join(pairs)}".encode()


def _header(text: str) -> str:
    return harmless(text, 512).replace("\\", "\\\\").replace("|", "\\|")


def _extension(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("=", "\\=")
    return escaped.replace("\r", "\\r").replace("\n", "\\n")
