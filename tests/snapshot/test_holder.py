"""The current snapshot is swapped whole or not at all, and without one everything is refused."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from tallystick.snapshot import Holder, Route, RoutedTool, Snapshot, compile_snapshot
from tallystick.terms import Caller, Reason, Refusal, TenantId
from tests.snapshot.files import FILES

ANN = Caller("ann", "person", TenantId("retail"), "https://idp.example", "desk", "a", 2e9)


def _holder() -> Holder:
    holder = Holder()
    assert isinstance(holder.accept(compile_snapshot(FILES)), Snapshot)
    return holder


def test_without_a_snapshot_every_route_is_refused() -> None:
    holder = Holder()
    for answer in (holder.find_route("servers/bank", ANN, 0.0), holder.resolve("servers/bank", "pay", ANN, 0.0)):
        assert isinstance(answer, Refusal)
        assert (answer.code, answer.reasons) == ("unavailable", (Reason.SNAPSHOT_MISSING,))


def test_a_broken_first_configuration_leaves_none() -> None:
    holder = Holder()
    assert isinstance(holder.accept(compile_snapshot({**FILES, "policies/desk.cedar": b"permit("})), tuple)
    assert holder.current is None


@pytest.mark.parametrize("name", ["policies/desk.cedar", "servers/bank.yaml", "pins/bank.json", "tenants/retail.yaml"])
def test_a_broken_change_is_refused_and_the_old_snapshot_stays(name: str) -> None:
    holder = _holder()
    before = holder.current
    assert isinstance(holder.accept(compile_snapshot({**FILES, "tenants/new.yaml": b"", name: b"{"})), tuple)
    assert holder.current is before


def test_a_sound_change_is_current_at_once_and_calls_keep_the_one_they_began_with() -> None:
    holder = _holder()
    before = holder.current
    tool = holder.resolve("servers/bank", "pay", ANN, 0.0)
    fewer = FILES["servers/bank.yaml"].replace(b"  pay: {operation: write, risk: high}\n", b"")
    toolset = b"tenant: retail\nmembers: [{server: clock}]\n"
    changed = holder.accept(compile_snapshot({**FILES, "servers/bank.yaml": fewer, "toolsets/desk.yaml": toolset}))
    assert isinstance(changed, Snapshot)
    assert holder.current is changed
    assert isinstance(tool, RoutedTool)
    assert tool.tool.id == "pay"
    assert isinstance(holder.resolve("servers/bank", "pay", ANN, 0.0), Refusal)
    assert before is not None
    assert "pay" in before.routes["servers/bank"].tools


def test_published_names_lead_to_the_servers_own_tool() -> None:
    tool = _holder().resolve("toolsets/desk", "bank__pay", ANN, 0.0)
    assert isinstance(tool, RoutedTool)
    assert (tool.server.name, tool.tool.id, tool.name) == ("bank", "pay", "bank__pay")


@pytest.mark.parametrize(
    ("route", "name"), [("servers/bank", "unlisted"), ("servers/bank", "bank__pay"), ("toolsets/desk", "pay")]
)
def test_a_hidden_tool_is_answered_like_one_that_does_not_exist(route: str, name: str) -> None:
    holder = _holder()
    hidden = holder.resolve(route, name, ANN, 0.0)
    assert isinstance(hidden, Refusal)
    assert (hidden.code, hidden.reasons) == ("not_found", (Reason.TOOL_UNKNOWN,))
    assert hidden == holder.resolve(route, "no-such-tool", ANN, 0.0)


def test_the_route_of_another_tenant_is_answered_like_one_that_does_not_exist() -> None:
    holder = _holder()
    foreign = holder.find_route("servers/bank", replace(ANN, tenant=TenantId("group")), 0.0)
    unknown = holder.find_route("servers/none", ANN, 0.0)
    assert isinstance(foreign, Refusal)
    assert isinstance(unknown, Refusal)
    assert foreign.reasons == unknown.reasons == (Reason.ROUTE_UNKNOWN,)
    assert foreign.public_text == unknown.public_text
    assert isinstance(holder.find_route("servers/bank", ANN, 0.0), Route)


class _Untouched(Mapping[str, Route]):
    """Routes of which none is ever to be built."""

    def __getitem__(self, key: str) -> Route:
        raise AssertionError(key)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def test_no_route_is_built_for_somebody_whom_it_does_not_let_in() -> None:
    """Building takes a time that would tell that the route is there."""
    closed = b"tenant: retail\nmembers: [{server: clock}]\naudience: {people: [bob]}\n"
    snapshot = compile_snapshot({**FILES, "toolsets/closed.yaml": closed})
    assert isinstance(snapshot, Snapshot)
    holder = Holder()
    holder.accept(replace(snapshot, routes=_Untouched()))
    stranger = replace(ANN, tenant=TenantId("wholesale"))
    for caller, route in ((ANN, "toolsets/closed"), (stranger, "servers/bank"), (ANN, "servers/nowhere")):
        refused = holder.find_route(route, caller, 0.0)
        assert isinstance(refused, Refusal)
        assert refused.reasons == (Reason.ROUTE_UNKNOWN,)
    with pytest.raises(AssertionError, match="servers/bank"):
        holder.find_route("servers/bank", ANN, 0.0)
