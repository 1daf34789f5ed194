"""Dynamic client registration (RFC 7591) at the development issuer: loopback and https redirect URIs only."""

import secrets

import msgspec

from tallystick.identity.issuer_dev.model import Client, Problem
from tallystick.identity.issuer_dev.state import Shelf
from tallystick.identity.model import is_safe_url
from tallystick.identity.parse import read_object

METHODS = ("none", "client_secret_basic", "client_secret_post")
GRANTS = ("authorization_code", "refresh_token")
_MAX_URIS = 10


class _Asked(msgspec.Struct, frozen=True):
    """The members of a registration request that are read."""

    redirect_uris: list[str]
    client_name: str = ""
    token_endpoint_auth_method: str | None = None


def register(body: bytes, clients: Shelf[Client]) -> dict[str, object] | Problem:
    """Register the client described by the JSON `body`; return RFC 7591 3.2.1's answer."""
    document = read_object(body)
    try:
        asked = msgspec.convert(document, _Asked)
    except msgspec.ValidationError:
        return Problem("invalid_client_metadata", "the request is no client metadata document (RFC 7591 2)")
    uris = asked.redirect_uris
    if not 0 < len(uris) <= _MAX_URIS or not all(is_safe_url(uri) for uri in uris):
        return Problem("invalid_redirect_uri", "redirect URIs must be https, or http on loopback, without fragment")
    method = asked.token_endpoint_auth_method or "none"
    if method not in METHODS:
        return Problem("invalid_client_metadata", f"token_endpoint_auth_method must be one of {', '.join(METHODS)}")
    client = Client(
        client_id=f"dev-{secrets.token_urlsafe(12)}",
        name=asked.client_name[:200],
        redirect_uris=tuple(uris),
        authentication=method,
        secret="" if method == "none" else secrets.token_urlsafe(32),
    )
    clients.put(client, client.client_id)
    return _described(client)


def _described(client: Client) -> dict[str, object]:
    described: dict[str, object] = {
        "client_id": client.client_id,
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "token_endpoint_auth_method": client.authentication,
        "grant_types": list(GRANTS),
        "response_types": ["code"],
    }
    if client.secret:
        described |= {"client_secret": client.secret, "client_secret_expires_at": 0}
    return described
