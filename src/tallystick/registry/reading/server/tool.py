"""Joins what a server's owner says of its tools with their pin: a tool is known if it is both classified and pinned."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tallystick.registry import rules
from tallystick.registry.digest import digest_definition
from tallystick.registry.model import (
    OPERATIONS,
    REVERSIBILITIES,
    RISKS,
    Operation,
    Pin,
    Reversibility,
    Risk,
    Tool,
    ToolAbout,
)
from tallystick.registry.plain import as_object
from tallystick.registry.reading.words import NAME, unsaid, words
from tallystick.settings import Problem, Section
from tallystick.terms import Refusal, ToolId

EVERY_OTHER = "*"
"""The entry whose classification every pinned tool takes that has none of its own."""
CURRENCY = "[A-Z]{3}"
"""A currency's code (ISO 4217) as a regular expression."""
_NO_TOOLS: Mapping[ToolId, Mapping[str, object]] = {}


@dataclass(frozen=True, slots=True)
class _Classified:
    operation: Operation
    risk: Risk
    labels: tuple[str, ...]
    subject: str | None
    retention: str | None
    amount: str | None
    currency: str | None
    about: ToolAbout


def parse_tools(section: Section, pin: Pin | None, notices: list[Problem]) -> dict[ToolId, Tool]:
    """Read `tools` of a server's document. Those listed but not pinned, and the reverse, are hidden, with a notice."""
    listed = {name: _classify(part, name) for name, part in section.sections("tools").items()}
    rest = listed.pop(EVERY_OTHER, None)
    pinned = pin.tools if pin else _NO_TOOLS
    notices.extend(_unpinned(section.file, listed, pin))
    notices.extend(_unsaid(section.file, listed, rest))
    tools: dict[ToolId, Tool] = {}
    for name, definition in pinned.items():
        known = listed.get(name, rest)
        if known is None:
            what = f'the pinned tool "{name}" is not listed and therefore hidden'
            notices.append(Problem(section.file, "tools", what, "classify it (operation, risk) or leave it hidden"))
            continue
        tool = _joined(section, name, definition, known)
        if tool is not None:
            tools[name] = tool
    for name in listed:
        if ToolId(name) in tools:
            _check_arguments(section, tools[ToolId(name)])
    return tools


def _unpinned(file: str, listed: Mapping[str, _Classified], pin: Pin | None) -> list[Problem]:
    remedy = "correct the name or pin the server again" if pin else "review the server, then run `tally pin`"
    pinned = pin.tools if pin else _NO_TOOLS
    return [
        Problem(file, f"tools.{name}", "the tool is not pinned and therefore hidden", remedy)
        for name in listed
        if ToolId(name) not in pinned
    ]


def _unsaid(file: str, listed: Mapping[str, _Classified], rest: _Classified | None) -> Iterator[Problem]:
    """Tell what stands in for a classification that nobody has made."""
    for name, known in {**listed, **({EVERY_OTHER: rest} if rest else {})}.items():
        if missing := sorted(known.about.unknown & {"operation", "risk"}):
            what = f"says nothing of {' and '.join(missing)}, so the tool counts as {known.operation} and {known.risk}"
            yield Problem(file, f"tools.{name}", what, "classify it")


def _joined(section: Section, name: ToolId, definition: Mapping[str, object], known: _Classified) -> Tool | None:
    digest = digest_definition(definition)
    if isinstance(digest, Refusal):
        what = f'the pinned tool "{name}" has no canonical form ({digest.detail})'
        section.fault("tools", what, "have the server's owner correct its definition, or remove it from the pin")
        return None
    return Tool(
        id=name,
        operation=known.operation,
        risk=known.risk,
        labels=known.labels,
        definition=definition,
        digest=digest,
        subject=known.subject,
        retention=known.retention,
        amount=known.amount,
        currency=known.currency,
        about=known.about,
        tightened=_tightened(section, name, definition, known),
    )


def _tightened(
    section: Section, name: ToolId, definition: Mapping[str, object], known: _Classified
) -> Mapping[str, object] | None:
    if not known.about.rules:
        return None
    schema = as_object(definition.get("inputSchema"))
    tight = rules.tighten(schema, known.about.rules)
    if isinstance(tight, str):
        remedy = "narrow what the pinned definition allows, or leave the rule out"
        section.problems.append(Problem(section.file, f"tools.{name}.arguments", tight, remedy))
        return None
    return {**definition, "inputSchema": tight}


def _check_arguments(section: Section, tool: Tool) -> None:
    known = list(as_object(as_object(tool.definition.get("inputSchema")).get("properties")))
    is_code = tool.currency is not None and re.fullmatch(CURRENCY, tool.currency) is not None
    named = {"subject": tool.subject, "amount": tool.amount, "currency": None if is_code else tool.currency}
    for member, argument in named.items():
        if argument is not None and argument not in known:
            place = section.file, f"tools.{tool.id}.{member}"
            section.problems.append(Problem.unknown(place, "argument", argument, known))


def _classify(section: Section, name: str) -> _Classified:
    operation: Operation = "execute"
    risk: Risk = "critical"
    if section.has("operation"):
        operation = section.choice("operation", OPERATIONS, "execute")
    if section.has("risk"):
        risk = section.choice("risk", RISKS, "critical")
    labels = section.texts("labels")
    subject, retention = section.text("subject", ""), section.text("retention", "", pattern=NAME)
    amount, currency = section.text("amount", ""), section.text("currency", "")
    about = _about(section)
    if name == EVERY_OTHER and about.rules:
        section.fault("arguments", "is about arguments of tools that are not named", "write it under each tool's name")
    section.close()
    return _Classified(
        operation,
        risk,
        tuple(sorted(set(labels))),
        subject or None,
        retention or None,
        amount or None,
        currency or None,
        about,
    )


def _about(section: Section) -> ToolAbout:
    reversibility: Reversibility = "R4"
    if section.has("reversibility"):
        reversibility = section.choice("reversibility", REVERSIBILITIES, "R4")
    arguments = rules.read_rules(section.section("arguments"))
    scope, purpose = section.text("data_scope", ""), section.text("purpose", "")
    sources, sinks = words(section, "sources"), words(section, "sinks")
    is_said = {name: section.has(name) for name in ("operation", "risk", "reversibility")}
    silent = is_said | {"data_scope": scope, "purpose": purpose, "sources": sources, "sinks": sinks}
    return ToolAbout(scope, purpose, sources, sinks, reversibility, arguments, unsaid(silent))
