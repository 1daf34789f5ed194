"""A small bank's registry, made of documents as files would hold them."""

from collections.abc import Mapping

from tallystick.registry import Registry
from tallystick.registry.reading import parse
from tallystick.settings import Problem
from tallystick.toolsets import Publication, publish

Json = dict[str, object]


def tool(name: str, /, **members: object) -> Json:
    """Return an MCP tool object."""
    return {"name": name, "description": f"{name}.", "inputSchema": {"type": "object"}, **members}


PAY: Json = tool(
    "pay",
    title="Pay",
    inputSchema={
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "amount": {"type": "integer", "minimum": 1},
            "currency": {"enum": ["EUR", "CHF"]},
        },
        "required": ["to", "amount", "currency"],
        "additionalProperties": False,
    },
    outputSchema={"type": "object", "properties": {"ok": {"type": "boolean"}}},
)
DOCUMENTS: Mapping[str, Json] = {
    "tenants/retail.yaml": {},
    "tenants/other.yaml": {},
    "servers/bank.yaml": {
        "tenant": "retail",
        "transport": {"http": {"url": "https://bank.example/mcp"}},
        "tools": {
            "get": {"operation": "read", "risk": "low", "labels": ["accounts"]},
            "pay": {"operation": "write", "risk": "high", "labels": ["payments"]},
        },
    },
    "servers/risk.yaml": {
        "tenant": "retail",
        "transport": {"http": {"url": "https://risk.example/mcp"}},
        "tools": {
            "get": {"operation": "read", "risk": "medium"},
            "score": {"operation": "read", "risk": "low", "labels": ["accounts", "models"]},
        },
    },
    "pins/bank.json": {
        "tools": [tool("get"), PAY],
        "prompts": [{"name": "greet", "title": "Greet"}, {"name": "close"}],
        "resource_templates": [{"uriTemplate": "bank://rates/{name}", "name": "rates"}],
    },
    "pins/risk.json": {
        "tools": [tool("get"), tool("score")],
        "prompts": [{"name": "greet"}],
        "resource_templates": [{"uriTemplate": "bank://rates/{name}", "name": "their rates"}],
    },
}


def registry(toolset: Mapping[str, object], changes: Mapping[str, Mapping[str, object]] | None = None) -> Registry:
    """Return the bank's registry with a toolset `desk`, and with members of documents changed."""
    documents: dict[str, Json] = {**DOCUMENTS, "toolsets/desk.yaml": {"tenant": "retail", **toolset}}
    for name, members in (changes or {}).items():
        documents[name] = {**documents.get(name, {}), **members}
    known = parse(documents)
    assert isinstance(known, Registry), [str(problem) for problem in known]
    return known


def desk(
    toolset: Mapping[str, object], changes: Mapping[str, Mapping[str, object]] | None = None
) -> Publication | tuple[Problem, ...]:
    """Return what the toolset `desk` publishes, or what is wrong with it."""
    published = publish(registry(toolset, changes))
    return published if isinstance(published, tuple) else published["toolsets/desk"]


def sound(toolset: Mapping[str, object], changes: Mapping[str, Mapping[str, object]] | None = None) -> Publication:
    """Return what the toolset `desk` publishes."""
    published = desk(toolset, changes)
    assert isinstance(published, Publication), [str(problem) for problem in published]
    return published


def names(publication: Publication) -> list[str]:
    """Return the published names of the tools."""
    return [entry.name for entry in publication.tools]


def said(notices: tuple[Problem, ...]) -> str:
    """Return problems or notices as their reader sees them."""
    return "\n".join(str(notice) for notice in notices)


BOTH: list[Json] = [{"server": "bank"}, {"server": "risk"}]
