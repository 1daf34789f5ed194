"""What is found of a server's tools is what is in force of them."""

from collections.abc import Mapping

from tallystick.api.finding import Catalogue
from tallystick.control.model import Kind, Resource
from tallystick.terms import TenantId


def _resource(kind: Kind, spec: Mapping[str, object]) -> Resource:
    return Resource(kind, "bank", TenantId("retail"), spec, {}, "", "approved", 1, 1, "", "", {})


def test_what_a_server_says_of_all_its_tools_is_found_at_each_and_is_no_tool() -> None:
    tools = {"*": {"operation": "read", "risk": "low"}, "pay": {"operation": "write", "risk": "high"}}
    pinned = {"tools": [{"name": "pay"}, {"name": "look"}]}
    resources = (_resource("Server", {"tools": tools}), _resource("Pin", pinned))
    everything = {resource.key: resource for resource in resources}
    found = {entry.found.tool: entry.found for entry in Catalogue.empty().entries(everything)}
    assert found.keys() == {"", "look", "pay"}
    assert [(found[name].operation, found[name].risk) for name in ("look", "pay")] == [
        ("read", "low"),
        ("write", "high"),
    ]
