"""The one way in: bytes of a known or guessed format to proposals and a report."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from tallystick.registry.imports import docker, published, toolhive
from tallystick.registry.imports.clients import CLIENTS, Client, read_client
from tallystick.registry.imports.draft import Drafts
from tallystick.registry.imports.model import Imported
from tallystick.registry.imports.part import Ledger, Part
from tallystick.registry.imports.syntax import SOURCE, Syntax, parse
from tallystick.settings import Problem
from tallystick.terms import TenantId

_Read = Callable[[Part, Drafts], None]
_Fits = Callable[[Part], bool]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be imported. `syntax` None: JSON or YAML, told by its first letters."""

    name: str
    title: str
    syntax: Syntax | None
    read: _Read
    fits: _Fits


def _is_registry_list(part: Part) -> bool:
    servers = part.peek("servers")
    return isinstance(servers, list)


def _is_server(part: Part) -> bool:
    return isinstance(part.peek("name"), str) and (
        isinstance(part.peek("packages"), list) or isinstance(part.peek("remotes"), list)
    )


def _is_virtual(part: Part) -> bool:
    return isinstance(part.peek("aggregation"), dict) or isinstance(part.part("spec").peek("config"), dict)


def _is_profile(part: Part) -> bool:
    return isinstance(part.part("network").peek("outbound"), dict) or (
        isinstance(part.peek("read"), list) and isinstance(part.peek("write"), list)
    )


def _is_catalog(part: Part) -> bool:
    return isinstance(part.peek("registry"), dict)


def _is_tile(part: Part) -> bool:
    return isinstance(part.peek("name"), str) and isinstance(part.peek("about"), dict) and part.has("type")


def _is_toolhive_registry(part: Part) -> bool:
    return isinstance(part.part("data").peek("servers"), list) or (
        part.has("version") and (isinstance(part.peek("remote_servers"), dict) or part.has("last_updated"))
    )


def _is_run(part: Part) -> bool:
    return part.has("schema_version") or (part.has("transport") and (part.has("image") or part.has("remote_url")))


def _servers_of(part: Part, client: Client) -> list[Part]:
    """Return the entries below the client's first path, if they have the shape it writes."""
    for key in client.at[0]:
        part = part.part(key)
    wanted = list if client.listed else dict
    return (
        [entry for entry in part.parts() if isinstance(entry.whole(), dict)] if isinstance(part.whole(), wanted) else []
    )


def _is_client(client: Client, part: Part) -> bool:
    entries = _servers_of(part, client)
    marks = {client.entry.inside or mark for mark in client.mark}
    return bool(entries) and (not client.mark or any(entry.has(mark) for entry in entries for mark in marks))


def _client(client: Client) -> Format:
    def read_it(part: Part, drafts: Drafts) -> None:
        read_client(part, client, drafts)

    return Format(client.name, client.title, client.syntax, read_it, partial(_is_client, client))


_OTHERS: Final = (
    Format("server.json", "server.json of the MCP registry", "json", published.read_server, _is_server),
    Format(
        "registry-list", "answer of the MCP registry that lists servers", "json", published.read_list, _is_registry_list
    ),
    Format("toolhive-registry", "ToolHive registry", "json", toolhive.read_registry, _is_toolhive_registry),
    Format("toolhive-vmcp", "ToolHive virtual server (vMCP)", None, toolhive.read_virtual, _is_virtual),
    Format("toolhive-run", "ToolHive RunConfig", None, toolhive.read_run, _is_run),
    Format("toolhive-permissions", "ToolHive permission profile", None, toolhive.read_profile, _is_profile),
    Format("docker-catalog", "Docker catalog", None, docker.read_catalog, _is_catalog),
    Format("docker-server", "server.yaml of Docker's registry", None, docker.read_tile, _is_tile),
)

FORMATS: Final[Mapping[str, Format]] = {each.name: each for each in (*_OTHERS, *map(_client, CLIENTS))}
"""Every format by its name."""
# Files that only one client writes are told apart first; of those that many write alike, the table's first one counts.
_GUESSES: Final = (*_OTHERS, *(FORMATS[each.name] for each in sorted(CLIENTS, key=lambda each: not each.mark)))


def read(
    raw: bytes, wanted: str | None, tenant: TenantId, taken: frozenset[str] = frozenset()
) -> Imported | tuple[Problem, ...]:
    """Read an import of the format `wanted` (None: guessed) for `tenant`, or say why it cannot be read.

    `taken` are names that exist already; no proposal gets one of them.
    """
    known = None if wanted is None else FORMATS.get(wanted)
    if wanted is not None and known is None:
        return (Problem.unknown((SOURCE, ""), "format", wanted, FORMATS),)
    document = parse(raw, known.syntax if known else None)
    if isinstance(document, Problem):
        return (document,)
    ledger = Ledger()
    whole = Part(ledger, (), document)
    if known is None:
        known = next((each for each in _GUESSES if each.fits(whole)), None)
    if known is None:
        return (
            Problem(
                SOURCE,
                "",
                "is of no format that is known",
                "name its format, if it is one of these: " + ", ".join(FORMATS),
            ),
        )
    drafts = Drafts(tenant, taken)
    known.read(whole, drafts)
    ledger.close(document)
    return Imported(
        known.name, tuple(drafts.documents), tuple(ledger.left), tuple(ledger.carried), tuple(ledger.secrets)
    )
