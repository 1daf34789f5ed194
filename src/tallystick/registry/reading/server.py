"""Reads `servers/<name>.yaml` and joins it with its pin: a tool is known only if it is both classified and pinned."""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from tallystick.registry.digest import digest_definition
from tallystick.registry.model import (
    OPERATIONS,
    RISKS,
    HttpTransport,
    Limits,
    Operation,
    Pin,
    Risk,
    Server,
    StdioTransport,
    Tool,
)
from tallystick.registry.parse_small import NAME
from tallystick.settings import Problem, Section
from tallystick.terms import Refusal, ServerId, TenantId, ToolId

EVERY_OTHER = "*"
"""The entry whose classification every pinned tool takes that has none of its own."""
CURRENCY = "[A-Z]{3}"
"""A currency's code (ISO 4217) as a regular expression."""
_MIB = 1024 * 1024
_NO_TOOLS: Mapping[ToolId, Mapping[str, object]] = {}


def parse_server(section: Section, pin: Pin | None, notices: list[Problem]) -> Server:
    """Read one server. Tools that are listed but not pinned, or pinned but not listed, are hidden, with a notice."""
    return Server(
        name=ServerId(section.stem),
        tenant=TenantId(section.text("tenant", pattern=NAME)),
        title=section.text("title", section.stem),
        owner=section.text("owner", ""),
        transport=_transport(section.section("transport")),
        limits=_limits(section.section("limits")),
        tools=_tools(section, pin, notices),
    )


def _transport(section: Section) -> HttpTransport | StdioTransport:
    if section.has("http") == section.has("stdio"):
        section.fault("http", "exactly one of http and stdio must be set", "keep one of the two")
    is_http = section.has("http")
    part = section.section("http" if is_http else "stdio")
    transport = _http(part) if is_http else _stdio(part)
    part.close()
    section.close()
    return transport


def _http(section: Section) -> HttpTransport:
    url = section.text("url", pattern=r"https?://[!-~]+")
    try:
        parts = urlsplit(url)
        port = parts.port
        is_plain = bool(parts.hostname) and "@" not in parts.netloc and not parts.fragment and port != 0
    except ValueError:
        is_plain = False
    if url and not is_plain:
        section.fault("url", f'"{url}" is not a plain http(s) URL', "write it without credentials and fragment")
    ca_file = section.text("ca_file", "")
    return HttpTransport(url, section.flag("allow_special_addresses", default=False), ca_file or None)


def _stdio(section: Section) -> StdioTransport:
    command = section.texts("command", None)
    if not command or not command[0]:
        section.fault("command", "names no program", "write the program and its arguments as a list")
    part = section.section("env")
    env = {key: part.text(key) for key in part.keys()}  # noqa: SIM118 - not a dict
    cwd = section.text("cwd", "")
    return StdioTransport(command, env, cwd or None)


def _limits(section: Section) -> Limits:
    usual = Limits()
    limits = Limits(
        timeout_s=section.seconds("timeout_s", usual.timeout_s, 0.1, 600),
        result_bytes=section.integer("result_bytes", usual.result_bytes, 1024, 256 * _MIB),
        in_flight=section.integer("in_flight", usual.in_flight, 1, 10_000),
    )
    section.close()
    return limits


def _tools(section: Section, pin: Pin | None, notices: list[Problem]) -> dict[ToolId, Tool]:
    listed = {name: _classify(part) for name, part in section.sections("tools").items()}
    rest = listed.pop(EVERY_OTHER, None)
    pinned = pin.tools if pin else _NO_TOOLS
    remedy = "correct the name or pin the server again" if pin else "review the server, then run `tally pin`"
    notices.extend(
        Problem(section.file, f"tools.{name}", "the tool is not pinned and therefore hidden", remedy)
        for name in listed
        if ToolId(name) not in pinned
    )
    tools: dict[ToolId, Tool] = {}
    for name, definition in pinned.items():
        known = listed.get(name, rest)
        if known is None:
            what = f'the pinned tool "{name}" is not listed and therefore hidden'
            notices.append(Problem(section.file, "tools", what, "classify it (operation, risk) or leave it hidden"))
            continue
        digest = digest_definition(definition)
        if isinstance(digest, Refusal):
            what = f'the pinned tool "{name}" has no canonical form ({digest.detail})'
            section.fault("tools", what, "have the server's owner correct its definition, or remove it from the pin")
            continue
        tools[name] = Tool(name, known.operation, known.risk, known.labels, definition, digest, *known[3:])
    for name in listed:
        if ToolId(name) in tools:
            _check_arguments(section, tools[ToolId(name)])
    return tools


class _Classified(NamedTuple):
    operation: Operation
    risk: Risk
    labels: tuple[str, ...]
    subject: str | None
    retention: str | None
    amount: str | None
    currency: str | None


def _check_arguments(section: Section, tool: Tool) -> None:
    schema = tool.definition.get("inputSchema")
    properties: object = schema.get("properties") if isinstance(schema, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON
    known = [str(name) for name in properties] if isinstance(properties, Mapping) else []  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    is_code = tool.currency is not None and re.fullmatch(CURRENCY, tool.currency) is not None
    named = {"subject": tool.subject, "amount": tool.amount, "currency": None if is_code else tool.currency}
    for member, argument in named.items():
        if argument is not None and argument not in known:
            place = section.file, f"tools.{tool.id}.{member}"
            section.problems.append(Problem.unknown(place, "argument", argument, known))


def _classify(section: Section) -> _Classified:
    operation: Operation = section.choice("operation", OPERATIONS, "execute")
    risk: Risk = section.choice("risk", RISKS, "critical")
    labels = section.texts("labels")
    subject, retention = section.text("subject", ""), section.text("retention", "", pattern=NAME)
    amount, currency = section.text("amount", ""), section.text("currency", "")
    section.close()
    rest = (subject or None, retention or None, amount or None, currency or None)
    return _Classified(operation, risk, tuple(sorted(set(labels))), *rest)
