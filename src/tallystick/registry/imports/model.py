"""The nouns of an import, as frozen values. Places are JSON Pointers (RFC 6901) into what was read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from tallystick.terms import TenantId


@dataclass(frozen=True, slots=True)
class Proposal:
    """A document that an import proposes: a server as a draft, or a toolset. `spec` is without name and tenant."""

    kind: Literal["Server", "Toolset"]
    name: str
    tenant: TenantId
    spec: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Carried:
    """A field that went into a document: `place` in what was read, `to` the dotted place in the document's spec."""

    place: str
    to: str


@dataclass(frozen=True, slots=True)
class Left:
    """A field, or a whole part, that could not be carried over as it stood. Never holds a value that was read."""

    place: str
    what: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A secret that a server needs. Its value, if one was there, was not read: put it into the Secret named `secret`.

    `by` is how the server takes it: in an environment variable, a header, an argument or its URL; `name` which one.
    """

    place: str
    server: str
    by: Literal["env", "header", "argument", "url"]
    name: str
    secret: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import proposes and what it left behind. Every leaf that was read is in `carried` or below a `Left`."""

    format: str
    documents: tuple[Proposal, ...]
    report: tuple[Left, ...]
    carried: tuple[Carried, ...]
    secrets: tuple[Reference, ...]
