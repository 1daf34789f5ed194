"""The sign-in page and the error page: plain HTML, no script, nothing from outside, every value escaped."""

from collections.abc import Iterable
from html import escape

from tallystick.identity.issuer_dev.messages import Response
from tallystick.identity.issuer_dev.model import Person

_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
}
_FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>DEVELOPMENT ISSUER</title><style>
body{{font:16px/1.5 sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
header{{background:#8a1c00;color:#fff;padding:.7rem 1rem;font-weight:bold}}
button{{display:block;width:100%;text-align:left;font:inherit;padding:.6rem 1rem;margin:.4rem 0}}
</style></head><body><header>DEVELOPMENT ISSUER: no password, never for production</header>
{content}
</body></html>"""


def sign_in_page(action: str, waiting: str, client: str, people: Iterable[Person]) -> Response:
    """Return the page that lists the people to sign in as. `waiting` names the pending request."""
    buttons = "\n".join(
        f'<button name="person" value="{escape(person.subject)}">{escape(person.title or person.subject)}'
        f" <small>({escape(', '.join((person.subject, *person.groups)))})</small></button>"
        for person in people
    )
    content = f"""<h1>Sign in as</h1><p><b>{escape(client)}</b> asks for access on your behalf.</p>
<form method="post" action="{escape(action)}"><input type="hidden" name="waiting" value="{escape(waiting)}">
{buttons}</form>"""
    return Response(200, _FRAME.format(content=content).encode(), _HEADERS)


def error_page(description: str, status: int = 400) -> Response:
    """Return the page for an error that must not go to an unverified redirect URI (RFC 6749 4.1.2.1)."""
    return Response(status, _FRAME.format(content=f"<h1>Refused</h1><p>{escape(description)}</p>").encode(), _HEADERS)
