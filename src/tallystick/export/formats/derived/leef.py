"""Log Event Extended Format 2.0 (IBM QRadar), with the tab as separator. Pure.

LEEF has no escapes: what could end a value, a tab or a newline, becomes U+FFFD. Event ids and `cat` never change.
"""

from collections.abc import Mapping
from typing import Final

from tallystick.export.formats.derived.cef import severity
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

_MOST: Final = 1024

ROWS: Final = (
    Row("devTime", ("time",), "time, milliseconds"),
    Row("cat", ("class_name",), "OCSF class"),
    Row("usrName", CALLER, "subject"),
    Row("identSrc", AGENT, "agent that acts"),
    Row("accountName", CLIENT, "OAuth client"),
    Row("resource", ("resources.0.uid", "entity.name"), "URI of the tool, or what was changed"),
    Row("policy", ("policy.uid",), "first policy that decided"),
    Row("url", ("api.operation",), "MCP method"),
    Row("action", ("action", "activity_name"), "Allowed or Denied; else what was done"),
    Row("outcome", ("status",), "Success, Failure or Unknown"),
    Row("reason", ("status_detail", "status_code"), "reason codes, or how it ended"),
    Row("server", ("api.service.name", "unmapped.tally.server"), "server"),
    Row("tool", ("resources.0.name", "unmapped.tally.tool"), "tool"),
    Row("tenant", ("metadata.tenant_uid",), "tenant"),
    Row("call", ("metadata.correlation_uid",), "call"),
    Row("session", ("actor.session.uid",), "session"),
    Row("requests", ("count",), "requests that it stands for"),
    Row("requestBytes", ("unmapped.tally.request_bytes",), "bytes of the arguments"),
    Row("resultBytes", ("unmapped.tally.result_bytes",), "bytes of the result"),
    Row("eventUid", ("metadata.uid",), "id of the event; drop repeats by it"),
    Row("logOrigin", ("metadata.log_name",), "origin of the log"),
    Row("logIndex", ("metadata.sequence",), "index of the leaf"),
    Row("leafHash", ("unmapped.tlog.leaf_hash",), "leaf hash"),
    Row("msg", ("message",), "what happened, as a sentence"),
)


def leef(event: Mapping[str, object]) -> bytes:
    """One line, without a newline at its end."""
    pairs = [f"sev={severity(event)}"]
    for target, paths, _ in ROWS:
        if text := harmless(text_at(event, paths), _MOST):
            pairs.append(f"{target}={text}")
    kind = harmless(text_at(event, ("metadata.event_code",)), 64).replace("|", "\ufffd")
    return f"LEEF:2.0|{VENDOR}|{PRODUCT}|{FORM}|{kind}|x09|".encode() + "\t".join(pairs).encode()
