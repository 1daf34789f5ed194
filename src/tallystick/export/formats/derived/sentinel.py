"""Rows for Microsoft Sentinel's Logs Ingestion interface, and templates of what takes them. Pure.

One list of columns gives the rows, the custom table and the data collection rule, so they cannot differ.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tallystick.export.formats.derived.fields import AGENT, CALLER, CLIENT, Row, as_text, dump, value_at
from tallystick.export.formats.leaf import Event

TABLE: Final = "Tallystick_CL"
STREAM: Final = f"Custom-{TABLE}"
FIELD_LIMIT: Final = 64 * 1024
"""Bytes of one value; the service cuts longer ones."""

ColumnType = Literal["string", "int", "long", "datetime", "dynamic", "boolean"]


class Column(NamedTuple):
    """A column: its row of the mapping, and its type."""

    row: Row
    type: ColumnType = "string"


COLUMNS: Final = (
    Column(Row("TimeGenerated", ("metadata.original_time",), "time"), "datetime"),
    Column(Row("EventId", ("metadata.uid",), "id of the event; drop repeats by it")),
    Column(Row("EventKind", ("metadata.event_code",), "kind of the leaf")),
    Column(Row("Tenant", ("metadata.tenant_uid",), "tenant")),
    Column(Row("LogOrigin", ("metadata.log_name",), "origin of the log")),
    Column(Row("LogIndex", ("metadata.sequence",), "index of the leaf"), "long"),
    Column(Row("LeafHash", ("unmapped.tlog.leaf_hash",), "leaf hash")),
    Column(Row("ClassUid", ("class_uid",), "OCSF class"), "int"),
    Column(Row("ActivityId", ("activity_id",), "OCSF activity"), "int"),
    Column(Row("ActivityName", ("activity_name",), "what was done")),
    Column(Row("SeverityId", ("severity_id",), "OCSF severity, 1 to 5"), "int"),
    Column(Row("Message", ("message",), "what happened, as a sentence")),
    Column(Row("Action", ("action",), "Allowed or Denied")),
    Column(Row("Status", ("status",), "Success, Failure or Unknown")),
    Column(Row("StatusCode", ("status_code",), "how it ended")),
    Column(Row("StatusDetail", ("status_detail",), "reason codes")),
    Column(Row("CallId", ("metadata.correlation_uid",), "call")),
    Column(Row("Subject", CALLER, "subject")),
    Column(
        Row("SubjectType", ("actor.user.type", "evidences.0.actor.user.type", "user.type"), "User, Service or Admin")
    ),
    Column(Row("Agent", AGENT, "agent that acts")),
    Column(Row("Client", CLIENT, "OAuth client")),
    Column(Row("SessionId", ("actor.session.uid",), "session")),
    Column(Row("Method", ("api.operation",), "MCP method")),
    Column(Row("Server", ("api.service.name", "unmapped.tally.server"), "server")),
    Column(Row("Tool", ("resources.0.name", "unmapped.tally.tool"), "tool")),
    Column(Row("ToolUri", ("resources.0.uid",), "URI of the tool")),
    Column(Row("ToolDefinition", ("resources.0.version",), "digest of its definition")),
    Column(Row("Policy", ("policy.uid",), "first policy that decided")),
    Column(Row("PolicyBundle", ("policy.version",), "digest of the policies")),
    Column(Row("Requests", ("count",), "requests that it stands for"), "long"),
    Column(Row("RequestBytes", ("unmapped.tally.request_bytes",), "bytes of the arguments"), "long"),
    Column(Row("ResultBytes", ("unmapped.tally.result_bytes",), "bytes of the result"), "long"),
    Column(Row("DurationMs", ("duration",), "milliseconds"), "long"),
    Column(Row("TraceId", ("trace.uid",), "trace")),
    Column(Row("IsAlert", ("is_alert",), "a finding"), "boolean"),
    Column(Row("HourUtc", ("unmapped.tally.hour_utc",), "hour, UTC"), "int"),
    Column(Row("WeekdayUtc", ("unmapped.tally.weekday_utc",), "1 for Monday to 7, UTC"), "int"),
    Column(Row("CallerKind", ("unmapped.tally.caller_kind",), "person or agent")),
    Column(Row("ChangeAction", ("unmapped.tally.action",), "what was done to a key, a hold, payloads or an object")),
    Column(Row("Purpose", ("unmapped.tally.purpose",), "what an export or a key is for")),
    Column(Row("Approver", ("unmapped.tally.approver",), "requester where they approved their own call, else other")),
    Column(Row("ChangedTools", ("unmapped.tally.changed_count",), "servers and tools that changed"), "int"),
    Column(Row("GapSeconds", ("unmapped.tally.gap_s",), "seconds without a heartbeat"), "long"),
    Column(Row("ClockStepMs", ("unmapped.tally.step_ms",), "milliseconds by which the clock was set"), "long"),
    Column(Row("Details", ("unmapped.tally",), "what the kind of leaf has beyond these"), "dynamic"),
)


def sentinel(event: Event) -> bytes:
    """One row as JSON on one line; a request's body is an array of them."""
    return dump(row(event)).encode()


def row(event: Mapping[str, object]) -> Event:
    """Columns that have a value, each in the column's type."""
    found: Event = {}
    for (target, paths, _), kind in COLUMNS:
        value = value_at(event, paths)
        if value is None:
            continue
        found[target] = _limited(as_text(value)) if kind == "string" else value
    return found


def _limited(text: str) -> str:
    return text.encode()[:FIELD_LIMIT].decode(errors="ignore")


def table(retention_days: int = 90) -> Event:
    """ARM template of the custom table, in an existing workspace."""
    columns = [
        {
            "name": column.row.target,
            "type": "dateTime" if column.type == "datetime" else column.type,
            "description": column.row.says,
        }
        for column in COLUMNS
    ]
    resource = {
        "type": "Microsoft.OperationalInsights/workspaces/tables",
        "apiVersion": "2023-09-01",
        "name": f"[concat(parameters('workspaceName'), '/{TABLE}')]",
        "properties": {
            "plan": "Analytics",
            "retentionInDays": "[parameters('retentionInDays')]",
            "schema": {"name": TABLE, "columns": columns},
        },
    }
    parameters = {
        "workspaceName": {"type": "string", "metadata": {"description": "Log Analytics workspace of Sentinel"}},
        "retentionInDays": {"type": "int", "defaultValue": retention_days, "minValue": 4, "maxValue": 730},
    }
    return _template(parameters, resource, {})


def collection_rule() -> Event:
    """ARM template of the data collection rule: its stream takes the rows as they are."""
    columns = [{"name": column.row.target, "type": column.type} for column in COLUMNS]
    flow = {"streams": [STREAM], "destinations": ["workspace"], "transformKql": "source", "outputStream": STREAM}
    resource = {
        "type": "Microsoft.Insights/dataCollectionRules",
        "apiVersion": "2023-03-11",
        "name": "[parameters('ruleName')]",
        "location": "[parameters('location')]",
        "kind": "Direct",
        "properties": {
            "streamDeclarations": {STREAM: {"columns": columns}},
            "destinations": {
                "logAnalytics": [{"workspaceResourceId": "[parameters('workspaceResourceId')]", "name": "workspace"}]
            },
            "dataFlows": [flow],
        },
    }
    parameters = {
        "ruleName": {"type": "string", "defaultValue": "tallystick"},
        "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        "workspaceResourceId": {"type": "string", "metadata": {"description": "resource id of the same workspace"}},
    }
    rule = "reference(resourceId('Microsoft.Insights/dataCollectionRules', parameters('ruleName')), '2023-03-11')"
    outputs = {
        "immutableId": {"type": "string", "value": f"[{rule}.immutableId]"},
        "endpoint": {"type": "string", "value": f"[{rule}.endpoints.logsIngestion]"},
    }
    return _template(parameters, resource, outputs)


def _template(parameters: Mapping[str, object], resource: Mapping[str, object], outputs: object) -> Event:
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": parameters,
        "resources": [resource],
        "outputs": outputs,
    }
