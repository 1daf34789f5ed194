"""Reads Docker's catalogs: a whole catalog (`registry: {name: server}`) and one entry of its source, `server.yaml`."""

from typing import Final

from tallystick.registry.imports import draft, image
from tallystick.registry.imports.part import Part

_POCI: Final = "each of its tools is a container run once, which is no MCP server"


def read_catalog(document: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for every server of a catalog."""
    for server in document.part("registry").parts():
        if isinstance(server.whole(), dict):
            _read(server, server.key, drafts)


def read_tile(document: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for one `server.yaml` of the registry that catalogs are built from."""
    image.leave_reach(document.part("run"))
    why = "an image is taken as it is named, not built from its source"
    document.leave("source", "is not carried over", why, "see that the image is what this source builds")
    wanted = document.peek("name")
    _read(document, wanted if isinstance(wanted, str) else "server", drafts)


def _read(server: Part, wanted: str, drafts: draft.Drafts) -> None:
    name = drafts.name(server, wanted)
    image.leave_reach(server)
    why = "the gateway signs in to no server behind a URL"
    server.leave("oauth", "is not carried over", why, "see whether the server takes calls without")
    config = server.part("config")
    for place in (server, config):
        for secret in place.part("secrets").parts():
            variable = secret.peek("env") or secret.peek("name")
            draft.refer(secret, name, "env", str(variable or "secret"))
    if server.peek("type") == "poci":
        server.leave("type", "is not carried over", _POCI, "look for an MCP server that does the same")
        server.note("is no server", _POCI, "look for an MCP server that does the same")
        return
    transport = _remote(server, name) if _is_remote(server) else _program(server, config, name)
    if transport is None:
        return
    if server.word("type") in {"server", "remote"}:
        server.carry("type", "transport")
    if server.has("name"):
        server.carry("name", "name")
    about = server.part("about")
    title = server.text("title", "title") or about.text("title", "title")
    purpose = server.text("description", "purpose") or about.text("description", "purpose")
    spec = draft.server_spec(transport, title, purpose, _tools(server))
    provider = server.part("metadata").text("owner", "provider.name")
    drafts.add("Server", name, {**spec, "provider": {"name": provider} if provider else {}})


def _is_remote(server: Part) -> bool:
    return bool(server.part("remote").peek("url") or server.peek("sseEndpoint"))


def _remote(server: Part, name: str) -> dict[str, object] | None:
    remote = server.part("remote")
    draft.headers(remote.part("headers"), name)
    place = remote.part("url") if remote.has("url") else server.part("sseEndpoint")
    if remote.word("transport_type") in {"streamable-http", "http"}:
        remote.carry("transport_type", "transport.http")
    else:
        why = "the gateway speaks streamable HTTP to servers, not the older HTTP with SSE"
        remote.leave("transport_type", "is not carried over", why, "ask for a streamable HTTP URL")
    plain = draft.url(place, name)
    if not plain:
        server.note("cannot be reached as it stands", "it has no whole URL", "register it by hand")
        return None
    return draft.http(plain)


def _program(server: Part, config: Part, name: str) -> dict[str, object] | None:
    env = {**_environment(server, name), **_environment(config, name)}
    command = server.part("command") if server.has("command") else server.part("run").part("command")
    arguments = draft.arguments(command.parts(), name)
    transport = image.program(server.part("image"), name, env, arguments)
    if transport is None:
        server.note("cannot be started as it stands", "it names no image", "register it by hand")
    return transport


def _environment(place: Part, server: str) -> dict[str, str]:
    env: dict[str, str] = {}
    for variable in place.part("env").parts():
        name = variable.word("name")
        carried = draft.environment([(name, variable.part("value"))], server) if name else {}
        if carried:
            variable.carry("name", f"transport.stdio.env.{name}")
            env.update(carried)
    return env


def _tools(server: Part) -> dict[str, object]:
    tools: dict[str, object] = {}
    for tool in server.part("tools").parts():
        name = tool.peek("name")
        if isinstance(name, str) and name:
            tool.carry("name", f"tools.{name}")
            tools[name] = draft.UNKNOWN
            draft.hints(tool)
    return tools or dict(draft.EVERY_TOOL)
