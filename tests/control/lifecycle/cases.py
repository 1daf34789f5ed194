"""A server and a grant for which every gate is met, to be spoiled one way at a time."""

from collections.abc import Mapping
from dataclasses import replace

from tallystick.control.lifecycle import Facts
from tallystick.control.model import Actor, Key, Kind, Resource, State, Step
from tallystick.terms import TenantId

NOW = "2026-11-21T12:00:00Z"
ACME = TenantId("acme")
SEEN = "sha256:" + "a" * 64
ANNA = Actor("anna", roles=("developer",))
BERT = Actor("bert", roles=("reviewer",))
TOOL = {"operation": "read", "risk": "low", "data_scope": "positions", "reversibility": "R0"}
SERVER: Mapping[str, object] = {
    "title": "Risk",
    "owner": {"person": "olga", "team": "risk", "legal_entity": "Acme Ltd"},
    "purpose": "positions of the desk",
    "classification": "confidential",
    "jurisdictions": ["UK"],
    "security_review": {"date": "2026-11-21", "next": "2027-11-21"},
    "transport": {"http": {"url": "https://risk.example.com/mcp"}},
    "tools": {"get": TOOL},
}
GRANT: Mapping[str, object] = {
    "toolset": "desk",
    "to": {"people": ["anna"]},
    "purpose": "month's end",
    "expires": "2026-12-21T12:00:00Z",
}
PIN: Mapping[str, object] = {"tools": [{"name": "get"}]}
"""What a reviewer of the server approved."""


def resource(kind: Kind, name: str, spec: Mapping[str, object], state: State = "in_review") -> Resource:
    """A resource of the tenant."""
    return Resource(kind, name, ACME, spec, {}, "", state, 3, 7, NOW, NOW, {})


def observed(pin: Resource, digest: str = SEEN) -> Resource:
    """A pin whose server was asked since."""
    return replace(pin, status={"observed": {"digest": digest, "at": NOW, "spec": PIN}})


def server(state: State = "in_review", **changed: object) -> Facts:
    """The facts of a server that Anna submitted and that Bert looks at. None takes a member away."""
    spec = {name: value for name, value in {**SERVER, **changed}.items() if value is not None}
    pin = observed(resource("Pin", "risk", PIN, "approved"))
    return Facts(resource("Server", "risk", spec, state), BERT, NOW, pin, ("anna",), "anna")


def grant(state: State = "in_review", **changed: object) -> Facts:
    """The facts of a grant that Anna asked for and that Bert looks at."""
    spec = {name: value for name, value in {**GRANT, **changed}.items() if value is not None}
    scope = resource("Toolset", "desk", {"owner": "olga", "members": []}, "approved")
    return Facts(resource("Grant", "month-end", spec, state), BERT, NOW, None, ("anna",), "anna", scope)


def step(kind: Kind, to: State, **more: str) -> Step:
    """A step of the server, or of the grant, with all that a step may need."""
    name = "risk" if kind == "Server" else "month-end"
    known = {"comment": "seen in the committee", "definition": SEEN, **more}
    return Step(Key(kind, name), to, known["comment"], expires=more.get("expires"), definition=known["definition"])
