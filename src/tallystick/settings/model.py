"""Process settings, one small frozen value per room. Every field works when absent."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """What the data path listens on and accepts."""

    listen_host: str = "127.0.0.1"
    """Address to bind. Loopback by default: nothing is offered to a network before somebody decides it."""
    listen_port: int = 8080
    """TCP port, 1 to 65535; 0 picks a free one (tests)."""
    public_url: str = ""
    """URL under which clients reach this gateway, no trailing slash. Default: http://<listen_host>:<listen_port>.
    It is the audience of tokens, so a proxy in front makes it necessary."""
    allowed_hosts: tuple[str, ...] = ()
    """Further accepted `Host` values (host or host:port). That of `public_url` always is; others are DNS rebinding."""
    allowed_origins: tuple[str, ...] = ()
    """Accepted `Origin` values. None by default: MCP clients that are not browsers send no Origin."""
    max_request_bytes: int = 4 * 1024 * 1024
    """Largest request body in bytes: fits a file as base64 argument, bounds what one caller can make us hold."""
    calls_per_caller: int = 32
    """Calls in flight per caller and server set; a stuck agent loop stops here before it starves others. With several
    workers each allows its share: the number divided by that of the workers, at least 1."""
    streams_per_caller: int = 256
    """Open streams (subscriptions, and the GET streams of sessions) per caller: each holds a connection for an hour.
    With several workers each allows its share."""
    connections: int = 16_384
    """Open connections of one worker. Never more than the process may have open files, less 256 for everything else."""
    connections_per_address: int = 12_288
    """Of these, from one remote address (from one /64 in IPv6). High, because a proxy in front is one address."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the record is named."""

    origin_host: str = ""
    """First part of each log's origin, `<host>/<tenant>/<year>`. Default: the host of `gateway.public_url`."""


@dataclass(frozen=True, slots=True)
class IdentitySettings:
    """How tokens are checked."""

    clock_skew_s: float = 30.0
    """Seconds by which an issuer's clock may differ: NTP-kept machines stay far below it."""
    cached_tokens: int = 10_000
    """Verified tokens remembered by full hash; beyond it the oldest is forgotten and verified again when it comes."""
    keys_fresh_s: float = 600.0
    """Seconds after which an issuer's keys are fetched again: bounds how long a withdrawn key works."""
    keys_max_age_s: float = 21_600.0
    """Seconds for which the last good keys serve while their issuer is unreachable: longer than most outages."""
    keys_cool_down_s: float = 10.0
    """Least seconds between two fetches from one issuer: an unknown key id must not become a way to flood it."""
    refused_per_minute: int = 120
    """Requests of nobody known that are refused with a leaf each, per address and minute (of all addresses: ten times
    as many). What comes beyond is answered 429 and counted in one leaf: a flood must not fill the record's disk."""


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """Limits of the server processes that we start."""

    memory_bytes: int = 2 * 1024 * 1024 * 1024
    """Data and anonymous memory of one server process, in bytes: interpreters with large libraries stay below it."""
    open_files: int = 1024
    """File descriptors of one server process: the usual soft limit of a login session."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All process settings. A room receives its own part and never the whole."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
