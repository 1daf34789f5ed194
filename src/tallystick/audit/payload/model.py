"""What the payload store says to others, and the parts it is made of."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tallystick.audit.model import Sealed
from tallystick.terms import TallyError

Why = Literal["erased", "expired", "never"]
"""Why there is no payload: its key was destroyed for its subject, its time was over, or it was never kept."""


class Gone(NamedTuple):
    """A payload that cannot be had, and the index of the leaf that says so where the store knows it."""

    why: Why
    leaf: int | None = None


class Erased(NamedTuple):
    """What an erasure destroyed: keys, their retention classes, the records that are unreadable now, their bytes."""

    keys: int
    retention: tuple[str, ...]
    records: int
    content_bytes: int


class Expired(NamedTuple):
    """What an expiry removed: whole segments, their records and bytes, and the keys that nothing else needed."""

    segments: int
    records: int
    stored_bytes: int
    keys: int


class Entry(NamedTuple):
    """One payload that is kept: what it is of, where it belongs (`leaf` is the hex leaf hash), its size in clear."""

    call_id: str
    field: str
    retention: str
    leaf: str
    size: int
    ts: str


class Usage(NamedTuple):
    """What one month of one retention class takes. `place` is "" in the state directory, else the cheaper directory."""

    retention: str
    month: str
    place: str
    segments: int
    records: int
    stored_bytes: int
    content_bytes: int


class PayloadKey(NamedTuple):
    """A data key that is ready for use; its 16-byte id in hex."""

    id: str
    cipher: AESGCM


class Unsealable(TallyError):
    """A capture that cannot be sealed: the leaf has no id, or a name is no name. Nothing was written."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid", message)


class Locked(TallyError):
    """The payload keys cannot be opened. The text names the provider, what failed and what to do next."""

    def __init__(self, provider: str, what: str, remedy: str) -> None:
        super().__init__("unavailable", f"payload keys: provider {provider}: {what}. Next: {remedy}")
        self.provider = provider


class Damaged(TallyError):
    """A stored payload or key does not read as what was written."""

    def __init__(self, message: str) -> None:
        super().__init__("internal", message)


class KeyProvider(Protocol):
    """Keeps the master key that wraps keyring keys. Asked at the start and on rotation, never while a call waits.

    Every method raises Locked. A wrapped key is opaque text or bytes; `context` (ASCII) has to be the same both times.
    """

    @property
    def name(self) -> str:
        """The provider's kind as settings name it."""
        ...

    def wrap(self, key: bytes, context: bytes) -> bytes:
        """Encrypt a 32-byte key under the newest version of the master key."""
        ...

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        """Return the 32-byte key."""
        ...

    def version(self, wrapped: bytes) -> str:
        """Which version of the master key a wrapped key is under, for people to read."""
        ...


class Keyring(Protocol):
    """The data keys of one tenant. `damaged` are numbers of slots that are none; `live` counts keys that are alive."""

    damaged: list[int]

    @property
    def live(self) -> int:
        """How many keys there are that were not destroyed."""
        ...

    def close(self) -> None:
        """Let go of what is open, and forget the keys."""
        ...

    def key_for(self, subject: str, retention: str, at: float) -> PayloadKey:
        """The live key of a subject and class; a new one is durable when it is returned. Raises Unwritable."""
        ...

    def keys_for(self, pairs: Iterable[tuple[str, str]], at: float) -> None:
        """Make the keys that are missing, with one sync for all. Raises Unwritable."""
        ...

    def key(self, key_id: str) -> PayloadKey | Gone:
        """A key by its id; raises Damaged."""
        ...

    def find(self, subject: str, classes: Sequence[str] | None = None) -> list[tuple[str, str]]:
        """Id and class of each key of a subject that was not destroyed."""
        ...

    def retire(self, key_ids: Iterable[str]) -> None:
        """Use keys for nothing new, durably: what comes goes under another one. Raises Unwritable."""
        ...

    def destroy(self, key_ids: Iterable[str], why: Why, leaf: int | None, at: float) -> int:
        """Make keys unrecoverable, durably; returns how many were alive. Raises Unwritable."""
        ...


class Records(Protocol):
    """The sealed records of one tenant; `damaged` says what of them does not read. Methods raise OSError."""

    damaged: list[str]

    def keep(self, sealed: Sequence[Sealed]) -> list[str]:
        """Make records durable, leaving out those that are; returns the key id of each that was not."""
        ...

    def find(self, call_id: str, field: str) -> bytes | None:
        """The newest record of a field of a call; raises Damaged."""
        ...

    def entries(self, key_ids: Sequence[str]) -> list[Entry]:
        """Every record under these keys."""
        ...

    def expired(self) -> dict[str, str]:
        """The last month (YYYY-MM) whose records were expired, by retention class."""
        ...

    def only_in(self, retention: str, through: str) -> list[str]:
        """Ids of the keys that only a class's months up to `through` use."""
        ...

    def condemn(self, retention: str, through: str) -> list[str]:
        """Decide, durably, that a class's months up to `through` go; returns the keys that only they use."""
        ...

    def drop(self, retention: str) -> Expired:
        """Delete what was condemned (`keys` of the answer is 0)."""
        ...

    def tier(self, through: str, directory: str) -> Usage:
        """Move the months up to `through` to a cheaper directory; returns what was moved."""
        ...

    def usage(self) -> list[Usage]:
        """What is kept, by class and month."""
        ...

    def close(self) -> None:
        """Close files and index."""
        ...
