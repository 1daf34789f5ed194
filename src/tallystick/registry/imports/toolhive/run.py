"""Reads ToolHive's RunConfig: one server as it was run."""

from typing import Final

from tallystick.registry.imports import draft, image
from tallystick.registry.imports.part import Part
from tallystick.registry.imports.toolhive.permissions import read_profile

_IN_FRONT: Final = "the gateway does this itself, by its own configuration"
_NOT_HERE: Final = {
    "oidc_config": "callers are signed in by the issuers of the configuration",
    "authz_config": "its policies speak of other entities than ours; they are not translated",
    "audit_config": "every call is on record whatever a server's file says",
    "telemetry_config": _IN_FRONT,
    "rate_limit_config": _IN_FRONT,
    "middleware_configs": _IN_FRONT,
    "validating_webhooks": _IN_FRONT,
    "mutating_webhooks": _IN_FRONT,
    "tools_override": "a server keeps its own names here; a toolset renames them",
    "remote_auth_config": "the gateway signs in to no server behind a URL",
    "token_exchange_config": "the gateway exchanges no tokens",
    "host": "ToolHive's proxy is not needed in front of the gateway",
    "port": "ToolHive's proxy is not needed in front of the gateway",
    "proxy_mode": "ToolHive's proxy is not needed in front of the gateway",
}
_REMEDY: Final = "see what it did for this server, and decide whether something has to take its place"


def read_run(run: Part, drafts: draft.Drafts) -> None:
    """Propose a draft for a RunConfig."""
    for key, why in _NOT_HERE.items():
        run.leave(key, "is not carried over", why, _REMEDY)
    if run.has("permission_profile"):
        read_profile(run.part("permission_profile"))
    image.leave_reach(run)
    wanted = run.peek("name")
    name = drafts.name(run, wanted if isinstance(wanted, str) else "server")
    transport = _transport(run, name)
    for secret in run.texts("secrets") or ():
        target = secret.string().partition(",target=")[2]
        draft.refer(secret, name, "env", target or "unnamed")
    headers = run.part("header_forward")
    for key in ("add_plaintext_headers", "add_headers_from_secret"):
        draft.headers(headers.part(key), name)
    if transport is None:
        run.note("cannot be reached as it stands", "see above", "register the server by hand")
        return
    run.carry("name", "name")
    drafts.add("Server", name, draft.server_spec(transport, tools=draft.only_tools(run, "tools_filter")))


def _transport(run: Part, name: str) -> dict[str, object] | None:
    kind = run.peek("transport")
    if run.peek("remote_url"):
        plain = draft.url(run.part("remote_url"), name)
        if plain and kind == "streamable-http":
            run.carry("transport", "transport.http")
        elif run.has("transport"):
            why = "the gateway speaks streamable HTTP to a server behind a URL, nothing else"
            run.leave("transport", "is not carried over", why, "see whether the URL answers streamable HTTP")
        return draft.http(plain) if plain else None
    if kind != "stdio":
        why = "the gateway starts programs that speak over standard input and output, not containers with a port"
        run.leave("image", "is not started here", why, "run the image yourself and register its URL")
        return None
    env = draft.environment([(item.key, item) for item in run.part("env_vars").parts()], name)
    arguments = draft.arguments(run.part("cmd_args").parts(), name)
    transport = image.program(run.part("image"), name, env, arguments)
    if transport is not None:
        run.carry("transport", "transport.stdio")
    return transport
