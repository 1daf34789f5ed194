"""From a sink's settings to the sink."""

from tallystick.export.model import Pause, Sink
from tallystick.export.settings import (
    ElasticOptions,
    FileOptions,
    HttpOptions,
    SentinelOptions,
    SinkEntry,
    SplunkOptions,
    SyslogOptions,
)
from tallystick.export.sinks.elastic import ElasticSink
from tallystick.export.sinks.file import FileSink
from tallystick.export.sinks.posted import OtlpSink, WebhookSink
from tallystick.export.sinks.sentinel import SentinelSink
from tallystick.export.sinks.splunk import SplunkSink
from tallystick.export.sinks.syslog import SyslogSink
from tallystick.terms import Clock, TallyError


def make_sink(entry: SinkEntry, clock: Clock, pause: Pause) -> Sink:
    """Return a sink that nothing is connected to yet; raises `TallyError` when it cannot be made at all."""
    match entry.options:
        case FileOptions() as options:
            return FileSink(options)
        case SyslogOptions() as options:
            return SyslogSink(options, pause)
        case SplunkOptions() as options:
            return SplunkSink(options, clock, pause)
        case SentinelOptions() as options:
            return SentinelSink(options, clock)
        case ElasticOptions() as options:
            return ElasticSink(options, clock, pause)
        case HttpOptions() as options:
            return OtlpSink(options, clock) if entry.type == "otlp" else WebhookSink(options, clock)
        case options:
            try:
                from tallystick.export.sinks.s3 import S3Sink  # noqa: PLC0415 - boto3 is an extra
            except ImportError as error:
                message = f"sink {entry.name} needs boto3: install Tallystick with the extra `scale`"
                raise TallyError(code="unavailable", message=message) from error
            return S3Sink(options)
