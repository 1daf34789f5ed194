"""The development issuer's nouns: who can be signed in, who may ask, what was granted, what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to sign in as. `claims` are added to their tokens (for example the tenant)."""

    subject: str
    title: str = ""
    groups: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Agent:
    """A confidential client: acts as itself (client credentials) or for a person (token exchange)."""

    client_id: str
    secret: str = field(repr=False)
    title: str = ""
    groups: tuple[str, ...] = ()
    claims: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True)
class Client:
    """A dynamically registered client (RFC 7591); public when `secret` is empty."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    authentication: str = "none"
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one access token will say: about whom, to which client, for which resources. `act`: RFC 8693 4.1.

    `granted` are all resources that were signed in for, where the token is for fewer of them.
    """

    who: Person | Agent
    client_id: str
    audiences: tuple[str, ...]
    scope: str = ""
    act: Mapping[str, object] | None = None
    not_after: float = float("inf")
    granted: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The token's `sub`."""
        return self.who.subject if isinstance(self.who, Person) else self.who.client_id


@dataclass(frozen=True, slots=True)
class Problem:
    """An OAuth error (RFC 6749 4.1.2.1, 5.2), returned as a value."""

    error: str
    description: str
    status: int = 400


class Happened(NamedTuple):
    """A sign-in or an issued token, or a failed one, for the record: the fields of a leaf of that kind."""

    kind: Literal["login", "token"]
    fields: Mapping[str, object]
