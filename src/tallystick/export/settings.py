"""Reads `sinks/<name>.yaml`: where events go, which, in what form, and whether calls depend on it.

A secret is never in the configuration: it is named by the file that holds it, which is read when it is needed.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from tallystick.export.formats.leaf import Part
from tallystick.settings import Problem, Section, parse_document

FOLDER: Final = "sinks"
_NAME: Final = "[a-z0-9][a-z0-9-]{0,62}"
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

PARTS: Final[tuple[Part, ...]] = ("person", "groups", "session", "words")
"""Parts of an event that can be masked."""

Type = Literal["file", "syslog", "splunk", "sentinel", "elastic", "otlp", "s3", "webhook"]
TYPES: Final[tuple[Type, ...]] = ("file", "syslog", "splunk", "sentinel", "elastic", "otlp", "s3", "webhook")
FORMATS: Final[Mapping[Type, tuple[str, ...]]] = {
    "file": ("ocsf", "ecs", "cef", "leef", "leaf"),
    "syslog": ("ocsf", "cef", "leef"),
    "splunk": ("ocsf",),
    "sentinel": ("ocsf",),
    "elastic": ("ecs",),
    "otlp": ("ocsf",),
    "s3": ("ocsf", "ecs", "leaf"),
    "webhook": ("ocsf", "ecs", "leaf"),
}
"""What each type of sink can be given; the first is the default. `leaf` is the leaf itself, with its reference."""


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server proves who it is (`ca_file`, PEM; the system's authorities without), and how we do."""

    ca_file: str = ""
    certificate_file: str = ""
    key_file: str = ""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """JSON lines in `path`; a full file of `max_bytes` is renamed, and the newest `keep` are kept (0: all)."""

    path: str
    max_bytes: int
    keep: int


@dataclass(frozen=True, slots=True)
class SyslogOptions:
    """RFC 5424 over udp, tcp or tls (RFC 5425). `confirm` close: a batch counts once the receiver has read to its end.

    `overlap`: records that are sent again after a failure, because syslog has no acknowledgement.
    """

    host: str
    port: int
    transport: Literal["udp", "tcp", "tls"]
    confirm: Literal["close", "sent"]
    overlap: int
    tls: Tls


@dataclass(frozen=True, slots=True)
class SplunkOptions:
    """HTTP Event Collector; with `acknowledge`, a batch counts once it is indexed."""

    url: str
    token_file: str
    index: str
    acknowledge: bool
    ack_timeout_s: float
    tls: Tls


@dataclass(frozen=True, slots=True)
class SentinelOptions:
    """Logs Ingestion API of Azure Monitor, with a token of Entra by client credentials."""

    endpoint: str
    rule: str
    stream: str
    directory: str
    client: str
    secret_file: str
    authority: str
    tls: Tls


@dataclass(frozen=True, slots=True)
class ElasticOptions:
    """Bulk API of Elasticsearch or OpenSearch, into a data stream."""

    url: str
    stream: str
    api_key_file: str
    tls: Tls


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """An OTLP/HTTP receiver (`url` with its path, usually /v1/logs), or any other that takes JSON."""

    url: str
    token_file: str
    headers: Mapping[str, str]
    tls: Tls


@dataclass(frozen=True, slots=True)
class S3Options:
    """Batches as objects `<prefix>/<tenant>/<year>/<first index>.jsonl.gz`; no key files: the AWS default chain."""

    bucket: str
    prefix: str
    region: str
    endpoint: str
    access_key_file: str
    secret_key_file: str
    tls: Tls


Options = FileOptions | SyslogOptions | SplunkOptions | SentinelOptions | ElasticOptions | HttpOptions | S3Options


@dataclass(frozen=True, slots=True)
class SinkEntry:
    """One sink. `tenants` and `kinds` choose what it is sent (empty: all).

    A `mandatory` one that is more than `max_lag_s` behind stops the calls of its tenants. `mask` names parts of events
    (`formats.Masking`) that leave as pseudonyms, under the key in `mask_key_file`.
    """

    name: str
    type: Type
    format: str
    tenants: tuple[str, ...]
    kinds: tuple[str, ...]
    mandatory: bool
    max_lag_s: float
    mask: tuple[Part, ...]
    mask_key_file: str
    options: Options


def read_sinks(files: Mapping[str, bytes]) -> Mapping[str, SinkEntry] | tuple[Problem, ...]:
    """Return the sinks by name among the files of a configuration (relative path -> content), or every problem."""
    named = sorted(name for name in files if name.startswith(f"{FOLDER}/"))
    documents = {file: parse_document(file, files[file]) for file in named}
    unread = tuple(document for document in documents.values() if isinstance(document, Problem))
    read = parse_sinks({file: entry for file, entry in documents.items() if not isinstance(entry, Problem)})
    if unread or isinstance(read, tuple):
        return unread + (read if isinstance(read, tuple) else ())
    return read


def parse_sinks(
    documents: Mapping[str, Mapping[str, object]],
) -> Mapping[str, SinkEntry] | tuple[Problem, ...]:
    """Return the sinks by name among parsed documents (relative path -> mapping), or every problem."""
    problems: list[Problem] = []
    entries: dict[str, SinkEntry] = {}
    for file in sorted(name for name in documents if name.startswith(f"{FOLDER}/")):
        section = Section(file, documents[file], problems)
        entry = _entry(section)
        section.close()
        if entry.name in entries:
            section.fault("", f'a second file describes "{entry.name}"', "keep one of them")
        entries[entry.name] = entry
    return tuple(problems) or entries


def _entry(section: Section) -> SinkEntry:
    name = section.text("name", section.stem, pattern=_NAME)
    if name != section.stem:
        section.fault("name", f'says "{name}" in a file called "{section.stem}"', "give both the same name")
    kind: Type = section.choice("type", TYPES, "file")
    written = section.text("format", FORMATS[kind][0])
    if written not in FORMATS[kind]:
        section.problems.append(Problem.unknown((section.file, "format"), "format", written, FORMATS[kind]))
    inner = section.section(kind)
    options = _READERS[kind](inner)
    inner.close()
    entry = SinkEntry(
        name,
        kind,
        written,
        section.texts("tenants"),
        section.texts("kinds"),
        section.flag("mandatory", default=False),
        section.seconds("max_lag_s", 60.0, 1, 86_400),
        _mask(section),
        section.text("mask_key_file", ""),
        options,
    )
    if bool(entry.mask) != bool(entry.mask_key_file):
        section.fault("mask", "pseudonyms need a key, and a key something to mask", "name mask and mask_key_file")
    if entry.mandatory and isinstance(options, SyslogOptions) and options.transport == "udp":
        section.fault("mandatory", "nothing tells whether a datagram arrives", "use tls, or leave it optional")
    if entry.mask and entry.format == "leaf":
        section.fault("mask", "a leaf is sent as it is", "choose another format, or remove mask")
    if entry.mandatory and entry.kinds:
        section.fault("mandatory", "a mandatory sink takes everything", "remove kinds, or leave it optional")
    return entry


def _mask(section: Section) -> tuple[Part, ...]:
    wanted = section.texts("mask")
    for word in wanted:
        if word not in PARTS:
            section.problems.append(Problem.unknown((section.file, "mask"), "part", word, PARTS))
    return tuple(part for part in PARTS if part in wanted)


def _file(section: Section) -> FileOptions:
    return FileOptions(
        section.text("path"),
        section.integer("max_bytes", 100 << 20, 1 << 10, 1 << 40),
        section.integer("keep", 0, 0, 1_000_000),
    )


def _syslog(section: Section) -> SyslogOptions:
    transport: Literal["udp", "tcp", "tls"] = "tls"
    if section.has("transport"):
        transport = section.choice("transport", ("tls", "tcp", "udp"), "tls")
    confirm: Literal["close", "sent"] = "sent" if transport == "udp" else "close"
    if section.has("confirm"):
        confirm = section.choice("confirm", ("close", "sent"), confirm)
    if transport == "udp" and confirm == "close":
        section.fault("confirm", "a datagram has no connection to close", "leave it out")
    host = section.text("host", pattern=r"[A-Za-z0-9.:-]{1,253}")
    if transport != "tls" and host not in _LOOPBACK and not section.flag("plain_text", default=False):
        section.fault("transport", "the record would leave this machine in plain text", "use tls, or plain_text: true")
    section.has("plain_text")
    port = section.integer("port", 6514 if transport == "tls" else 514, 1, 65_535)
    return SyslogOptions(host, port, transport, confirm, section.integer("overlap", 5000, 0, 1_000_000), _tls(section))


def _splunk(section: Section) -> SplunkOptions:
    return SplunkOptions(
        _url(section, "url"),
        section.text("token_file"),
        section.text("index", "", pattern=r"[a-z0-9][a-z0-9_-]{0,79}"),
        section.flag("acknowledge", default=True),
        section.seconds("ack_timeout_s", 120.0, 1, 3600),
        _tls(section),
    )


def _sentinel(section: Section) -> SentinelOptions:
    return SentinelOptions(
        _url(section, "endpoint"),
        section.text("rule", pattern=r"dcr-[0-9a-f]{32}"),
        section.text("stream", pattern=r"[A-Za-z][A-Za-z0-9_-]{0,127}"),
        section.text("directory", pattern=r"[A-Za-z0-9.-]{1,64}"),
        section.text("client", pattern=r"[0-9A-Fa-f-]{36}"),
        section.text("secret_file"),
        _url(section, "authority", "https://login.microsoftonline.com"),
        _tls(section),
    )


def _elastic(section: Section) -> ElasticOptions:
    stream = section.text("stream", "logs-mcp.audit-default", pattern=r"[a-z0-9][a-z0-9_.-]{0,254}")
    return ElasticOptions(_url(section, "url"), stream, section.text("api_key_file", ""), _tls(section))


def _http(section: Section) -> HttpOptions:
    headers = {name: value for name, value in section.mapping("headers").items() if isinstance(value, str)}
    if any(re.search(r"[^\x20-\x7e]", name + value) for name, value in headers.items()):
        section.fault("headers", "holds what no header can hold", "use printable ASCII")
    return HttpOptions(_url(section, "url"), section.text("token_file", ""), headers, _tls(section))


def _s3(section: Section) -> S3Options:
    return S3Options(
        section.text("bucket", pattern=r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
        section.text("prefix", "tallystick", pattern=r"[A-Za-z0-9._/-]{1,200}").strip("/"),
        section.text("region", "us-east-1", pattern=r"[a-z0-9-]{1,40}"),
        _url(section, "endpoint", "") if section.has("endpoint") else "",
        section.text("access_key_file", ""),
        section.text("secret_key_file", ""),
        _tls(section),
    )


_READERS: Final[Mapping[Type, Callable[[Section], Options]]] = {
    "file": _file,
    "syslog": _syslog,
    "splunk": _splunk,
    "sentinel": _sentinel,
    "elastic": _elastic,
    "otlp": _http,
    "s3": _s3,
    "webhook": _http,
}


def _tls(section: Section) -> Tls:
    tls = Tls(section.text("ca_file", ""), section.text("certificate_file", ""), section.text("key_file", ""))
    if bool(tls.certificate_file) != bool(tls.key_file):
        section.fault("certificate_file", "a certificate needs its key_file, and a key its certificate_file", "add it")
    return tls


def _url(section: Section, key: str, default: str | None = None) -> str:
    url = section.text(key, default).rstrip("/")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment
        sound = sound and parts.username is None and parts.port is not parts
    except ValueError:
        sound = False
        parts = urlsplit("")
    plain = section.flag("plain_text", default=False)
    if url and not sound:
        section.fault(key, f'"{url}" is not a plain http(s) URL', "write it like https://siem.example.com:8088")
    elif parts.scheme == "http" and parts.hostname not in _LOOPBACK and not plain:
        section.fault(key, "the record would leave this machine in plain text", "use https, or plain_text: true")
    return url
