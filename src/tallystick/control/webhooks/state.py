"""What webhooks need of control state."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from tallystick.control.entries import Entry, Note
from tallystick.control.model import Actor, Change, Committed, Key, Refused, Resource
from tallystick.terms import TenantId


class State(Protocol):
    """Control state, as far as webhooks look at it. Every method may raise TallyError("unavailable")."""

    def published(self) -> int:
        """Return the newest revision that is wholly on record."""
        ...

    def get(self, key: Key, revision: int | None = None) -> Resource | None:
        """Return a resource."""
        ...

    def all(self, revision: int | None = None) -> Mapping[Key, Resource]:
        """Return every resource."""
        ...

    def history(self, key: Key | None = None, after: int = 0, limit: int = 100) -> tuple[Entry, ...]:
        """Return entries later than a revision, oldest first; revisions come whole, even beyond the limit."""
        ...

    def commit(self, changes: Sequence[Change], actor: Actor, why: str = "") -> Committed | Refused:
        """Make changes, all or none."""
        ...

    def secret(self, name: str) -> bytes | None:
        """Return the value of a secret."""
        ...

    def note(self, name: str) -> Note | None:
        """Return what was kept under a name."""
        ...

    def keep(self, name: str, value: Mapping[str, object] | None, version: int) -> bool:
        """Keep something, if what is there still has this version (0: nothing is there); tell whether it was kept."""
        ...


def secret_of(state: State, tenant: TenantId, name: str) -> bytes | None:
    """Return the value of a tenant's own secret; None where there is none, or it is another's.

    INVARIANT: names are unique in the whole installation, rights are not. Whoever writes a webhook chooses where its
    secrets are sent, so a webhook has only those that its own tenant holds.
    """
    resource = state.get(Key("Secret", name)) if name else None
    return state.secret(name) if resource is not None and resource.tenant == tenant else None
