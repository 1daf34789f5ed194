"""Where a resource stands after its spec was written: an approval covers what was looked at, and nothing later."""

from collections.abc import Mapping
from typing import Final

from tallystick.control.model import REVIEWED, Put, Resource, State

DESCRIPTIVE: Final = frozenset(
    {
        "environments",
        "jurisdictions",
        "limits",
        "provider",
        "purpose",
        "regions",
        "security_review",
        "support",
        "title",
    }
)
"""Fields of a server that may change while it stays approved. All others, also those of later versions, are looked at
again; so is the owner, who approves grants."""


def standing(before: Resource | None, put: Put) -> State:
    """Return the state of a resource after `put`; `before` is what it was, None for a new one."""
    if put.kind not in REVIEWED:
        return "approved"
    if put.state is not None:
        return put.state
    if before is None:
        return "draft"
    if before.state not in ("approved", "in_review") or not _is_touched(before, put):
        return before.state
    # INVARIANT: no change that nobody looked at has effect. A server goes back to its reviewers; a grant is asked for
    # anew, because it is short and its requester writes all of it.
    return "draft" if put.kind == "Grant" else "in_review"


def _is_touched(before: Resource, put: Put) -> bool:
    if before.tenant != put.tenant:
        return True
    if put.kind == "Grant":
        return dict(before.spec) != dict(put.spec)
    return _effective(before.spec) != _effective(put.spec)


def _effective(spec: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in spec.items() if name not in DESCRIPTIVE}
