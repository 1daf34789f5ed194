"""Parses `tally.yaml` into `Settings`."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from tallystick.settings.document import parse_document
from tallystick.settings.model import (
    AuditSettings,
    ConsoleSettings,
    ControlSettings,
    DefinitionSettings,
    GatewaySettings,
    IdentitySettings,
    KeyProviderName,
    KeySettings,
    Level,
    LevelSettings,
    RetentionClassSettings,
    RuntimeSettings,
    Settings,
    StoreSettings,
)
from tallystick.settings.problem import Problem
from tallystick.settings.section import Section

FILE = "tally.yaml"
MIB = 1024 * 1024
_LEVELS: tuple[Level, ...] = ("durable", "published", "cosigned")
_CLASS_NAME: Final = r"[a-z0-9][a-z0-9-]{0,62}"
_LEAST_YEARS, _MOST_YEARS = 0.002, 100.0
_NEEDED: Final[Mapping[KeyProviderName, tuple[str, ...]]] = {
    "file": (),
    "transit": ("url", "key", "token_file"),
    "pkcs11": ("module", "token", "key", "pin_file"),
    "aws-kms": ("key",),
}


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
        console=_console(root.section("console"), gateway),
        control=_control(root.section("control")),
        definitions=_definitions(root.section("definitions")),
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
        public_url=_public_url(section, host, port),
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


def _public_url(section: Section, host: str, port: int) -> str:
    default = f"http://{f'[{host}]' if ':' in host else host}:{port}"
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
    host, usual = urlsplit(gateway.public_url).hostname or "localhost", AuditSettings()
    settings = AuditSettings(
        origin_host=section.text("origin_host", host, pattern=r"[A-Za-z0-9.:\[\]-]{1,253}"),
        capture=section.choice("capture", ("all", "none"), "all") if section.has("capture") else usual.capture,
        capture_bytes=section.integer("capture_bytes", usual.capture_bytes, 0, 64 * MIB),
        retention=section.text("retention", usual.retention, pattern=_CLASS_NAME),
        levels=_levels(section.section("levels")),
        keys=_keys(section.section("keys")),
        store=_store(section.section("store")),
        classes=tuple(_class(name, said) for name, said in section.sections("classes").items()),
        level_timeout_s=section.seconds("level_timeout_s", usual.level_timeout_s, 0.1, 600),
        witness_policy=section.text("witness_policy", usual.witness_policy),
        witness_ca=section.text("witness_ca", usual.witness_ca),
    )
    if "cosigned" in _each(settings.levels) and not settings.witness_policy:
        remedy = "name the file with your witnesses and their quorum, or choose `published`"
        section.fault("witness_policy", "is missing, and without witnesses nothing is ever cosigned", remedy)
    section.close()
    return settings


def _class(name: str, section: Section) -> RetentionClassSettings:
    if re.fullmatch(_CLASS_NAME, name) is None:
        section.fault("", f'"{name}" is no name of a retention class', "use small letters, digits and dashes")
    settings = RetentionClassSettings(
        name,
        section.number("years", _LEAST_YEARS, _MOST_YEARS),
        section.text("law"),
        section.flag("statutory", default=False),
        section.integer("tier_after_days", 0, 0, 36_500) or None,
        section.integer("budget_bytes", 0, 0, 2**53 - 1) or None,
    )
    section.close()
    return settings


def _keys(section: Section) -> KeySettings:
    usual = KeySettings()
    names = ("key", "url", "token_file", "ca_file", "module", "token", "pin_file", "region")
    text = {name: section.text(name, "") for name in names}
    settings = KeySettings(
        provider=section.choice("provider", tuple(_NEEDED), "file") if section.has("provider") else usual.provider,
        mount=section.text("mount", usual.mount),
        **text,
    )
    for name in _NEEDED[settings.provider]:
        if not text[name]:
            section.fault(name, f"is missing, and the key provider {settings.provider} needs it", f"add `{name}`")
    section.close()
    return settings


def _store(section: Section) -> StoreSettings:
    usual = StoreSettings()
    names = ("dsn_file", "bucket", "prefix", "endpoint", "credentials_file")
    settings = StoreSettings(
        **{name: section.text(name, "") for name in names},
        region=section.text("region", usual.region),
        retain_days=section.integer("retain_days", usual.retain_days, 1, 36_500),
        lease_s=section.seconds("lease_s", usual.lease_s, 1, 300),
        standby=section.flag("standby", default=False),
        backlog=section.integer("backlog", usual.backlog, 1000, 90_000),
    )
    if bool(settings.dsn_file) != bool(settings.bucket):
        lacking = "bucket" if settings.dsn_file else "dsn_file"
        section.fault(lacking, "is missing: the record needs both a database and a bucket", f"add `{lacking}`")
    if settings.prefix and not settings.prefix.endswith("/"):
        section.fault("prefix", f'"{settings.prefix}" does not end with a slash', "write it like tallystick/")
    section.close()
    return settings


def _levels(section: Section) -> LevelSettings:
    def level(risk: str) -> Level:
        return section.choice(risk, _LEVELS, "durable") if section.has(risk) else "durable"

    settings = LevelSettings(level("low"), level("medium"), level("high"), level("critical"))
    section.close()
    return settings


def _each(levels: LevelSettings) -> tuple[Level, ...]:
    return levels.low, levels.medium, levels.high, levels.critical


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


def _console(section: Section, gateway: GatewaySettings) -> ConsoleSettings:
    usual = ConsoleSettings()
    host = section.text("listen_host", usual.listen_host)
    beside = min(gateway.listen_port + 1, 65535) if gateway.listen_port else 0
    port = section.integer("listen_port", beside, 0, 65535)
    enabled = section.flag("enabled", default=usual.enabled)
    if enabled and port and (host, port) == (gateway.listen_host, gateway.listen_port):
        section.fault("listen_port", f"{port} is the gateway's", "give the console a port of its own")
    settings = ConsoleSettings(
        enabled=enabled,
        listen_host=host,
        listen_port=port,
        public_url=_public_url(section, host, port),
        allowed_hosts=section.texts("allowed_hosts", usual.allowed_hosts),
        catalog_without_token=section.flag("catalog_without_token", default=usual.catalog_without_token),
    )
    section.close()
    return settings


def _control(section: Section) -> ControlSettings:
    usual = ControlSettings()
    settings = ControlSettings(
        section.text("dsn_file", usual.dsn_file), section.flag("directory", default=usual.directory)
    )
    section.close()
    return settings


def _definitions(section: Section) -> DefinitionSettings:
    usual = DefinitionSettings()
    settings = DefinitionSettings(
        every_s=section.seconds("every_s", usual.every_s, 1, 86_400),
        fresh_s=section.seconds("fresh_s", usual.fresh_s, 0, 86_400),
        fresh_high_s=section.seconds("fresh_high_s", usual.fresh_high_s, 0, 86_400),
        timeout_s=section.seconds("timeout_s", usual.timeout_s, 0.1, 600),
    )
    section.close()
    return settings
