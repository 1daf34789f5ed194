"""Parses lines of {"cef": [...], "syslog": [...], "otlp": [...]} with parsers that others wrote. JSON in and out."""

import base64
import json
import sys

import pycef
from google.protobuf.json_format import MessageToDict, ParseDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from syslog_rfc5424_parser import SyslogMessage


def cef(line: str) -> object:
    """Fields of a CEF line."""
    return pycef.parse(line)


def syslog(line: str) -> object:
    """Parts of an RFC 5424 message."""
    return SyslogMessage.parse(line).as_dict()


def otlp(body: str) -> object:
    """An export request as protobuf understands it."""
    request = json.loads(body)
    # OTLP writes ids in hex; the general JSON mapping of protobuf wants base64.
    for resource in request["resourceLogs"]:
        for scope in resource["scopeLogs"]:
            for record in scope["logRecords"]:
                if "traceId" in record:
                    record["traceId"] = base64.b64encode(bytes.fromhex(record["traceId"])).decode()
    parsed = ParseDict(request, ExportLogsServiceRequest())
    return MessageToDict(ExportLogsServiceRequest.FromString(parsed.SerializeToString()))


question = json.load(sys.stdin)
parsers = {"cef": cef, "syslog": syslog, "otlp": otlp}
json.dump({name: [parsers[name](line) for line in lines] for name, lines in question.items()}, sys.stdout)
