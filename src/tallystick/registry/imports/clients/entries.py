"""Reads the servers of a client's configuration by its row in the table."""

from collections.abc import Iterator
from typing import Final

from tallystick.registry.imports import draft
from tallystick.registry.imports.clients.table import KINDS, Client, Entry, Kind
from tallystick.registry.imports.part import Part

_DECIDED_HERE: Final = "a client decided it; in Tallystick policy and review do"
_SWITCHES: Final = {
    "enabled": "what is imported is a draft, in force for nobody before it is approved",
    "disabled": "what is imported is a draft, in force for nobody before it is approved",
    "required": "a client's start does not depend on the gateway's servers",
    "alwaysLoad": "a client's start does not depend on the gateway's servers",
    "trust": _DECIDED_HERE,
    "alwaysAllow": _DECIDED_HERE,
    "autoApprove": _DECIDED_HERE,
    "default_tools_approval_mode": _DECIDED_HERE,
    "disabled_tools": "tools are known by being classified, not by being excluded",
    "excludeTools": "tools are known by being classified, not by being excluded",
    "oauth": "the gateway signs callers in itself and passes on no token of a client",
    "auth": "the gateway signs callers in itself and passes on no token of a client",
    "envFile": "no file of one person's machine is read",
}
"""Fields that many clients have and that Tallystick decides otherwise, with why."""


def read_client(document: Part, client: Client, drafts: draft.Drafts) -> None:
    """Propose a draft for every server in a client's configuration."""
    for path in client.at:
        for servers in _follow(document, path):
            for entry in servers.parts():
                if isinstance(entry.whole(), dict):
                    _read_entry(entry, client, drafts)


def _follow(part: Part, path: tuple[str, ...]) -> Iterator[Part]:
    if not path:
        yield part
    elif path[0] == "*":
        for child in part.parts():
            yield from _follow(child, path[1:])
    elif part.has(path[0]):
        yield from _follow(part.part(path[0]), path[1:])


def _read_entry(entry: Part, client: Client, drafts: draft.Drafts) -> None:
    form = client.entry
    for key, why in _SWITCHES.items():
        entry.leave(key, "is not carried over", why, "decide it at review")
    wanted = entry.peek("name") if client.listed else entry.key
    place = entry.part(form.inside) if form.inside and entry.has(form.inside) else entry
    name = drafts.name(entry, str(wanted or "server"))
    transport = _transport(place, form, name)
    for key in form.secrets:
        if entry.has(key):
            draft.refer(entry.part(key), name, "header", "Authorization")
    if transport is None:
        return
    if client.listed and entry.has("name"):
        entry.carry("name", "name")
    tools = next((draft.only_tools(entry, key) for key in form.only if entry.has(key)), draft.EVERY_TOOL)
    limits = [draft.timeout(entry, key) for key in form.second] + [
        draft.timeout(entry, key, 0.001) for key in form.millisecond
    ]
    title = "" if client.listed else entry.text("name", "title")
    purpose = entry.text("description", "purpose")
    seconds = next((limit for limit in limits if limit is not None), None)
    drafts.add("Server", name, draft.server_spec(transport, title, purpose, tools, seconds))


def _transport(part: Part, form: Entry, name: str) -> dict[str, object] | None:
    for path in form.headers:
        for found in _follow(part, path):
            draft.headers(found, name)
    address = next((key for key in form.url if part.has(key)), "")
    kind = _kind(part, form, address)
    if kind in {"http", "sse"} and address:
        plain = draft.url(part.part(address), name)
        return draft.http(plain) if plain else None
    command = next((key for key in form.command if part.has(key)), "")
    if kind == "stdio" and command:
        return _program(part, form, command, name)
    part.note("is no server that Tallystick can reach", "it has neither a URL nor a program", "register it by hand")
    return None


def _kind(part: Part, form: Entry, address: str) -> Kind:
    """Return what the entry says it is, or what its fields mean, and note where that will not work as it stands."""
    key = next((key for key in (*form.kind, "source") if isinstance(part.peek(key), str)), "")
    usual: Kind = "sse" if address == "url" and form.url[0] == "httpUrl" and not key else form.unmarked
    kind: Kind = KINDS.get(str(part.peek(key)), "other") if key else (usual if address else "stdio")
    if kind == "other":
        part.leave(
            key, "names a transport that Tallystick does not speak", "it speaks HTTP and stdio", "register it by hand"
        )
    elif key:
        part.carry(key, "transport")
    if kind == "sse":
        why = "the gateway speaks streamable HTTP to servers, not the older HTTP with SSE"
        part.note("was reached with HTTP and SSE", why, "ask the server's owner for its streamable HTTP URL")
    return kind


def _program(part: Part, form: Entry, key: str, name: str) -> dict[str, object] | None:
    whole = part.peek(key)
    place = part.part(key)
    if isinstance(whole, list):
        words = list(place.parts())
    elif isinstance(whole, dict):  # the older form of Zed: {path, args, env}
        words = [place.part("path"), *place.part("args").parts()]
        part, form = place, Entry()
    else:
        words = [place]
    if form.args and isinstance(part.peek(form.args), list) and not isinstance(whole, dict):
        words += list(part.part(form.args).parts())
    command = draft.arguments([word for word in words if word.string()], name)
    if not command or not words or command[0] != words[0].string():
        part.note("names no program", "its first word is missing or a template", "register the server by hand")
        return None
    env: dict[str, str] = {}
    for each in form.env:
        env.update(draft.environment([(item.key, item) for item in part.part(each).parts()], name))
    for wanted in part.part("env_keys").parts():
        draft.refer(wanted, name, "env", wanted.string())
    draft.started(part)
    return draft.stdio(command, env, part.text("cwd", "transport.stdio.cwd"))
