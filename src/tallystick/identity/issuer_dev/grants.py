"""The token endpoint: code, refresh, client credentials (RFC 6749) and token exchange (RFC 8693)."""

import hashlib
import secrets
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from tallystick.identity.admit import MAX_ACTORS, read_actors
from tallystick.identity.issuer_dev.authorize import Issued, read_resources
from tallystick.identity.issuer_dev.messages import Form, Request, read_form
from tallystick.identity.issuer_dev.mint import Mint
from tallystick.identity.issuer_dev.model import Agent, Client, Grant, Happened, Person, Problem
from tallystick.identity.issuer_dev.state import Shelf
from tallystick.terms import Clock, Refusal

EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name, not a secret
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_REFRESH_S = 28_800


@dataclass(frozen=True, slots=True)
class Known:
    """Everybody the issuer knows."""

    people: Mapping[str, Person]
    agents: Mapping[str, Agent]
    clients: Shelf[Client]


class TokenEndpoint:
    """Turns a grant into an access token; every refusal is a Problem."""

    def __init__(self, mint: Mint, known: Known, codes: Shelf[Issued], clock: Clock) -> None:
        self._mint = mint
        self._known = known
        self._codes = codes
        self._refreshes: Shelf[Grant] = Shelf(clock, _REFRESH_S)
        self.happened: list[Happened] = []
        self._granters = {
            "authorization_code": self._by_code,
            "refresh_token": self._by_refresh,
            "client_credentials": self._by_credentials,
            EXCHANGE: self._by_exchange,
        }

    def answer(self, request: Request) -> dict[str, object] | Problem:
        """Answer one POST (RFC 6749 5.1, RFC 8693 2.2.1)."""
        form = read_form(request.body.decode("latin-1"))
        if isinstance(form, Problem):
            return form
        grant_type, client = form.get("grant_type"), authenticated(request, form, self._known)
        grant = client if isinstance(client, Problem) else self._grant(form, client)
        self._note(grant, grant_type, form.get("client_id") if isinstance(client, Problem) else client.client_id)
        return grant if isinstance(grant, Problem) else self._granted(grant, grant_type)

    def _grant(self, form: Form, client: Client | Agent) -> Grant | Problem:
        granter = self._granters.get(form.get("grant_type"))
        if granter is None:
            return Problem("unsupported_grant_type", f"grant_type must be one of {', '.join(self._granters)}")
        return granter(form, client)

    def _note(self, grant: Grant | Problem, grant_type: str, client: str) -> None:
        fields: dict[str, object] = {"grant": grant_type, "issuer": self._mint.issuer, "client": client}
        if isinstance(grant, Problem):
            fields |= {"result": "failure", "reasons": [grant.error]}
        else:
            actors = read_actors({"act": grant.act} if grant.act else {})
            fields |= {"result": "success", "subject": grant.subject, "audience": list(grant.audiences)}
            fields |= {"actors": list(actors)} if actors and not isinstance(actors, Refusal) else {}
        self.happened.append(Happened("token", fields))

    def _granted(self, grant: Grant, grant_type: str) -> dict[str, object]:
        token, life = self._mint.access_token(grant)
        answer: dict[str, object] = {"access_token": token, "token_type": "Bearer", "expires_in": life}
        if grant.scope:
            answer["scope"] = grant.scope
        if grant_type == EXCHANGE:
            answer["issued_token_type"] = ACCESS_TOKEN
        if grant_type in {"authorization_code", "refresh_token"}:
            # RFC 8707 2.2: the next token may be for another resource of the same sign-in.
            whole = replace(grant, audiences=grant.granted or grant.audiences, granted=())
            answer["refresh_token"] = self._refreshes.put(whole)
        return answer

    def _by_code(self, form: Form, client: Client | Agent) -> Grant | Problem:
        # INVARIANT: a code is gone after the first attempt, whatever came of it.
        issued = self._codes.take(form.get("code"))
        if issued is None or issued.asked.client != client or form.get("redirect_uri") != issued.asked.redirect_uri:
            return Problem("invalid_grant", "the code is unknown, used, expired, or of another client or redirect URI")
        digest = hashlib.sha256(form.get("code_verifier").encode()).digest()
        challenge = urlsafe_b64encode(digest).decode().rstrip("=")
        if not secrets.compare_digest(challenge, issued.asked.challenge):
            return Problem("invalid_grant", "code_verifier does not match the code_challenge")
        return _narrowed(issued.grant, form)

    def _by_refresh(self, form: Form, client: Client | Agent) -> Grant | Problem:
        grant = self._refreshes.take(form.get("refresh_token"))
        if grant is None or grant.client_id != client.client_id:
            return Problem("invalid_grant", "the refresh token is unknown, used, expired or of another client")
        return _narrowed(grant, form)

    def _by_credentials(self, form: Form, client: Client | Agent) -> Grant | Problem:
        if not isinstance(client, Agent):
            return Problem("unauthorized_client", "only a configured agent may act as itself")
        audiences = read_resources(form)
        if isinstance(audiences, Problem):
            return audiences
        return Grant(client, client.client_id, audiences, form.get("scope"))

    def _by_exchange(self, form: Form, client: Client | Agent) -> Grant | Problem:
        if not isinstance(client, Agent):
            return Problem("unauthorized_client", "only a configured agent may exchange tokens")
        if form.get("actor_token") or form.get("subject_token_type") not in {ACCESS_TOKEN, _JWT}:
            return Problem("invalid_request", "give an access token as subject_token; the actor is the client itself")
        if form.get("requested_token_type") not in {"", ACCESS_TOKEN, _JWT}:
            return Problem("invalid_request", "only access tokens are issued")
        audiences = read_resources(form)
        if isinstance(audiences, Problem):
            return audiences
        claims = self._mint.read(form.get("subject_token"))
        who = self._who(claims or {})
        if claims is None or who is None:
            return Problem("invalid_grant", "subject_token is not a valid token of this issuer about somebody it knows")
        return self._delegated(claims, Grant(who, client.client_id, audiences, form.get("scope")))

    def _delegated(self, claims: Mapping[str, object], grant: Grant) -> Grant | Problem:
        actors, previous = read_actors(claims), claims.get("act")
        act = {"sub": grant.client_id} if previous is None else {"sub": grant.client_id, "act": previous}
        if isinstance(actors, Refusal) or len(actors) >= MAX_ACTORS:
            return Problem("invalid_request", f"a token names at most {MAX_ACTORS} actors")
        expires_at = claims["exp"]
        return replace(grant, act=act, not_after=expires_at if isinstance(expires_at, int) else 0)

    def _who(self, claims: Mapping[str, object]) -> Person | Agent | None:
        subject = str(claims.get("sub", ""))
        return self._known.people.get(subject) or self._known.agents.get(subject)


def authenticated(request: Request, form: Form, known: Known) -> Client | Agent | Problem:
    """Return the client that sends this token request (RFC 6749 2.3): by Basic, by parameters, or public by its id."""
    client_id, secret = form.get("client_id"), form.get("client_secret")
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, word = b64decode(rest.strip(), validate=True).decode().partition(":")
        except ValueError:
            return Problem("invalid_client", "the Basic credentials cannot be read", 401)
        client_id, secret = unquote_plus(name), unquote_plus(word)
    client = known.agents.get(client_id) or known.clients.see(client_id)
    if client is None or not secrets.compare_digest(secret.encode(), client.secret.encode()):
        return Problem("invalid_client", "the client is unknown or its secret is wrong", 401)
    return client


def _narrowed(grant: Grant, form: Form) -> Grant | Problem:
    # RFC 8707 2.2: the token request may ask for fewer resources than were granted, never for others.
    if not set(form.resources) <= set(grant.audiences):
        return Problem("invalid_target", "resource was not part of the authorization")
    if not form.resources:
        return grant
    return replace(grant, audiences=tuple(dict.fromkeys(form.resources)), granted=grant.audiences)
