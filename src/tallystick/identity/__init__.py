"""Who calls: access tokens of trusted issuers become a `Caller`, or a refusal that never turns into "anonymous".

OAuth 2.1 resource server (RFC 9068, RFC 6750), its metadata and challenges (RFC 9728). It must never contain a decision
about what a caller may do, a session, or a socket: documents come through the `Fetch` it is given. The development
issuer (`identity.issuer_dev`) is an adapter that this door does not open.
"""

from tallystick.identity.authenticate import Authenticator
from tallystick.identity.challenge import challenge, metadata_url, resource_metadata
from tallystick.identity.model import Algorithm, Fetch, Limits, TrustedIssuer

__all__ = [
    "Algorithm",
    "Authenticator",
    "Fetch",
    "Limits",
    "TrustedIssuer",
    "challenge",
    "metadata_url",
    "resource_metadata",
]
