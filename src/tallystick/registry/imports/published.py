"""Reads `server.json` of the public registry (schema 2025-12-11) and answers of its API that list servers.

A server that is reached by URL is taken before a package that would have to be started. Of packages, those are taken
that a fixed program fetches and runs: npm by npx, PyPI by uvx, an image by docker, NuGet by dnx. What an entry says of
the arguments of that program itself is never carried: `--volume` or `--privileged` of a catalog would open the machine.
"""

import re
from collections.abc import Iterator
from typing import Final

from tallystick.registry.imports import draft, secrecy
from tallystick.registry.imports.part import Part

_TAKEN_ONE: Final = "one way to reach a server is enough"
_RUNNERS: Final = {
    "npm": (("npx", "-y"), "@", re.compile(r"(?:@[a-z0-9~][a-z0-9~._-]*/)?[a-z0-9~][A-Za-z0-9~._-]*")),
    "pypi": (("uvx",), "==", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")),
    "oci": (("docker", "run", "-i", "--rm"), ":", re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]*")),
    "nuget": (("dnx", "--yes"), "@", re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")),
}
"""Kind of package -> the program that runs it, what stands before a version, and which identifiers are taken."""
_COMMAND: Final = "transport.stdio.command"
_VERSION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+_-]*")
_EXTENSIONS: Final = "io.modelcontextprotocol.registry/publisher-provided"


def read_list(document: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for every server of an answer `{servers: [{server, _meta}], metadata}` of the registry's API."""
    for entry in document.part("servers").parts():
        wrapped = entry.part("server")
        read_server(wrapped if isinstance(wrapped.whole(), dict) else entry, drafts)


def read_server(server: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for one `server.json`."""
    full = server.peek("name")
    name = drafts.name(server, str(full or "server").rpartition("/")[2])
    if not isinstance(full, str):
        server.note("has no name", "its schema demands one", "choose a name")
    remotes = _of_kind(server, "remotes", "type", "streamable-http", "sse")
    packages = list(server.part("packages").parts())
    transport = next((found for found in (_remote(remote, name) for remote in remotes) if found), None)
    if transport is None:
        transport = next((found for found in (_package(package, name) for package in packages) if found), None)
    _leave_others([*remotes, *packages])
    if transport is None:
        server.note(
            "cannot be reached as it stands", "nothing in it is a whole URL or a package", "register it by hand"
        )
        return
    title = server.text("title", "title")
    purpose = server.text("description", "purpose")
    drafts.add("Server", name, draft.server_spec(transport, title, purpose, _tools(server)))


def _of_kind(server: Part, key: str, kind: str, *order: str) -> list[Part]:
    found = [part for part in server.part(key).parts() if isinstance(part.whole(), dict)]
    return sorted(found, key=lambda part: [*order, part.word(kind)].index(part.word(kind)))


def _leave_others(parts: list[Part]) -> None:
    for part in parts:
        if not part.ledger.asked(part.path):
            part.leave(None, "is not carried over", _TAKEN_ONE, "change the server's transport if this one is meant")


def _remote(remote: Part, name: str) -> dict[str, object] | None:
    plain = draft.url(remote.part("url"), name) if isinstance(remote.peek("url"), str) else ""
    if not plain:
        return None
    remote.carry("type", "transport")
    if remote.peek("type") == "sse":
        why = "the gateway speaks streamable HTTP to servers, not the older HTTP with SSE"
        remote.note("is reached with HTTP and SSE", why, "ask the publisher for a streamable HTTP URL")
    for header in remote.part("headers").parts():
        wanted = header.peek("name")
        header_name = wanted if isinstance(wanted, str) else "header"
        if header.peek("isSecret") is True or secrecy.named_secret(header_name):
            draft.refer(header, name, "header", header_name)
        else:
            why = "no header of a configuration is sent to a server behind a URL"
            header.leave(None, f"the header {header_name} is not sent", why, "let the server do without")
    return draft.http(plain)


def _package(package: Part, name: str) -> dict[str, object] | None:
    kind = package.word("registryType")
    runner = _RUNNERS.get(kind)
    identifier = package.part("identifier").string()
    transport = package.part("transport")
    if transport.word("type") not in {"", "stdio"}:
        why = "a program that the gateway starts speaks over its standard input and output"
        package.leave(None, "listens on a port of its own", why, "start it yourself and register its URL")
        return None
    if runner is None or runner[2].fullmatch(identifier) is None:
        why = "only packages of npm, PyPI, NuGet and images are started, under plain names"
        package.leave(None, "cannot be started", why, "install it yourself and register its command")
        return None
    start, before, _ = runner
    exact = identifier + _version(package, before, identifier)
    for key, to in (("registryType", "transport.stdio"), ("identifier", _COMMAND)):
        package.carry(key, to)
    if transport.has("type"):
        transport.carry("type", "transport.stdio")
    why = "arguments of the program that runs a package may open the machine to it"
    package.leave("runtimeArguments", "are not carried over", why, "add what you have checked to the server's command")
    arguments = list(_arguments(package.part("packageArguments"), name))
    env = _environment(package.part("environmentVariables"), name)
    draft.started(package)
    passed = [word for variable in env for word in ("-e", variable)] if kind == "oci" else []
    return draft.stdio([*start, *passed, exact, *arguments], env)


def _version(package: Part, before: str, identifier: str) -> str:
    version = package.part("version").string()
    if version and _VERSION.fullmatch(version):
        package.carry("version", _COMMAND)
        return "" if ":" in identifier.rpartition("/")[2] or "@sha256" in identifier else before + version
    if "@sha256:" not in identifier:
        why = "what runs would change whenever its publisher releases something"
        package.note("names no exact version", why, "write the version into the server's command")
    return ""


def _arguments(arguments: Part, server: str) -> Iterator[str]:
    for argument in arguments.parts():
        name, (given, value) = argument.peek("name"), _value(argument)
        if argument.peek("isSecret") is True or (isinstance(name, str) and secrecy.named_secret(name)):
            draft.refer(argument, server, "argument", str(name or argument.peek("valueHint") or "argument"))
            continue
        if value is None and not (isinstance(name, str) and argument.peek("format") == "boolean"):
            argument.leave(None, "has no value yet", "its user was to give one", "add it to the server's command")
            continue
        if secrecy.secret_value(value or "") or secrecy.filled_in(value or ""):
            argument.leave(
                None, "is a template, or looks like a secret", "nothing is filled in", "write the argument yourself"
            )
            continue
        for key, to in (("type", "transport.stdio"), ("name", _COMMAND), (given, _COMMAND)):
            if argument.has(key):
                argument.carry(key, to)
        yield from ([name] if isinstance(name, str) and name else [])
        yield from ([value] if value is not None else [])


def _environment(variables: Part, server: str) -> dict[str, str]:
    env: dict[str, str] = {}
    for variable in variables.parts():
        name, (given, value) = variable.peek("name"), _value(variable)
        if not isinstance(name, str) or not name:
            continue
        if variable.peek("isSecret") is True or secrecy.named_secret(name):
            draft.refer(variable, server, "env", name)
        elif secrecy.steers(name):
            draft.steered(variable, name)
        elif value is None or secrecy.filled_in(value) or secrecy.secret_value(value):
            what = f"the variable {name} has no value yet"
            variable.leave(None, what, "its user was to give one", "set it in the server's env if the server needs it")
        else:
            for key in ("name", given):
                if variable.has(key):
                    variable.carry(key, f"transport.stdio.env.{name}")
            env[name] = value
    return env


def _value(given: Part) -> tuple[str, str | None]:
    """Return the value of an input and where it stands: what is fixed, else what is usual."""
    for key in ("value", "default"):
        value = given.peek(key)
        if isinstance(value, str):
            return key, value
    return "value", None


def _tools(server: Part) -> dict[str, object]:
    """Carry names of tools that an extension lists (`_meta`, ToolHive's, per image or URL); else all are unreviewed."""
    tools: dict[str, object] = {}
    for vendor in server.part("_meta").part(_EXTENSIONS).parts():
        for place in vendor.parts():
            for tool in place.texts("tools") or ():
                tool.carry(None, f"tools.{tool.string()}")
                tools[tool.string()] = draft.UNKNOWN
    return tools or dict(draft.EVERY_TOOL)
