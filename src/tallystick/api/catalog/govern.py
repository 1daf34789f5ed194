"""What a catalog says of an entry beyond server.json: who approved and owns it, how it is classified, what it can do.

Read by everybody whom the catalog is shown to: no secrets, no addresses behind the gateway, no names of people.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tallystick.control import model
from tallystick.registry import Server, Tool
from tallystick.registry import model as nouns
from tallystick.terms import ServerId, ToolId

_IsFree = Callable[[ServerId, ToolId | None], bool]
_KEPT: Final = ("at", "expires", "conditions")


def govern_server(server: Server, resource: model.Resource, url: str, is_free: _IsFree) -> dict[str, object]:
    """Return the governance block of a server."""
    about = server.about
    tools = [(str(tool.id), tool) for tool in server.tools.values() if is_free(server.name, tool.id)]
    block: dict[str, object] = {
        "approval": {"state": resource.state, **_approval(resource)},
        "owner": _said({"team": about.owner.team, "legalEntity": about.owner.legal_entity}),
        "support": _said({"contact": about.support.contact, "hours": about.support.hours}),
        "provider": about.provider.name,
        "classification": about.classification,
        "jurisdictions": list(about.jurisdictions),
        "regions": list(about.regions),
        "environments": list(about.environments),
        "approvedClients": list(about.approved_clients),
        "securityReview": _said(
            {
                "date": about.security_review.date.isoformat() if about.security_review.date else "",
                "next": about.security_review.next.isoformat() if about.security_review.next else "",
            }
        ),
    }
    return {**_said(block), **_tools(tools), "gateway": {"url": url, "server": str(server.name)}}


def govern_toolset(name: str, tools: Iterable[tuple[str, ServerId, Tool]], url: str) -> dict[str, object]:
    """Return the governance block of a toolset, which is approved as far as its servers are."""
    offered = list(tools)
    return {
        "approval": {"state": "approved"},
        "servers": sorted({str(server) for _, server, _ in offered}),
        **_tools((published, tool) for published, _, tool in offered),
        "gateway": {"url": url, "toolset": name},
    }


def _tools(tools: Iterable[tuple[str, Tool]]) -> dict[str, object]:
    known = list(tools)
    listed = [
        {
            "name": name,
            "operation": tool.operation,
            "risk": tool.risk,
            "reversibility": tool.about.reversibility,
            "labels": list(tool.labels),
            "definition": str(tool.digest),
        }
        for name, tool in known
    ]
    risks = [nouns.RISKS.index(tool.risk) for _, tool in known]
    return {"riskTier": nouns.RISKS[max(risks)], "tools": listed} if risks else {"tools": listed}


def _approval(resource: model.Resource) -> dict[str, object]:
    review = members(resource.status.get("review"))
    return _said({key: review.get(key) for key in _KEPT})


def members(value: object) -> dict[str, object]:
    """Return a JSON object's members; of anything else, none."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def _said(block: Mapping[str, object]) -> dict[str, object]:
    """Return what somebody has said; empty texts, lists and parts are left out."""
    return {key: value for key, value in block.items() if value}
