"""The digest that pins a tool: SHA-256 over the canonical JSON (RFC 8785) of what a model or a caller can see of it."""

from collections.abc import Mapping
from hashlib import sha256

from tallystick import audit
from tallystick.terms import Digest, Refusal

PINNED = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")
"""Members under the digest. `_meta`, icons and transport hints may change without a new approval."""


def digest_definition(definition: Mapping[str, object]) -> Digest | Refusal:
    """Return the pin digest of one MCP tool object; absent members stay absent, other members do not count.

    Refused if the definition has no canonical form, such as an integer beyond 2^53 in a schema.
    """
    canonical = audit.leaf.canonical({key: definition[key] for key in PINNED if key in definition})
    return canonical if isinstance(canonical, Refusal) else Digest("sha256:" + sha256(canonical).hexdigest())
