"""Published names: a server's own on its route, always prefixed in a toolset."""

from collections.abc import Mapping

from tallystick.registry import Registry, Server, Tool, Toolset
from tallystick.registry.model import HttpTransport, Limits, Member
from tallystick.terms import Digest, ServerId, TenantId, ToolId
from tallystick.toolsets import Publication, publish

RETAIL = TenantId("retail")


def _server(name: str, *tools: str) -> Server:
    known = {
        ToolId(tool): Tool(ToolId(tool), "read", "low", (), {"name": tool, "_meta": {"a": 1}}, Digest("sha256:0"))
        for tool in tools
    }
    transport = HttpTransport("https://a/", allow_special_addresses=False, ca_file=None)
    return Server(ServerId(name), RETAIL, name, "", transport, Limits(), known)


def _registry(servers: list[Server], members: list[Member]) -> Registry:
    toolsets = {"desk": Toolset("desk", RETAIL, "Desk", tuple(members))} if members else {}
    return Registry({}, {}, {server.name: server for server in servers}, toolsets, {}, ())


def _published(registry: Registry) -> Mapping[str, Publication]:
    answer = publish(registry)
    assert not isinstance(answer, tuple)
    return answer


def _names(registry: Registry, route: str) -> list[str]:
    return [tool.name for tool in _published(registry)[route].tools]


def test_a_server_route_keeps_the_servers_own_names() -> None:
    assert _names(_registry([_server("bank", "pay", "a__b")], []), "servers/bank") == ["pay", "a__b"]


def test_a_toolset_prefixes_every_name_also_without_a_clash() -> None:
    registry = _registry([_server("bank", "pay")], [Member(ServerId("bank"), None)])
    assert _names(registry, "toolsets/desk") == ["bank__pay"]


def test_adding_a_server_renames_nothing() -> None:
    servers = [_server("bank", "get"), _server("risk", "get")]
    before = _names(_registry(servers, [Member(ServerId("bank"), None)]), "toolsets/desk")
    members = [Member(ServerId("bank"), None), Member(ServerId("risk"), None)]
    assert _names(_registry(servers, members), "toolsets/desk") == [*before, "risk__get"]


def test_a_toolset_publishes_only_the_named_tools() -> None:
    registry = _registry([_server("bank", "pay", "see")], [Member(ServerId("bank"), (ToolId("see"),))])
    assert _names(registry, "toolsets/desk") == ["bank__see"]


def test_the_definition_changes_in_its_name_and_nowhere_else() -> None:
    registry = _registry([_server("bank", "pay")], [Member(ServerId("bank"), None)])
    (tool,) = _published(registry)["toolsets/desk"].tools
    assert tool.definition == {"name": "bank__pay", "_meta": {"a": 1}}
    assert (tool.server, tool.tool) == ("bank", "pay")


def test_a_published_name_over_the_limit_is_a_problem_of_the_toolset_only() -> None:
    registry = _registry([_server("bank", "p" * 125)], [Member(ServerId("bank"), None)])
    answer = publish(registry)
    assert isinstance(answer, tuple)
    (problem,) = answer
    assert problem.file == "toolsets/desk.yaml"
    assert "longer than 128 characters" in problem.what
