"""`tally call` and `tally inspect`: one tool, or everything that an entrance of the gateway offers to me."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import click

from tallystick.cli.codes import FAILED, WRONG, CommandError
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.kinds import SERVER, name_of
from tallystick.cli.output import API_VERSION, Shape, at, say, shaped
from tallystick.cli.terminal import tame, tame_lines

if TYPE_CHECKING:
    from tallystick.remote import Gateway

_OFFERED: Final = {"TYPE": "type", "NAME": "name", "TITLE": "title", "DESCRIPTION": "description"}
_RESULT: Final = {"CONTENT": "content"}
_LISTS: Final = {
    "tool": ("tools/list", "tools", "name"),
    "prompt": ("prompts/list", "prompts", "name"),
    "resource": ("resources/list", "resources", "uri"),
    "template": ("resources/templates/list", "resourceTemplates", "uriTemplate"),
}
gateway_option = click.option(
    "--gateway", default="", help="The gateway. [default: $TALLY_GATEWAY, or that of the last login]"
)


@click.command("call")
@connected
@shaped
@gateway_option
@click.option(
    "--arg", "pairs", multiple=True, metavar="NAME=VALUE", help="One argument; the tool's schema says of which type."
)
@click.option("--json", "whole", metavar="OBJECT", help="All arguments, as a JSON object.")
@name_of(SERVER, "server")
@click.argument("tool")
@click.pass_context
def call_tool(
    context: click.Context, console: Connection, shape: Shape, pairs: tuple[str, ...], **given: str | None
) -> None:
    """Call a tool through the gateway, as yourself.

    SERVER is a server, or toolset/NAME. Exit code 1: the tool failed; 5: the call was refused, with reasons and the
    number of its record.
    """
    gateway = console.gateway(given["gateway"] or "")
    route, tool = route_of(given["server"] or ""), given["tool"] or ""
    arguments = _arguments(gateway, route, tool, pairs, given["whole"])
    result = gateway.ask(route, "tools/call", {"name": tool, "arguments": arguments})
    if shape.form == "table" and not shape.field:
        _print(result)
    else:
        shape.one(result, _RESULT)
    if result.get("isError"):
        context.exit(FAILED)


def route_of(name: str) -> str:
    """Return the entrance of the gateway that a name means: a server's, or that of toolset/NAME."""
    kind, mark, rest = name.partition("/")
    known = {"server": "servers", "servers": "servers", "toolset": "toolsets", "toolsets": "toolsets"}
    if not mark:
        return f"servers/{name}"
    if kind not in known or not rest or "/" in rest:
        raise CommandError(WRONG, f"{name!r} is neither a server nor toolset/NAME")
    return f"{known[kind]}/{rest}"


def _arguments(
    gateway: "Gateway", route: str, tool: str, pairs: tuple[str, ...], whole: str | None
) -> dict[str, object]:
    found: dict[str, object] = {}
    if whole is not None:
        try:
            read: object = json.loads(whole)
        except ValueError as error:
            raise CommandError(WRONG, f"--json is no JSON: {error}") from error
        if not isinstance(read, dict):
            raise CommandError(WRONG, "--json takes an object, such as '{\"amount\": 5}'")
        members: dict[object, object] = dict(read)  # pyright: ignore[reportUnknownArgumentType] - JSON
        found = {str(name): value for name, value in members.items()}
    if pairs:
        listed = gateway.every(route, "tools/list", "tools")
        schema = next((one.get("inputSchema") for one in listed if one.get("name") == tool), None)
        for pair in pairs:
            name, mark, text = pair.partition("=")
            if not mark or not name:
                raise CommandError(WRONG, f"{pair!r} is no NAME=VALUE")
            found[name] = _value(text, at(schema, f"properties.{name}.type"))
    return found


def _value(text: str, kind: object) -> object:
    """Return what a text means for a type of JSON Schema; where that says nothing, JSON if it is, else the text."""
    kinds = {kind} if isinstance(kind, str) else set[object](kind) if isinstance(kind, list) else set[object]()  # pyright: ignore[reportUnknownArgumentType] - JSON
    if kinds == {"string"}:
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _print(result: Mapping[str, object]) -> None:
    content = result.get("content")
    parts: list[object] = list(content) if isinstance(content, list) else []  # pyright: ignore[reportUnknownArgumentType] - JSON
    for part in parts:
        text = at(part, "text")
        if isinstance(text, str):
            click.echo(tame_lines(text))
        else:
            say(f"({tame(str(at(part, 'type')))}: not text; -o json shows it)")
    if not parts:
        say("the tool answered without content")


@click.command("inspect")
@connected
@shaped
@gateway_option
@name_of(SERVER, "server")
def inspect_server(console: Connection, shape: Shape, server: str, gateway: str) -> None:
    """Show what an entrance of the gateway offers to you: tools, prompts, resources, protocol versions.

    SERVER is a server, or toolset/NAME.
    """
    from tallystick.remote import GatewayError  # noqa: PLC0415 - loaded when it is asked

    asked, route = console.gateway(gateway), route_of(server)
    rows: list[dict[str, object]] = []
    for kind, (method, member, key) in _LISTS.items():
        try:
            listed = asked.every(route, method, member)
        except GatewayError as error:
            if kind == "tool":
                raise
            # That an entrance has none of a kind is shown by there being none.
            if error.reasons != ("method_unknown",):
                say(f"no {kind}s: {tame_lines(error.message)} ({', '.join(error.reasons) or error.code})")
            continue
        rows += [{**one, "type": kind, "name": one.get(key)} for one in listed]
    versions = _versions(asked, route)
    if shape.form == "json" and not shape.field:
        shape.one(
            {"apiVersion": API_VERSION, "kind": "Entrance", "route": route, "versions": versions, "items": rows}, {}
        )
        return
    say("; ".join(f"{version}: {told}" for version, told in versions.items()))
    shape.many(rows, _OFFERED)


def _versions(gateway: "Gateway", route: str) -> dict[str, str]:
    """Return how the entrance answers in each era: the version that it speaks, or why it does not."""
    from tallystick.remote import GatewayError  # noqa: PLC0415 - loaded when it is asked

    # The lists have just been answered in the newer one.
    told = {"2026-07-28": "yes"}
    try:
        greeted = gateway.greet(route)
        told["2025-11-25"] = tame(f"yes, as {at(greeted, 'serverInfo.name') or 'a server without name'}")
    except GatewayError as error:
        told["2025-11-25"] = tame(f"no: {error.message}")
    return told
