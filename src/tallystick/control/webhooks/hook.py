"""One webhook, as its resource says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tallystick.control.lifecycle.read import is_list, section, text
from tallystick.control.model import Resource
from tallystick.terms import TenantId

Form = Literal["generic", "jira", "servicenow"]


@dataclass(frozen=True, slots=True)
class Hook:
    """Where events go, in which form, and who may answer.

    `events` empty: all. `tenant` empty: of every tenant. `secret` and `token` name secrets: the first signs, the second
    is what the receiver asks for; `user` makes it a password (RFC 7617) instead of a bearer token (RFC 6750).
    `approve` and `reject` are the statuses there that stand for a reviewer's word; `people` maps accounts there to
    people here. `version` is that of the resource.
    """

    name: str
    tenant: TenantId
    version: int
    url: str
    form: Form
    events: frozenset[str]
    secret: str
    token: str = ""
    user: str = ""
    is_enabled: bool = True
    allow_special_addresses: bool = False
    project: str = ""
    kind: str = ""
    table: str = ""
    approve: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    people: Mapping[str, str] = field(default_factory=dict[str, str])


_USUAL: Mapping[Form, tuple[str, ...]] = {
    "generic": ("", ""),
    "jira": ("Task", ""),
    "servicenow": ("", "change_request"),
}


def hook_of(resource: Resource) -> Hook:
    """Read a webhook; its spec was judged when it was committed."""
    spec = resource.spec
    tickets = section(spec, "ticketing")
    form = _form(text(spec, "format"))
    kind, table = _USUAL[form]
    return Hook(
        name=resource.name,
        tenant=resource.tenant,
        version=resource.version,
        url=text(spec, "url").rstrip("/") if form != "generic" else text(spec, "url"),
        form=form,
        events=frozenset(_texts(spec.get("events"))),
        secret=text(spec, "secret"),
        token=text(spec, "token"),
        user=text(spec, "user"),
        is_enabled=spec.get("enabled", True) is True,
        allow_special_addresses=spec.get("allow_special_addresses") is True,
        project=text(tickets, "project"),
        kind=text(tickets, "kind") or kind,
        table=text(tickets, "table") or table,
        approve=_texts(tickets.get("approve")),
        reject=_texts(tickets.get("reject")),
        people={account: str(person) for account, person in section(tickets, "people").items()},
    )


def ticket_status(hook: str) -> str:
    """Return the status under which a resource keeps its open ticket of a webhook."""
    return f"ticket:{hook}"


def _form(word: str) -> Form:
    return word if word in ("jira", "servicenow") else "generic"


def _texts(value: object) -> tuple[str, ...]:
    return tuple(item for item in value if isinstance(item, str)) if is_list(value) else ()
