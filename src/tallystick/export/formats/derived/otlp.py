"""OpenTelemetry log records and export requests (OTLP 1.x, JSON encoding: ids in hex). Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from tallystick.export.formats.derived.fields import AGENT, CALLER, CLIENT, Row, as_text, dump, value_at
from tallystick.export.formats.leaf import Event, at, is_list, is_object

_SEVERITIES: Final = {1: (9, "INFO"), 2: (10, "INFO2"), 3: (13, "WARN"), 4: (17, "ERROR"), 5: (21, "FATAL")}
_NANOSECONDS: Final = 1_000_000
_INT64: Final = 2**63
_TRACE_DIGITS: Final = 32

ROWS: Final = (
    Row("mcp.method.name", ("api.operation",), "MCP method"),
    Row("mcp.protocol.version", ("api.version",), "protocol version"),
    Row("mcp.session.id", ("actor.session.uid",), "session"),
    Row("mcp.resource.uri", ("resources.0.uid",), "URI of the tool"),
    Row("gen_ai.tool.name", ("resources.0.name", "unmapped.tally.tool"), "tool"),
    Row("gen_ai.agent.id", AGENT, "agent that acts"),
    Row("gen_ai.request.model", ("ai_model.name",), "model, as the client states it"),
    Row("enduser.id", CALLER, "subject"),
    Row("client.address", CLIENT, "OAuth client"),
    Row("server.address", ("dst_endpoint.name",), "server"),
    Row("log.record.uid", ("metadata.uid",), "id of the event; drop repeats by it"),
    Row("tallystick.tenant", ("metadata.tenant_uid",), "tenant"),
    Row("tallystick.call", ("metadata.correlation_uid",), "call"),
    Row("tallystick.action", ("action",), "Allowed or Denied"),
    Row("tallystick.status", ("status_code", "status"), "how it ended"),
    Row("tallystick.reasons", ("status_detail",), "reason codes"),
    Row("tallystick.policy", ("policy.uid",), "first policy that decided"),
    Row("tallystick.requests", ("count",), "requests that it stands for"),
    Row("tallystick.log.origin", ("metadata.log_name",), "origin of the log"),
    Row("tallystick.log.index", ("metadata.sequence",), "index of the leaf"),
    Row("tallystick.log.leaf_hash", ("unmapped.tlog.leaf_hash",), "leaf hash"),
    Row("tallystick.details", ("unmapped.tally",), "what the kind of leaf has beyond these"),
)


def otlp(event: Event) -> bytes:
    """One LogRecord as JSON on one line."""
    return dump(record(event)).encode()


def record(event: Event) -> Event:
    """LogRecord. The event's name is `mcp.tool.call` for calls of tools, else `tallystick.<kind>`."""
    kind = as_text(at(event, "metadata.event_code"))
    time = at(event, "time")
    level = at(event, "severity_id")
    number, text = _SEVERITIES.get(level, (9, "INFO")) if isinstance(level, int) else (9, "INFO")
    called = at(event, "api.operation") == "tools/call"
    found: Event = {
        "timeUnixNano": str(time * _NANOSECONDS if isinstance(time, int) else 0),
        "severityNumber": number,
        "severityText": text,
        "eventName": "mcp.tool.call" if called else f"tallystick.{kind}",
        "body": {"stringValue": as_text(at(event, "message"))},
        "attributes": _attributes(event, called=called),
    }
    trace = as_text(at(event, "trace.uid"))
    if len(trace) == _TRACE_DIGITS and set(trace) <= set("0123456789abcdef"):
        found["traceId"] = trace
    return found


def request(records: Iterable[bytes]) -> bytes:
    """Body of an export request (`/v1/logs`) for records as `otlp` gives them."""
    head = '{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"tallystick"}}]},'
    scope = '"scopeLogs":[{"scope":{"name":"tallystick.record"},"logRecords":['
    return head.encode() + scope.encode() + b",".join(records) + b"]}]}]}"


def _attributes(event: Mapping[str, object], *, called: bool) -> list[Event]:
    pairs: list[tuple[str, object]] = [(row.target, value_at(event, row.paths)) for row in ROWS]
    if called:
        pairs.append(("gen_ai.operation.name", "execute_tool"))
    return [{"key": name, "value": _value(value)} for name, value in pairs if value is not None]


def _value(value: object) -> Event:
    """AnyValue; 64-bit integers are texts in the JSON encoding."""
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int) and -_INT64 <= value < _INT64:
        return {"intValue": str(value)}
    if is_list(value):
        return {"arrayValue": {"values": [_value(item) for item in value]}}
    if is_object(value):
        return {"kvlistValue": {"values": [{"key": name, "value": _value(item)} for name, item in value.items()]}}
    return {"stringValue": as_text(value)}
