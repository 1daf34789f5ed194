"""Reads one document: the folder says what it is, the file's name says which."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tallystick.registry.model import Agent, Grant, IssuerEntry, Pin, Role, Server, Tenant, Toolset, Webhook
from tallystick.registry.reading.people import parse_agent, parse_grant, parse_role
from tallystick.registry.reading.pin import parse_pin
from tallystick.registry.reading.server import parse_server
from tallystick.registry.reading.small import parse_issuer, parse_tenant
from tallystick.registry.reading.toolset import parse_toolset
from tallystick.registry.reading.webhook import parse_webhook
from tallystick.registry.reading.words import NAME
from tallystick.settings import Problem, Section

Entry = Tenant | IssuerEntry | Server | Toolset | Pin | Grant | Agent | Role | Webhook

_PARSERS: Final[Mapping[str, Callable[[Section], Entry]]] = {
    "tenants": parse_tenant,
    "issuers": parse_issuer,
    "toolsets": parse_toolset,
    "pins": parse_pin,
    "grants": parse_grant,
    "agents": parse_agent,
    "roles": parse_role,
    "webhooks": parse_webhook,
}
FOLDERS: Final = ("tenants", "issuers", "servers", "toolsets", "pins", "grants", "agents", "roles", "webhooks")


class Read(NamedTuple):
    """What one document says by itself: its entry (None where its folder is unknown), what is wrong, what is odd."""

    file: str
    entry: Entry | None
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...]


def read(file: str, document: Mapping[str, object], pin: Pin | None = None) -> Read:
    """Read one document, `file` being its path below the configuration directory. A server needs its pin, if any.

    The same arguments always give an equal answer, so it may be kept for as long as neither document changes.
    """
    folder = file.partition("/")[0]
    if folder not in FOLDERS or file.count("/") != 1:
        unknown = Problem.unknown((file, ""), "folder", file.rpartition("/")[0] or ".", FOLDERS)
        return Read(file, None, (unknown,), ())
    problems: list[Problem] = []
    notices: list[Problem] = []
    section = Section(file, document, problems)
    name, key = section.stem, "server" if folder == "pins" else "name"
    written = section.text(key, name, pattern=NAME)
    if written != name:
        section.fault(key, f'says "{written}" in a file called "{name}"', "give both the same name")
    entry = parse_server(section, pin, notices) if folder == "servers" else _PARSERS[folder](section)
    section.close()
    return Read(file, entry, tuple(problems), tuple(notices))
