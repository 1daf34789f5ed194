"""The authorization endpoint: code flow, PKCE S256 (RFC 7636), `resource` (RFC 8707), `iss` answered (RFC 9207)."""

import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from tallystick.identity.issuer_dev.messages import Form, Request, Response, read_form
from tallystick.identity.issuer_dev.model import Client, Grant, Happened, Person, Problem
from tallystick.identity.issuer_dev.page import error_page, sign_in_page
from tallystick.identity.issuer_dev.state import Shelf
from tallystick.identity.model import is_safe_url
from tallystick.terms import Clock

CODE_S = 60
_WAITING_S = 600
_COOKIE = "tallystick_development_sign_in"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked authorization request: `redirect_uri` belongs to `client`."""

    client: Client
    redirect_uri: str
    challenge: str
    resources: tuple[str, ...]
    scope: str
    state: str


@dataclass(frozen=True, slots=True)
class Issued:
    """What an authorization code stands for."""

    asked: Asked
    grant: Grant


@dataclass(frozen=True, slots=True)
class _Waiting:
    asked: Asked
    cookie: str


class AuthorizationEndpoint:
    """Asks a person who they are and hands out codes: single use, 60 seconds."""

    def __init__(self, issuer: str, people: Mapping[str, Person], clients: Shelf[Client], clock: Clock) -> None:
        self._issuer = issuer
        self._people = people
        self._clients = clients
        self._waiting: Shelf[_Waiting] = Shelf(clock, _WAITING_S)
        self.codes: Shelf[Issued] = Shelf(clock, CODE_S)
        self.happened: list[Happened] = []

    def begin(self, request: Request) -> Response:
        """Answer GET: show the people, or sign in the `login_hint` at once when no browser is asking."""
        form = read_form(request.query)
        if isinstance(form, Problem):
            return error_page(form.description)
        client = self._clients.see(form.get("client_id"))
        # INVARIANT: nothing is ever sent to a redirect URI that this client did not register, character for character.
        if client is None or form.get("redirect_uri") not in client.redirect_uris:
            return error_page("This client is not registered here, or not with this redirect URI. Register it again.")
        asked = _read(form, client)
        if isinstance(asked, Problem):
            answer = {"error": asked.error, "error_description": asked.description, "state": form.get("state")}
            return self._redirect(form.get("redirect_uri"), answer)
        person = self._people.get(form.get("login_hint"))
        # A hostile page can send a browser here with a hint; only what is no browser may skip the page.
        if person is not None and "sec-fetch-mode" not in request.headers:
            return self._grant(asked, person)
        cookie = secrets.token_urlsafe(32)
        waiting = self._waiting.put(_Waiting(asked, cookie))
        page = sign_in_page(
            f"{self._issuer}/authorize", waiting, client.name or client.client_id, self._people.values()
        )
        path = urlsplit(self._issuer).path or "/"
        binding = f"{_COOKIE}={cookie}; Path={path}; Max-Age={_WAITING_S}; HttpOnly; SameSite=Strict"
        return Response(page.status, page.body, {**page.headers, "set-cookie": binding})

    def finish(self, request: Request) -> Response:
        """Answer the page's POST: only the browser that was shown the page can finish, once (CSRF)."""
        form = read_form(request.body.decode("latin-1"))
        if isinstance(form, Problem):
            return error_page(form.description)
        waiting = self._waiting.take(form.get("waiting"))
        person = self._people.get(form.get("person"))
        if waiting is None or person is None or not secrets.compare_digest(_cookie(request), waiting.cookie.encode()):
            self._note("failure", waiting.asked.client.client_id if waiting is not None else "", "sign-in is over")
            return error_page("This sign-in is over or was begun elsewhere. Go back to your client and begin again.")
        return self._grant(waiting.asked, person)

    def _grant(self, asked: Asked, person: Person) -> Response:
        grant = Grant(person, asked.client.client_id, asked.resources, asked.scope)
        code = self.codes.put(Issued(asked, grant))
        self._note("success", grant.client_id, "", person)
        _log.warning("DEVELOPMENT ISSUER signs in %s for client %s without a password", person.subject, grant.client_id)
        return self._redirect(asked.redirect_uri, {"code": code, "state": asked.state})

    def _note(self, result: str, client: str, why: str, person: Person | None = None) -> None:
        fields: dict[str, object] = {"result": result, "issuer": self._issuer, "client": client}
        fields |= {"subject": person.subject} if person is not None else {"reasons": [why]}
        self.happened.append(Happened("login", fields))

    def _redirect(self, uri: str, answer: Mapping[str, str]) -> Response:
        query = urlencode({**{name: value for name, value in answer.items() if value}, "iss": self._issuer})
        return Response(303, b"", {"location": f"{uri}{'&' if '?' in uri else '?'}{query}"})


def _read(form: Form, client: Client) -> Asked | Problem:
    if form.get("response_type") != "code":
        return Problem("unsupported_response_type", "response_type must be code")
    if form.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(form.get("code_challenge")):
        return Problem("invalid_request", "PKCE with code_challenge_method S256 is required")
    resources = read_resources(form)
    if isinstance(resources, Problem):
        return resources
    uri, challenge = form.get("redirect_uri"), form.get("code_challenge")
    return Asked(client, uri, challenge, resources, form.get("scope"), form.get("state"))


def read_resources(form: Form) -> tuple[str, ...] | Problem:
    """Return the resource indicators (RFC 8707 2): at least one absolute URL without fragment."""
    if not form.resources or not all(is_safe_url(resource) for resource in form.resources):
        return Problem("invalid_target", "resource is required: the URL of the protected resource, without fragment")
    return tuple(dict.fromkeys(form.resources))


def _cookie(request: Request) -> bytes:
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    return next((value for name, _, value in pairs if name == _COOKIE), "").encode()
