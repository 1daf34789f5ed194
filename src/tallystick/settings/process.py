"""Parses `tally.yaml` into `Settings`."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from tallystick.settings.document import parse_document
from tallystick.settings.model import AuditSettings, GatewaySettings, IdentitySettings, RuntimeSettings, Settings
from tallystick.settings.problem import Problem
from tallystick.settings.section import Section

FILE = "tally.yaml"
MIB = 1024 * 1024


def parse_settings(files: Mapping[str, bytes]) -> Settings | tuple[Problem, ...]:
    """Return the settings in `tally.yaml`, or every problem in it. An absent file or field takes its default."""
    document = parse_document(FILE, files.get(FILE, b""))
    if isinstance(document, Problem):
        return (document,)
    problems: list[Problem] = []
    root = Section(FILE, document, problems)
    gateway = _gateway(root.section("gateway"))
    settings = Settings(
        gateway=gateway,
        audit=_audit(root.section("audit"), gateway),
        identity=_identity(root.section("identity")),
        runtime=_runtime(root.section("runtime")),
    )
    root.close()
    return tuple(problems) or settings


def _gateway(section: Section) -> GatewaySettings:
    usual = GatewaySettings()
    host = section.text("listen_host", usual.listen_host)
    port = section.integer("listen_port", usual.listen_port, 0, 65535)
    settings = GatewaySettings(
        listen_host=host,
        listen_port=port,
        public_url=_public_url(section, f"http://{f'[{host}]' if ':' in host else host}:{port}"),
        allowed_hosts=section.texts("allowed_hosts", usual.allowed_hosts),
        allowed_origins=section.texts("allowed_origins", usual.allowed_origins),
        max_request_bytes=section.integer("max_request_bytes", usual.max_request_bytes, 1024, 64 * MIB),
        calls_per_caller=section.integer("calls_per_caller", usual.calls_per_caller, 1, 10_000),
        streams_per_caller=section.integer("streams_per_caller", usual.streams_per_caller, 1, 100_000),
        connections=section.integer("connections", usual.connections, 16, 1_000_000),
        connections_per_address=section.integer(
            "connections_per_address", usual.connections_per_address, 16, 1_000_000
        ),
    )
    section.close()
    return settings


def _public_url(section: Section, default: str) -> str:
    url = section.text("public_url", default).rstrip("/")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and not (parts.query or parts.fragment)
    except ValueError:
        sound = False
    if not sound:
        section.fault("public_url", f'"{url}" is not a plain http(s) URL', "write it like https://tally.example.com")
        return default
    return url


def _audit(section: Section, gateway: GatewaySettings) -> AuditSettings:
    host = urlsplit(gateway.public_url).hostname or "localhost"
    settings = AuditSettings(
        origin_host=section.text("origin_host", host, pattern=r"[A-Za-z0-9.:\[\]-]{1,253}"),
    )
    section.close()
    return settings


def _identity(section: Section) -> IdentitySettings:
    usual = IdentitySettings()
    settings = IdentitySettings(
        clock_skew_s=section.seconds("clock_skew_s", usual.clock_skew_s, 0, 300),
        cached_tokens=section.integer("cached_tokens", usual.cached_tokens, 1, 1_000_000),
        keys_fresh_s=section.seconds("keys_fresh_s", usual.keys_fresh_s, 1, 86400),
        keys_max_age_s=section.seconds("keys_max_age_s", usual.keys_max_age_s, 1, 7 * 86400),
        keys_cool_down_s=section.seconds("keys_cool_down_s", usual.keys_cool_down_s, 0, 3600),
        refused_per_minute=section.integer("refused_per_minute", usual.refused_per_minute, 1, 10_000_000),
    )
    section.close()
    return settings


def _runtime(section: Section) -> RuntimeSettings:
    usual = RuntimeSettings()
    settings = RuntimeSettings(
        memory_bytes=section.integer("memory_bytes", usual.memory_bytes, 16 * MIB, 1024 * 1024 * MIB),
        open_files=section.integer("open_files", usual.open_files, 16, 1_048_576),
    )
    section.close()
    return settings
