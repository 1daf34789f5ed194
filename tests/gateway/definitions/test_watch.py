"""How long a look holds, for whom, and what makes it not hold any more."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import anyio
import pytest

from tallystick.gateway.definitions import Bounds, Clocks, View, Watch
from tallystick.gateway.upstream import Client, Outbound, Upstream, Wanted
from tallystick.gateway.upstream.stdio import supervision
from tallystick.registry import Server, model
from tallystick.snapshot import Holder, Snapshot, compile_snapshot
from tallystick.terms import Reason, Refusal, ServerId
from tallystick.wire import ERAS, MODERN, Reply, encode
from tests.snapshot.files import FILES

pytestmark = pytest.mark.anyio
AWAY = Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "It is away.")


@dataclass(slots=True)
class Approved:
    """A server that goes on saying what was pinned of it; `away` while it cannot be asked, silent until `gate`."""

    tools: list[Mapping[str, object]]
    instructions: object
    away: bool = False
    lists: int = 0
    gate: anyio.Event | None = None

    async def ask(self, outbound: Outbound) -> Reply | Refusal:
        """List the tools."""
        self.lists += outbound.method == "tools/list"
        if self.gate is not None:
            await self.gate.wait()
        return AWAY if self.away else Reply("result", None, encode.value({"tools": self.tools}))

    async def introduce(self, outbound: Outbound) -> Reply | Refusal:
        """Say what was pinned."""
        del outbound
        said = {} if self.instructions is None else {"instructions": self.instructions}
        return Reply("result", None, encode.value(said))

    async def listen(self, outbound: Outbound, wanted: Wanted) -> Refusal | None:
        """Offer nothing."""
        del outbound, wanted

    async def note(self, outbound: Outbound) -> None:
        """Take note."""
        del outbound

    def refuse(self) -> Refusal | None:
        """Refuse nothing."""

    async def forget(self, conversation: str) -> None:
        """Forget nothing."""
        del conversation

    def close(self) -> None:
        """Close nothing."""


@dataclass(slots=True)
class Scene:
    """A watch over one server, and a clock that a test turns."""

    holder: Holder
    watch: Watch
    server: Server
    said: Approved
    now: list[float]

    async def looks(self, view: View, risk: str = "low") -> int:
        """Do as a call does; return how many lists the server has been asked for."""
        if not self.watch.is_fresh(self.server, view, risk):
            assert await self.watch.confirm(self.server, view) is None
        return self.said.lists


def view(who: str = "ada", era: str = MODERN) -> View:
    """Return a caller's view."""
    return View(ERAS[era], who, Client({}))


@asynccontextmanager
async def scene() -> AsyncGenerator[Scene]:
    """Watch the first server of the snapshot's tests that is reached over HTTP."""
    snapshot = compile_snapshot(FILES)
    assert isinstance(snapshot, Snapshot)
    pin = next(pin for pin in snapshot.registry.pins.values() if pin.tools)
    holder, now = Holder(), [1000.0]
    holder.accept(snapshot)
    said = Approved(list(pin.tools.values()), next(iter(pin.eras.values())).get("instructions"))
    upstreams: dict[ServerId, Upstream] = {pin.server: said}
    async with supervision() as supervising:
        clocks = Clocks(lambda: now[0], lambda: now[0])
        watch = Watch(holder, lambda: upstreams, supervising, Bounds(300, 60, 10, 5), lambda: None, clocks)
        watch.renew()
        yield Scene(holder, watch, snapshot.registry.servers[pin.server], said, now)


async def test_a_look_holds_as_long_as_the_risk_allows() -> None:
    async with scene() as at:
        assert [await at.looks(view()) for _ in range(3)] == [1, 1, 1]
        at.now[0] += 9
        assert await at.looks(view(), "high") == 1
        at.now[0] += 2
        assert await at.looks(view()) == 1
        assert await at.looks(view(), "critical") == 2
        at.now[0] += 59
        assert await at.looks(view()) == 2
        at.now[0] += 1
        assert await at.looks(view()) == 3


async def test_a_look_holds_for_its_caller_and_era_and_for_no_other() -> None:
    async with scene() as at:
        assert [await at.looks(view(who)) for who in ("ada", "bob", "ada", "bob")] == [1, 2, 2, 2]


async def test_a_new_snapshot_with_the_same_pin_changes_nothing_and_another_pin_everything() -> None:
    async with scene() as at:
        await at.looks(view())
        current = at.holder.current
        assert current is not None
        at.holder.accept(replace(current, notices=()))
        at.watch.renew()
        assert await at.looks(view()) == 1
        pins = {
            **current.registry.pins,
            at.server.name: replace(current.registry.pins[at.server.name], pinned_at="now"),
        }
        at.holder.accept(replace(current, registry=replace(current.registry, pins=pins)))
        at.watch.renew()
        assert await at.looks(view()) == 2


async def test_what_could_not_be_asked_is_asked_again_and_quarantines_nothing() -> None:
    async with scene() as at:
        at.said.away = True
        assert await at.watch.confirm(at.server, view()) == AWAY
        assert not at.watch.is_fresh(at.server, view(), "low")
        assert at.holder.quarantined(at.server.name, next(iter(at.server.tools))) is None
        at.said.away = False
        assert await at.looks(view()) == 2


async def test_a_caller_who_leaves_does_not_end_the_look_that_others_wait_for() -> None:
    async with scene() as at:
        ends: list[Refusal | None] = []
        at.said.gate = anyio.Event()

        async def wait() -> None:
            ends.append(await at.watch.confirm(at.server, view()))

        async with anyio.create_task_group() as others:
            async with anyio.create_task_group() as first:
                first.start_soon(wait)
                others.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                first.cancel_scope.cancel()
            at.said.gate.set()
        assert (ends, at.said.lists) == ([None], 1)


async def test_what_changed_while_a_look_was_under_way_is_looked_at_again() -> None:
    async with scene() as at:
        at.said.gate = anyio.Event()
        look = at.watch.look(at.server, view())
        await anyio.wait_all_tasks_blocked()
        at.watch.forget(at.server.name)
        at.said.gate.set()
        await look.done.wait()
        assert not at.watch.is_fresh(at.server, view(), "low")
        assert await at.looks(view()) == 2


async def test_a_session_that_is_opened_anew_is_looked_at_as_its_caller() -> None:
    async with scene() as at:
        await at.looks(view())
        at.watch.opened(at.server, "somebody else")
        assert at.watch.is_fresh(at.server, view(), "low")
        at.watch.opened(at.server, "ada")
        assert not at.watch.is_fresh(at.server, view(), "low")
        await at.watch.look(at.server, view()).done.wait()
        assert at.said.lists == 2


async def test_a_process_is_looked_at_once_for_all_and_again_when_it_was_started_anew() -> None:
    async with scene() as at:
        at.server = replace(at.server, transport=model.StdioTransport(("server",), {}, None))
        assert [await at.looks(view(who)) for who in ("ada", "bob")] == [1, 1]
        at.watch.opened(at.server, None)
        assert not at.watch.is_fresh(at.server, view("bob"), "low")
        await at.watch.look(at.server, view("bob")).done.wait()
        assert (at.said.lists, at.watch.is_fresh(at.server, view("ada"), "low")) == (2, True)


async def test_what_was_let_go_and_still_differs_is_held_back_again() -> None:
    async with scene() as at:
        first = at.holder.current
        assert first is not None
        pin = first.registry.pins[at.server.name]
        tool = next(iter(pin.tools))
        at.said.tools[0] = {**at.said.tools[0], "description": "Worse."}
        await at.looks(view())
        mark = at.holder.quarantined(pin.server, tool)
        assert mark is not None
        pins = {**first.registry.pins, pin.server: replace(pin, quarantined={tool: mark})}
        for snapshot in (replace(first, registry=replace(first.registry, pins=pins)), first):
            at.holder.accept(snapshot)
            at.watch.renew()
        assert at.holder.quarantined(pin.server, tool) is None
        await at.looks(view())
        assert at.holder.quarantined(pin.server, tool) is not None


async def test_what_was_approved_while_a_look_was_under_way_is_not_held_against_its_server() -> None:
    async with scene() as at:
        at.said.gate = anyio.Event()
        look = at.watch.look(at.server, view())
        await anyio.wait_all_tasks_blocked()
        before = at.holder.current
        assert before is not None
        pin = before.registry.pins[at.server.name]
        tool = next(iter(pin.tools))
        new = {**pin.tools[tool], "description": "Better."}
        at.said.tools[0] = new
        pins = {**before.registry.pins, pin.server: replace(pin, tools={**pin.tools, tool: new})}
        at.holder.accept(replace(before, registry=replace(before.registry, pins=pins)))
        at.watch.renew()
        at.said.gate.set()
        await look.done.wait()
        assert look.refused is not None
        assert at.holder.quarantined(pin.server, tool) is None
        await at.looks(view())
        assert at.watch.is_fresh(at.server, view(), "low")


async def test_a_server_whose_pin_tells_of_no_version_is_not_called_because_it_cannot_be_compared() -> None:
    async with scene() as at:
        current = at.holder.current
        assert current is not None
        pins = {**current.registry.pins, at.server.name: replace(current.registry.pins[at.server.name], eras={})}
        at.holder.accept(replace(current, registry=replace(current.registry, pins=pins)))
        at.watch.renew()
        assert await at.watch.confirm(at.server, view()) is not None
        assert at.said.lists == 0
