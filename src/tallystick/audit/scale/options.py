"""Where the scale-out store is, and its bounds: handed to the writer process as JSON, so nothing in it is secret."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec

from tallystick.audit.model import Unwritable


@dataclass(frozen=True, slots=True)
class Options:
    """Database, bucket and bounds. Secrets stand in the files that are named here."""

    dsn_file: str
    """File with the connection string of PostgreSQL (libpq's form)."""
    bucket: str
    """Bucket of the tiles, made with Object Lock."""
    prefix: str = ""
    """First part of every key in the bucket; empty, or it ends with a slash."""
    endpoint: str = ""
    """URL of the object store; empty means that of AWS for the region."""
    region: str = "us-east-1"
    credentials_file: str = ""
    """Shared credentials file (the form of ~/.aws/credentials); empty means what the machine or the environment has."""
    retain_days: int = 2557
    """Days for which a complete tile, bundle or hourly checkpoint can be neither changed nor removed: 7 years."""
    partial_days: int = 1
    """Days for an incomplete tile and for each version of the checkpoint, which later ones replace."""
    class_years: dict[str, float] = field(default_factory=dict[str, float])
    """Years for which payloads of a retention class are locked, where they are not those of the built-in class."""
    lease_s: float = 10.0
    """Seconds after which a silent writer may be replaced."""
    wait_s: float = 13.0
    """Seconds that a starting writer waits for the lease of another one; 0 is for ever (a standby)."""
    reconnect_s: float = 10.0
    """Seconds for which a lost database is looked for before the writer gives up."""
    backlog: int = 50_000
    """Leaves that may wait for an object store that is away; then nothing more is recorded, and nothing allowed."""

    def to_json(self) -> str:
        """The options as the writer process takes them."""
        return msgspec.json.encode(asdict(self)).decode()


def parse_options(text: str) -> Options:
    """Read the options; raises Unwritable."""
    try:
        options = msgspec.json.decode(text, type=Options, strict=True)
    except msgspec.DecodeError as error:
        message = f"the options of the scale-out store cannot be read: {error}"
        raise Unwritable(message) from error
    if options.prefix and not options.prefix.endswith("/"):
        message = f'the prefix "{options.prefix}" of the scale-out store does not end with a slash'
        raise Unwritable(message)
    return options


def read_dsn(options: Options) -> str:
    """The connection string; raises OSError."""
    return Path(options.dsn_file).read_text().strip()
