"""Signing in at the issuer that a console names: authorization code with PKCE, and renewal.

RFC 9728 (which issuer), RFC 8414 (its endpoints), RFC 7591 (being known there), RFC 7636, 8707, 9207 (the flow).
"""

import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from tallystick.remote.error import RemoteError
from tallystick.remote.messages.told import Code
from tallystick.remote.place import open_pool, read_place

T = TypeVar("T")

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
_MOST_BYTES: Final = 1 << 20
_TIMEOUT_S: Final = 20.0
_DONE: Final = 300
_FORM: Final = "application/x-www-form-urlencoded"


class Protected(msgspec.Struct, frozen=True):
    """Whose tokens a console takes (RFC 9728, section 2), and which gateway stands beside it."""

    resource: str
    authorization_servers: list[str] = msgspec.field(default_factory=list[str])
    gateway: str = msgspec.field(default="", name="tallystick_gateway")


class Issuer(msgspec.Struct, frozen=True):
    """Where an issuer is asked for what (RFC 8414, section 2)."""

    issuer: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    registration_endpoint: str = ""


class Tokens(msgspec.Struct, frozen=True):
    """What an issuer hands out (RFC 6749, section 5.1); `expires_in` in seconds."""

    access_token: str
    expires_in: int = 300
    refresh_token: str = ""


class _Client(msgspec.Struct, frozen=True):
    client_id: str


class _Failure(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


class Begun(NamedTuple):
    """A sign-in under way: the page to open, and what its answer has to fit."""

    page: str
    client_id: str
    redirect_uri: str
    state: str
    verifier: str


def protected(console: str, ca_file: str | None = None) -> Protected:
    """Ask a console whose tokens it takes; raises RemoteError."""
    parts = urlsplit(console.rstrip("/"))
    # The well-known part goes between host and path (RFC 9728, section 3.1).
    return _ask("GET", f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{parts.path}", Protected, ca_file=ca_file)


def issuer_of(url: str, ca_file: str | None = None) -> Issuer:
    """Ask an issuer for its endpoints; raises RemoteError, also where it calls itself something else."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    inserted = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{path}"
    tried = (inserted, f"{url.rstrip('/')}/.well-known/openid-configuration")
    failure = RemoteError(code="upstream", message=f"{url} tells nothing of itself.")
    for place in tried:
        try:
            found = _ask("GET", place, Issuer, ca_file=ca_file)
        except RemoteError as error:
            failure = error
            continue
        if found.issuer != url:
            message = f"{place} speaks for {found.issuer!r}, not for {url!r} (RFC 8414, section 3.3)."
            raise RemoteError(code="upstream", message=message)
        return found
    raise failure


def begin(
    issuer: Issuer, redirect_uri: str, resources: Sequence[str], client_id: str = "", ca_file: str | None = None
) -> Begun:
    """Return the page on which somebody signs in for `resources`; without a client id this program registers itself."""
    if not issuer.authorization_endpoint or not issuer.token_endpoint:
        raise RemoteError(code="unauthenticated", message=f"{issuer.issuer} signs nobody in: use --token-stdin.")
    client_id = client_id or _registered(issuer, redirect_uri, ca_file)
    verifier, state = secrets.token_urlsafe(48), secrets.token_urlsafe(24)
    challenge = urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = [
        ("response_type", "code"),
        ("client_id", client_id),
        ("redirect_uri", redirect_uri),
        ("state", state),
        ("code_challenge", challenge),
        ("code_challenge_method", "S256"),
        *(("resource", resource) for resource in resources),
    ]
    mark = "&" if "?" in issuer.authorization_endpoint else "?"
    return Begun(f"{issuer.authorization_endpoint}{mark}{urlencode(query)}", client_id, redirect_uri, state, verifier)


def finish(
    issuer: Issuer, begun: Begun, answer: Mapping[str, str], resource: str, ca_file: str | None = None
) -> Tokens:
    """Return the tokens for what came back to the redirect URI; raises RemoteError for anything that does not fit."""
    if not secrets.compare_digest(answer.get("state", ""), begun.state):
        raise RemoteError(code="unauthenticated", message="An answer came that belongs to no sign-in of this command.")
    if answer.get("iss", issuer.issuer) != issuer.issuer:
        raise RemoteError(code="unauthenticated", message="The answer is another issuer's (RFC 9207).")
    if "code" not in answer:
        why = answer.get("error_description") or answer.get("error") or "no code came"
        raise RemoteError(code="unauthenticated", message=f"The issuer did not sign you in: {why}.")
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": begun.redirect_uri,
        "client_id": begun.client_id,
        "code_verifier": begun.verifier,
        "resource": resource,
    }
    return _ask("POST", issuer.token_endpoint, Tokens, urlencode(form), _FORM, ca_file)


def renew(token_endpoint: str, client_id: str, refresh: str, resource: str, ca_file: str | None = None) -> Tokens:
    """Return new tokens for a resource; raises RemoteError("unauthenticated") once the sign-in is over."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh, "client_id": client_id, "resource": resource}
    return _ask("POST", token_endpoint, Tokens, urlencode(form), _FORM, ca_file)


def _registered(issuer: Issuer, redirect_uri: str, ca_file: str | None) -> str:
    if not issuer.registration_endpoint:
        message = f"{issuer.issuer} registers nobody by itself. Have `tally` registered there, and give --client-id."
        raise RemoteError(code="unauthenticated", message=message)
    wanted = {
        "client_name": "tally",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
    }
    body = msgspec.json.encode(wanted).decode()
    return _ask("POST", issuer.registration_endpoint, _Client, body, "application/json", ca_file).client_id


def _ask(
    method: str, url: str, answer: type[T], body: str | None = None, media: str = "", ca_file: str | None = None
) -> T:
    place = read_place(url, ca_file)
    parts = urlsplit(url)
    headers = {"accept": "application/json", "user-agent": "tallystick"} | ({"content-type": media} if media else {})
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        response = open_pool(place, _TIMEOUT_S).urlopen(
            method, target, body=body, headers=headers, redirect=False, preload_content=False
        )
        raw = response.read(_MOST_BYTES)
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise RemoteError(code="unavailable", message=f"{url} cannot be reached: {error}") from error
    if response.status >= _DONE:
        raise RemoteError(*_failed(url, response.status, raw))
    try:
        return msgspec.json.decode(raw, type=answer)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RemoteError(
            code="upstream", message=f"{url} answers with something else than was asked for: {error}"
        ) from error


def _failed(url: str, status: int, raw: bytes) -> tuple[Code, str]:
    try:
        told = msgspec.json.decode(raw, type=_Failure)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return "upstream", f"{url} answers with status {status}."
    code: Code = "unavailable" if status >= 500 else "unauthenticated"  # noqa: PLR2004 - where the server's faults begin (RFC 9110)
    return code, f"{url} refuses: {told.error}: {told.error_description}"
