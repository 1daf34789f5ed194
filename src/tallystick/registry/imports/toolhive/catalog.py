"""Reads ToolHive's registry: its own older form, and the one that wraps `server.json`.

Older: {version, last_updated, servers: {name: ...}, remote_servers: {name: ...}, groups: [...]}.
Newer: {$schema, version, meta, data: {servers: [server.json ...], groups: [{name, servers: [...]}]}}.
"""

from typing import Final

from tallystick.registry.imports import draft, image, published, secrecy
from tallystick.registry.imports.part import Part
from tallystick.registry.imports.toolhive.permissions import read_profile

_GROUP_TITLE: Final = "title"


def read_registry(document: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for every server, and a toolset for every group of servers."""
    wrapped = document.part("data")
    if wrapped.has("servers"):
        for server in wrapped.part("servers").parts():
            published.read_server(server, drafts)
        for group in wrapped.part("groups").parts():
            _read_group(group, drafts)
        return
    _read_servers(document, drafts)
    for group in document.part("groups").parts():
        _read_group(group, drafts)


def _read_group(group: Part, drafts: draft.Drafts) -> None:
    before = len(drafts.documents)
    if isinstance(group.peek("servers"), list):
        for server in group.part("servers").parts():
            published.read_server(server, drafts)
    else:
        _read_servers(group, drafts)
    members = [{"server": each.name} for each in drafts.documents[before:]]
    if not members:
        group.note("becomes no toolset", "none of its servers could be carried over", "register them first")
        return
    wanted = group.peek("name")
    name = drafts.name(group, wanted if isinstance(wanted, str) else "group", "Toolset")
    drafts.add("Toolset", name, {"title": group.text("name", "title"), "members": members})


def _read_servers(document: Part, drafts: draft.Drafts) -> None:
    for server in document.part("servers").parts():
        _read_local(server, drafts)
    for server in document.part("remote_servers").parts():
        _read_remote(server, drafts)


def _read_local(server: Part, drafts: draft.Drafts) -> None:
    name = drafts.name(server, server.key)
    if server.has("permissions"):
        read_profile(server.part("permissions"))
    image.leave_reach(server, ("target_port", "proxy_port"))
    if server.peek("transport") != "stdio":
        why = "the gateway starts programs that speak over standard input and output, not containers with a port"
        server.leave("image", "is not started here", why, "run the image yourself and register its URL")
        server.note("cannot be reached as it stands", why, "register it once it runs")
        return
    env = _environment(server, name)
    arguments = draft.arguments(server.part("args").parts(), name)
    transport = image.program(server.part("image"), name, env, arguments)
    if transport is not None:
        server.carry("transport", "transport.stdio")
        _add(server, name, transport, drafts)


def _read_remote(server: Part, drafts: draft.Drafts) -> None:
    name = drafts.name(server, server.key)
    why = "the gateway signs in to no server behind a URL"
    server.leave("oauth_config", "is not carried over", why, "see whether the server takes calls without")
    for header in server.part("headers").parts():
        wanted = header.peek("name")
        _header(header, name, wanted if isinstance(wanted, str) else "header")
    plain = draft.url(server.part("url"), name)
    if not plain:
        server.note("cannot be reached as it stands", "it has no whole URL", "register it by hand")
        return
    if server.peek("transport") == "streamable-http":
        server.carry("transport", "transport.http")
    else:
        server.leave(
            "transport", "is not carried over", "the gateway speaks streamable HTTP", "see whether the URL does"
        )
    _environment(server, name, is_used=False)
    _add(server, name, draft.http(plain), drafts)


def _header(header: Part, server: str, name: str) -> None:
    if header.peek("secret") is True or secrecy.named_secret(name):
        draft.refer(header, server, "header", name)
    else:
        why = "no header of a configuration is sent to a server behind a URL"
        header.leave(None, f"the header {name} is not sent", why, "let the server do without")


def _environment(server: Part, name: str, *, is_used: bool = True) -> dict[str, str]:
    env: dict[str, str] = {}
    for variable in server.part("env_vars").parts():
        wanted, usual = variable.peek("name"), variable.peek("default")
        if not isinstance(wanted, str) or not wanted:
            continue
        if variable.peek("secret") is True or secrecy.named_secret(wanted):
            draft.refer(variable, name, "env", wanted)
        elif not isinstance(usual, str) or not is_used or secrecy.filled_in(usual) or secrecy.secret_value(usual):
            what = f"the variable {wanted} has no value here"
            variable.leave(None, what, "its user was to give one", "set it in the server's env if the server needs it")
        else:
            variable.carry("name", f"transport.stdio.env.{wanted}")
            variable.carry("default", f"transport.stdio.env.{wanted}")
            env[wanted] = usual
    return env


def _add(server: Part, name: str, transport: dict[str, object], drafts: draft.Drafts) -> None:
    tools = draft.only_tools(server, "tools")
    for tool in server.part("tool_definitions").parts():
        draft.hints(tool)
    title = server.text("title", _GROUP_TITLE) or server.text("name", _GROUP_TITLE)
    purpose = server.text("description", "purpose")
    drafts.add("Server", name, draft.server_spec(transport, title, purpose, tools))
