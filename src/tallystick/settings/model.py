"""Process settings, one small frozen value per room. Every field works when absent."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Level = Literal["durable", "published", "cosigned"]
KeyProviderName = Literal["file", "transit", "pkcs11", "aws-kms"]
_LEASE_MARGIN_S = 3.0
"""How much longer than a lease a start waits for one that ran out meanwhile."""


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
class LevelSettings:
    """How far the record of an outcome must have come before its reply leaves, by the risk of the tool.

    `durable`: on disk. `published`: under a signed checkpoint too. `cosigned`: under one that a quorum of witnesses has
    cosigned. A reply whose record does not come so far in `level_timeout_s` is withheld.
    """

    low: Level = "durable"
    """Tools of low risk."""
    medium: Level = "durable"
    """Tools of medium risk."""
    high: Level = "durable"
    """Tools of high risk."""
    critical: Level = "durable"
    """Tools of critical risk. Durable by default, as all: the others cost each call a wait for the publisher."""


@dataclass(frozen=True, slots=True)
class KeySettings:
    """Who keeps the master key of payloads. Paths are of the machine that the record is written on."""

    provider: KeyProviderName = "file"
    """`file` (in the state directory), `transit` (HashiCorp Vault or OpenBao), `pkcs11` (a hardware token) or
    `aws-kms`. The file needs nobody else; the others keep the key where no copy of this machine's disk has it."""
    key: str = ""
    """Name of the key: of transit, of the token's secret keys (label), or id, alias or ARN in KMS."""
    url: str = ""
    """Address of transit, https except on loopback; of KMS only for an endpoint of your own."""
    mount: str = "transit"
    """Path at which the transit engine is mounted; the engine's own default."""
    token_file: str = ""
    """File with the token for transit, read at each use, so that an agent may renew it. Not readable by everybody."""
    ca_file: str = ""
    """Certificates (PEM) that transit's is checked with. Default: those of the system."""
    module: str = ""
    """Library (.so) of the PKCS#11 token."""
    token: str = ""
    """Label of the PKCS#11 token."""
    pin_file: str = ""
    """File with the PIN of the PKCS#11 token's user."""
    region: str = ""
    """Region of KMS. Default: what the machine's AWS configuration says."""

    def to_json(self) -> str:
        """The settings as the writer process takes them; nothing in them is secret."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where the record is: in the state directory, or (with a `dsn_file`) in PostgreSQL and S3-compatible storage."""

    dsn_file: str = ""
    """File with the connection string of PostgreSQL (libpq's form). Default: the record is in the state directory."""
    bucket: str = ""
    """Bucket of tiles and payloads, made with Object Lock."""
    prefix: str = ""
    """First part of every key in the bucket; empty, or it ends with a slash. For a bucket that holds more than this."""
    endpoint: str = ""
    """URL of the object store. Default: AWS, in the region."""
    region: str = "us-east-1"
    """Region of the bucket; stores other than AWS take any."""
    credentials_file: str = ""
    """Shared credentials file (the form of ~/.aws/credentials). Default: what machine or environment give to boto3."""
    retain_days: int = 2557
    """Days for which tiles can be neither changed nor removed. Seven years: the longest of the built-in classes."""
    lease_s: float = 10.0
    """Seconds after which a writer that is not heard of may be replaced: longer than most pauses of a machine."""
    standby: bool = False
    """Whether a start waits for ever for the lease of another writer. By default it is refused after `lease_s`."""
    backlog: int = 50_000
    """Leaves that may wait for an object store that is away, before nothing is recorded, and nothing allowed, any
    more: a minute of 800 calls a second."""

    def to_json(self, class_years: Mapping[str, float]) -> str:
        """The settings as the writer process takes them; nothing in them is secret."""
        fields: dict[str, object] = asdict(self)
        wait = 0 if fields.pop("standby") else self.lease_s + _LEASE_MARGIN_S
        return json.dumps({**fields, "wait_s": wait, "class_years": dict(class_years)}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class RetentionClassSettings:
    """A retention class, `audit.classes.<name>`; it replaces a built-in one of its name."""

    name: str
    """Its name, which is the key."""
    years: float
    """How long payloads of the class are kept, in years: 0.002 (most of a day) to 100."""
    law: str
    """The law or rule that says so, as it is shown to whoever asks why something is not erased."""
    statutory: bool = False
    """Whether younger payloads are not erased on demand (GDPR Art. 17(3)(b))."""
    tier_after_days: int | None = None
    """Days after which `tally audit cost` says that payloads may move to a cheaper directory."""
    budget_bytes: int | None = None
    """Bytes that the class may take on disk. More is reported by `tally audit cost`; nothing is dropped."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """How the record is named, what is kept beside it, and how far it must have come before a reply leaves."""

    origin_host: str = ""
    """First part of each log's origin, `<host>/<tenant>/<year>`. Default: the host of `gateway.public_url`."""
    capture: Literal["all", "none"] = "all"
    """Which payloads are kept, encrypted, beside the record: `all` (arguments, results, and what clients told of
    prompt, intent and reason) or `none`. Either way the record commits to each of them."""
    capture_bytes: int = 1024 * 1024
    """Largest payload in bytes that is kept; the record says which were larger. Fits most results without images."""
    retention: str = "standard"
    """Retention class of payloads, where the classification of a tool names no other."""
    levels: LevelSettings = field(default_factory=LevelSettings)
    """How far a record must have come before a reply leaves, by risk: see LevelSettings."""
    keys: KeySettings = field(default_factory=KeySettings)
    """Who keeps the master key of payloads: see KeySettings."""
    store: StoreSettings = field(default_factory=StoreSettings)
    """Where the record is: see StoreSettings."""
    level_timeout_s: float = 10.0
    """Seconds that a record gets to come so far, and a receipt to be made: several times a publisher's usual 0.2 s."""
    witness_policy: str = ""
    """File with the witnesses and their quorum (C2SP tlog-policy). Without one nothing is ever cosigned."""
    witness_ca: str = ""
    """File of certificates (PEM) that vouch for the witnesses' servers. Default: those of the system."""
    classes: tuple[RetentionClassSettings, ...] = ()
    """Retention classes of your own, by name; the built-in ones are there without them."""


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
class ConsoleSettings:
    """What the console (the REST API and the catalog) listens on: never the gateway's own listener."""

    enabled: bool = True
    """Whether this gateway has a console. Of several workers only the first has one."""
    listen_host: str = "127.0.0.1"
    """Address to bind. Loopback by default, as the gateway's."""
    listen_port: int = 8081
    """TCP port, 1 to 65535; 0 picks a free one (tests). Default: the one after the gateway's, or 0 where that is 0."""
    public_url: str = ""
    """URL under which the console is reached, no trailing slash. It is the audience of the console's tokens, which are
    no good at the gateway, nor the gateway's here. Default: http://<listen_host>:<listen_port>."""
    allowed_hosts: tuple[str, ...] = ()
    """Further accepted `Host` values (host or host:port). That of `public_url` always is; others are DNS rebinding."""
    catalog_without_token: bool = True
    """Whether the catalog (MCP Registry API) is read without a token, as VS Code and Copilot do. It names the approved
    servers to everybody who reaches the console; false asks for a token, and those clients then see nothing."""


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """Where control state is, and whether the configuration directory is part of it."""

    dsn_file: str = ""
    """File with the connection string of PostgreSQL (libpq's form). Default: SQLite, `control.db` in the state
    directory, which is right for one machine."""
    directory: bool = True
    """Whether resources in the configuration directory are applied at the start and as they change. Their owner is
    `directory`. False where several machines share one database: only `tally.yaml` is read then."""


@dataclass(frozen=True, slots=True)
class DefinitionSettings:
    """How often what servers say of themselves is compared with what was approved."""

    every_s: float = 300.0
    """Seconds between two looks at a server that nobody calls: a change is found before somebody meets it."""
    fresh_s: float = 60.0
    """A call whose caller's view of the server was not compared for so many seconds waits for that."""
    fresh_high_s: float = 10.0
    """The same for tools of high and critical risk; 0 compares before each call, which costs a list each time."""
    timeout_s: float = 10.0
    """Seconds that a server gets to list its definitions; a call that waits for it is refused then."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All process settings. A room receives its own part and never the whole."""

    gateway: GatewaySettings = field(default_factory=GatewaySettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    identity: IdentitySettings = field(default_factory=IdentitySettings)
    runtime: RuntimeSettings = field(default_factory=RuntimeSettings)
    console: ConsoleSettings = field(default_factory=ConsoleSettings)
    control: ControlSettings = field(default_factory=ControlSettings)
    definitions: DefinitionSettings = field(default_factory=DefinitionSettings)
