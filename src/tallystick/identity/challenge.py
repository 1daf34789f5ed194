"""What a protected resource says of itself: metadata (RFC 9728), the WWW-Authenticate challenge (RFC 6750 3). Pure."""

from collections.abc import Sequence
from urllib.parse import quote, urlsplit

from tallystick.identity.model import TrustedIssuer, is_safe_url
from tallystick.terms import Reason, Refusal, TallyError

_WELL_KNOWN = "/.well-known/oauth-protected-resource"
_URL_CHARACTERS = "%:/?#[]@!$&'()*+,;=-._~"


def resource_metadata(
    resource_url: str, issuers: Sequence[TrustedIssuer], scopes: Sequence[str] = ()
) -> dict[str, object]:
    """Return the RFC 9728 2 document of the resource at `resource_url`; TallyError("invalid") for a URL it forbids."""
    if not is_safe_url(resource_url):
        message = f"{resource_url!r} is no resource identifier: it takes https (or loopback http) and no fragment"
        raise TallyError(code="invalid", message=message)
    document: dict[str, object] = {
        "resource": resource_url,
        "authorization_servers": [trusted.issuer for trusted in issuers],
        "bearer_methods_supported": ["header"],
    }
    if scopes:
        document["scopes_supported"] = list(scopes)
    return document


def metadata_url(resource_url: str) -> str:
    """Return where that document is served: the well-known part goes between host and path (RFC 9728 3.1)."""
    parts = urlsplit(resource_url)
    path = "" if parts.path == "/" else parts.path
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{_WELL_KNOWN}{path}{query}"


def challenge(metadata_url: str, refusal: Refusal, scope: str | None = None) -> str:
    """Return the WWW-Authenticate value that goes with `refusal`: a 401, or a 403 when its code is "denied".

    A request without a token gets no error code (RFC 6750 3.1), a bad token "invalid_token", a denial
    "insufficient_scope".
    """
    parameters: dict[str, str] = {}
    if Reason.TOKEN_MISSING not in refusal.reasons:
        parameters["error"] = "insufficient_scope" if refusal.code == "denied" else "invalid_token"
        parameters["error_description"] = _plain(refusal.public_text)
    scopes = " ".join(token for token in (scope or "").split() if _plain(token) == token)
    if scopes:
        parameters["scope"] = scopes
    # INVARIANT: no value can end its quotes: these alphabets have neither a quotation mark nor a backslash.
    parameters["resource_metadata"] = quote(metadata_url, safe=_URL_CHARACTERS)
    return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters.items())


def _plain(text: str) -> str:
    # RFC 6750 3: %x20-21 / %x23-5B / %x5D-7E
    return "".join(character if " " <= character <= "~" and character not in '"\\' else "?" for character in text)
