"""The development issuer as a plain ASGI application: discovery, keys, authorize, token, register."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from tallystick.identity.issuer_dev.authorize import AuthorizationEndpoint
from tallystick.identity.issuer_dev.grants import EXCHANGE, Known, TokenEndpoint
from tallystick.identity.issuer_dev.messages import (
    Receive,
    Request,
    Response,
    Scope,
    Send,
    as_error,
    as_json,
    read_request,
    send_response,
)
from tallystick.identity.issuer_dev.mint import MARK, Mint
from tallystick.identity.issuer_dev.model import Agent, Client, Grant, Happened, Person, Problem
from tallystick.identity.issuer_dev.page import error_page
from tallystick.identity.issuer_dev.register import GRANTS, METHODS, register
from tallystick.identity.issuer_dev.state import Shelf
from tallystick.identity.keyring import discovery_urls
from tallystick.identity.model import is_loopback, is_safe_url
from tallystick.terms import Clock, Reason, Refusal, TallyError

_CLIENT_S = 30 * 86_400
_COMMAND_LINE = "tally"
_log = logging.getLogger(__name__)


class DevelopmentIssuer:
    """An OAuth 2.1 authorization server without passwords, on loopback only; also a `Fetch` of its own documents.

    `people` and `agents` are everybody who can be signed in. The key in `key_file` is made at the first start (0600).
    """

    def __init__(
        self, issuer_url: str, key_file: Path, people: Sequence[Person], agents: Sequence[Agent], clock: Clock
    ) -> None:
        _check(issuer_url, [person.subject for person in people], agents)
        self.issuer_url = issuer_url
        self._url = urlsplit(issuer_url)
        self._mint = Mint(issuer_url, key_file, clock)
        clients: Shelf[Client] = Shelf(clock, _CLIENT_S)
        self._clients = clients
        self._known = Known({p.subject: p for p in people}, {a.client_id: a for a in agents}, clients)
        self._authorize = AuthorizationEndpoint(issuer_url, self._known.people, clients, clock)
        self._token = TokenEndpoint(self._mint, self._known, self._authorize.codes, clock)
        self._documents = {urlsplit(url).path: self._metadata() for url in _document_urls(issuer_url)}
        self._documents[f"{self._url.path}/jwks"] = {"keys": [self._mint.jwk]}
        self._routes: Mapping[tuple[str, str], Callable[[Request], Response]] = {
            ("GET", f"{self._url.path}/authorize"): self._authorize.begin,
            ("POST", f"{self._url.path}/authorize"): self._authorize.finish,
            ("POST", f"{self._url.path}/token"): self._answer_token,
            ("POST", f"{self._url.path}/register"): self._answer_registration,
        }
        self.tell: Callable[[Happened], Awaitable[None]] = _nobody
        _log.warning("DEVELOPMENT ISSUER at %s: anybody on this machine can sign in as anybody", issuer_url)

    # `tell` is awaited with every sign-in and every token before it is answered; where it raises TallyError, nobody is
    # signed in and no token leaves.

    def serves(self, path: str) -> bool:
        """Return whether a request for `path` (of the issuer's host) belongs to this application."""
        return path in self._documents or any(path == route for _, route in self._routes)

    def mint(self, person: str, audience: str, actor: str | None = None) -> str:
        """Return an access token about `person` for `audience`, through the agent `actor` if given.

        Raises TallyError("not_found") for somebody who is not on the list, ("invalid") for an audience that is no URL.
        """
        who = self._known.people.get(person)
        if who is None or (actor is not None and actor not in self._known.agents):
            known = (
                f"people: {', '.join(self._known.people)}; agents that act for them: {', '.join(self._known.agents)}"
            )
            message = f"the development issuer knows no such person or agent. It knows {known}"
            raise TallyError(code="not_found", message=message)
        if not is_safe_url(audience):
            raise TallyError(code="invalid", message=f"{audience!r} is not the URL of a protected resource")
        act = {"sub": actor} if actor else None
        return self._mint.access_token(Grant(who, actor or _COMMAND_LINE, (audience,), act=act))[0]

    async def fetch(self, url: str) -> bytes | Refusal:
        """Answer the `Fetch` protocol for this issuer's own documents, without a socket."""
        parts = urlsplit(url)
        document = self._documents.get(parts.path) if parts[:2] == self._url[:2] else None
        if document is None:
            return Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "The development issuer has no such document.")
        return json.dumps(document).encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request (ASGI 3)."""
        if scope["type"] != "http":
            return
        request = await read_request(scope, receive)
        response = as_error(request) if isinstance(request, Problem) else self._answer(request)
        happened = [*self._authorize.happened, *self._token.happened]
        self._authorize.happened.clear()
        self._token.happened.clear()
        try:
            for one in happened:
                await self.tell(one)
        except TallyError:
            response = as_error(Problem("temporarily_unavailable", "sign-ins cannot be recorded at the moment", 503))
        await send_response(response, send)

    def _answer(self, request: Request) -> Response:
        # A page of another site that rebinds its name to loopback still sends that name as Host.
        if request.headers.get("host", "").lower() != self._url.netloc.lower():
            return error_page(f"DEVELOPMENT ISSUER: open it as {self.issuer_url}, by no other name.", 421)
        origin = request.headers.get("origin", "")
        if origin and not is_loopback(urlsplit(origin).hostname or ""):
            return error_page("DEVELOPMENT ISSUER: pages of other machines may not use it.", 403)
        if request.method == "OPTIONS" and self.serves(request.path):
            return _shared(Response(204), origin)
        if request.method == "GET" and request.path in self._documents:
            return _shared(as_json(self._documents[request.path]), origin)
        route = self._routes.get((request.method, request.path))
        if route is None:
            return error_page("DEVELOPMENT ISSUER: there is nothing here.", 405 if self.serves(request.path) else 404)
        return _shared(route(request), origin) if request.path != f"{self._url.path}/authorize" else route(request)

    def _answer_token(self, request: Request) -> Response:
        answer = self._token.answer(request)
        if isinstance(answer, Problem):
            return as_error(answer)
        _log.warning("DEVELOPMENT ISSUER issued an access token")
        return as_json(answer)

    def _answer_registration(self, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            return as_error(Problem("invalid_client_metadata", "send application/json", 415))
        answer = register(request.body, self._clients)
        return as_error(answer) if isinstance(answer, Problem) else as_json(answer, 201)

    def _metadata(self) -> dict[str, object]:
        return {
            "issuer": self.issuer_url,
            "authorization_endpoint": f"{self.issuer_url}/authorize",
            "token_endpoint": f"{self.issuer_url}/token",
            "registration_endpoint": f"{self.issuer_url}/register",
            "jwks_uri": f"{self.issuer_url}/jwks",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": [*GRANTS, "client_credentials", EXCHANGE],
            "token_endpoint_auth_methods_supported": list(METHODS),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA"],
            MARK: True,
        }


async def _nobody(happened: Happened) -> None:
    del happened


def _document_urls(issuer_url: str) -> list[str]:
    return [*discovery_urls(issuer_url), f"{issuer_url}/.well-known/oauth-authorization-server"]


def _shared(response: Response, origin: str) -> Response:
    # Browser-based inspectors on this machine live on another port, hence on another origin.
    if not origin:
        return response
    sharing = {
        "access-control-allow-origin": origin,
        "access-control-allow-headers": "authorization, content-type, mcp-protocol-version",
        "access-control-allow-methods": "GET, POST",
        "vary": "origin",
    }
    return Response(response.status, response.body, {**response.headers, **sharing})


def _check(issuer_url: str, people: Sequence[str], agents: Sequence[Agent]) -> None:
    # A person who is called like their client would be taken for an agent.
    names = [_COMMAND_LINE, *people, *(agent.client_id for agent in agents)]
    # INVARIANT: this issuer never runs under a name that another machine could reach.
    if not is_safe_url(issuer_url) or not is_loopback(urlsplit(issuer_url).hostname or ""):
        message = f"the DEVELOPMENT ISSUER runs on loopback only, not at {issuer_url!r}"
        raise TallyError(code="invalid", message=message)
    if issuer_url.endswith("/") or urlsplit(issuer_url).query:
        raise TallyError(code="invalid", message="the development issuer's URL has no query and no slash at its end")
    if len(set(names)) != len(names) or not all(name.strip() for name in names):
        raise TallyError(code="invalid", message=f"people and agents need distinct names, other than {_COMMAND_LINE!r}")
    if not all(agent.secret for agent in agents):
        raise TallyError(code="invalid", message="every agent of the development issuer needs a secret")
