"""What a catalog says of an entry beyond server.json: who approved and owns it, how it is classified, what it can do.

Read by everybody whom the catalog is shown to: no secrets, no addresses behind the gateway, no names of people.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tallystick.control.model import Resource
from tallystick.registry import Server, Tool, Toolset
from tallystick.registry.model import RISKS
from tallystick.snapshot import Route
from tallystick.terms import ServerId, ToolId

_IsFree = Callable[[ServerId, ToolId | None], bool]
_KEPT: Final = ("at", "expires", "conditions")


def govern_server(server: Server, resource: Resource, url: str, is_free: _IsFree) -> dict[str, object]:
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


def govern_toolset(toolset: Toolset, route: Route, url: str, is_free: _IsFree) -> dict[str, object]:
    """Return the governance block of a toolset: it is approved as far as its servers are."""
    tools = [(tool.name, tool.tool) for tool in route.listing if is_free(tool.server.name, tool.tool.id)]
    servers = sorted({str(tool.server.name) for tool in route.listing if is_free(tool.server.name, tool.tool.id)})
    return {
        "approval": {"state": "approved"},
        "servers": servers,
        **_tools(tools),
        "gateway": {"url": url, "toolset": toolset.name},
    }


def _tools(tools: Iterable[tuple[str, Tool]]) -> dict[str, object]:
    listed = [
        {
            "name": name,
            "operation": tool.operation,
            "risk": tool.risk,
            "reversibility": tool.about.reversibility,
            "labels": list(tool.labels),
            "definition": str(tool.digest),
        }
        for name, tool in tools
    ]
    risks = [RISKS.index(tool.risk) for _, tool in tools]
    return {"riskTier": RISKS[max(risks)], "tools": listed} if risks else {"tools": listed}


def _approval(resource: Resource) -> dict[str, object]:
    review = resource.status.get("review")
    if not isinstance(review, Mapping):
        return {}
    return _said({key: review.get(key) for key in _KEPT})  # pyright: ignore[reportUnknownMemberType] - JSON


def _said(block: Mapping[str, object]) -> dict[str, object]:
    """Return what somebody has said; empty texts, lists and parts are left out."""
    return {key: value for key, value in block.items() if value}
