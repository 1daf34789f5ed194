"""Compiling what changed gives what compiling everything gives; what did not change stays the very object."""

import json
import random
import threading
from collections.abc import Mapping

import pytest

from tallystick.policy import decide
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot, read_documents
from tallystick.terms import Caller, ServerId, TenantId, ToolId
from tests.snapshot.files import FILES

ERA = "2026-07-28"
ANN = Caller("ann", "person", TenantId("retail"), "https://idp.example", "desk", "a", 2e9, groups=("clerks",))
Documents = Mapping[str, Document]


def _read(files: Mapping[str, bytes]) -> dict[str, Document]:
    documents = read_documents(files)
    assert not isinstance(documents, tuple), [str(problem) for problem in documents]
    return {**documents}


def _with(documents: Documents, name: str, content: Mapping[str, object] | str) -> dict[str, Document]:
    document = Document.of(name, content)
    assert isinstance(document, Document)
    return {**documents, name: document}


def _snapshot(answer: Snapshot | tuple[Problem, ...]) -> Snapshot:
    assert isinstance(answer, Snapshot), [str(problem) for problem in answer]
    return answer


def _server(state: str = "approved") -> Mapping[str, object]:
    tools = {"get_account": {"operation": "read", "risk": "low"}, "pay": {"operation": "write", "risk": "high"}}
    transport = {"http": {"url": "https://bank.example/mcp"}}
    return {"tenant": "retail", "state": state, "transport": transport, "tools": tools}


def test_the_same_documents_give_the_very_snapshot_even_after_another_one() -> None:
    compiler, documents = Compiler(), _read(FILES)
    first = compiler.compile(documents)
    other = compiler.compile(_with(documents, "tenants/group.yaml", {"title": "Other"}))
    assert other is not first
    assert compiler.compile(dict(reversed(documents.items()))) is first


def test_what_did_not_change_is_the_very_object_in_the_next_snapshot() -> None:
    compiler, documents = Compiler(), _read(FILES)
    before = _snapshot(compiler.compile(documents))
    after = _snapshot(compiler.compile(_with(documents, "servers/bank.yaml", {**_server(), "title": "Other"})))
    clock, bank = ServerId("clock"), ServerId("bank")
    assert after.registry.servers[clock] is before.registry.servers[clock]
    assert after.publications["servers/clock"] is before.publications["servers/clock"]
    assert after.registry.servers[bank].title == "Other"
    assert after.routes["servers/bank"].title == "Other"


def test_a_candidate_that_does_not_compile_leaves_nothing_behind() -> None:
    compiler, documents = Compiler(), _read(FILES)
    before = _snapshot(compiler.compile(documents))
    broken = compiler.compile(_with(documents, "policies/x.cedar", '@id("x") permit(principal, action, resource.y);'))
    assert isinstance(broken, tuple)
    changed = _with(documents, "tenants/group.yaml", {"title": "Other"})
    assert _told(_snapshot(compiler.compile(changed))) == _told(_snapshot(Compiler().compile(changed)))
    assert _told(_snapshot(compiler.compile(documents))) == _told(before)


@pytest.mark.parametrize("state", ["draft", "in_review", "suspended", "retired"])
def test_a_server_that_is_not_approved_keeps_its_names_and_loses_its_route(state: str) -> None:
    compiler, documents = Compiler(), _read(FILES)
    text = '@id("pay") permit(principal, action == Action::"bank/pay", resource in Server::"bank");'
    documents = _with(documents, "policies/pay.cedar", text)
    assert "servers/bank" in _snapshot(compiler.compile(documents)).routes
    without = _snapshot(compiler.compile(_with(documents, "servers/bank.yaml", _server(state))))
    assert "servers/bank" not in without.routes
    assert "bank__pay" not in without.routes["toolsets/desk"].tools
    assert without.bundle.tool(ServerId("bank"), ToolId("pay")).policy_ids == ("pay",)


def test_a_quarantined_tool_keeps_its_name_in_policies() -> None:
    documents = _read(FILES)
    pin = documents["pins/bank.json"].content
    assert isinstance(pin, Mapping)
    mark = {"since": "2026-01-01T00:00:00Z", "digest": "sha256:" + "0" * 64, "why": "another description"}
    documents = _with(documents, "pins/bank.json", {**pin, "quarantined": {"pay": mark}})
    text = '@id("pay") permit(principal, action == Action::"bank/pay", resource);'
    snapshot = _snapshot(Compiler().compile(_with(documents, "policies/pay.cedar", text)))
    assert snapshot.bundle.tool(ServerId("bank"), ToolId("pay")).policy_ids == ("pay",)


def test_a_policy_of_one_tenant_binds_that_tenant_only() -> None:
    text = '@id("own") permit(principal, action == Action::"connect", resource);'
    files = {name: raw for name, raw in FILES.items() if not name.startswith("policies/")}
    for tenant, effect in (("retail", "allow"), ("group", "deny")):
        snapshot = Compiler().compile(_with(_read(files), f"policies/{tenant}/own.cedar", text))
        if tenant == "group":
            # Nothing of that tenant exists that the policy could meet.
            assert isinstance(snapshot, tuple)
            assert "can never match" in str(snapshot[0])
        else:
            assert decide(_snapshot(snapshot).routes["toolsets/desk"].connect, ANN, None, ERA).effect == effect


def test_routes_are_built_once_whichever_thread_comes_first() -> None:
    snapshot = _snapshot(Compiler().compile(_read(FILES)))
    assert len(snapshot.routes) == len(snapshot.publications)
    start, found = threading.Barrier(8), list[tuple[int, int]]()

    def ask() -> None:
        start.wait()
        route = snapshot.routes["toolsets/desk"]
        found.append((id(route), id(snapshot.bundle.tool(ServerId("bank"), ToolId("pay")))))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert snapshot.routes.get("servers/none") is None
    assert "servers/none" not in snapshot.routes


def _told(snapshot: Snapshot) -> object:
    """Return everything of a snapshot that somebody can see."""
    routes = {
        key: (
            route.title,
            route.tenant,
            dict(route.eras),
            route.connect.policy_ids,
            {name: (tool.definition, tool.tool.digest, tool.part.policy_ids) for name, tool in route.tools.items()},
        )
        for key, route in snapshot.routes.items()
    }
    return snapshot.digest, snapshot.bundle.digest, routes, [str(notice) for notice in snapshot.notices]


class _Changing:
    """A state that changes in one document at a time, not always for the better."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - generated test cases, no secret
        self.documents = _read(FILES)

    def step(self) -> dict[str, Document]:
        name, content = self._change()
        if content is None:
            return {kept: entry for kept, entry in self.documents.items() if kept != name}
        return _with(self.documents, name, content)

    def _change(self) -> tuple[str, Mapping[str, object] | str | None]:
        chance = self.chance
        server = chance.choice(["bank", "clock", "new"])
        match chance.randint(0, 5):
            case 0:
                states = ["approved", "approved", "suspended", "draft"]
                return f"servers/{server}.yaml", {**_server(chance.choice(states)), "title": chance.choice("abc")}
            case 1:
                return f"servers/{server}.yaml", None
            case 2:
                return f"pins/{server}.json", self._pin(server)
            case 3:
                return "toolsets/desk.yaml", {"tenant": "retail", "members": [{"server": server}]}
            case 4:
                return f"policies/{server}.cedar", None
            case _:
                return f"policies/{server}.cedar", self._policy(server)

    def _pin(self, server: str) -> Mapping[str, object]:
        kinds = ["integer", "string", "objct"]
        tools = [
            {"name": name, "inputSchema": {"properties": {"amount": {"type": self.chance.choice(kinds)}}}}
            for name in self.chance.sample(["get_account", "pay", "third"], 2)
        ]
        return {"server": server, "eras": {ERA: {}}, "tools": tools}

    def _policy(self, server: str) -> str:
        scope = self.chance.choice(
            [
                'action in Action::"call", resource',
                f'action, resource in Server::"{server}"',
                'action == Action::"bank/pay", resource',
                f'action == Action::"{server}/get_account", resource is Tool',
            ]
        )
        condition = self.chance.choice(
            ["", "when { context.arguments has amount }", 'unless { principal.client == "x" }']
        )
        duty = self.chance.choice(["", '@obligation("reason") '])
        return f'@id("{server}") {duty}permit(principal, {scope}) {condition};'


@pytest.mark.parametrize("seed", range(12))
def test_compiling_what_changed_gives_what_compiling_everything_gives(seed: int) -> None:
    changing, compiler, sound = _Changing(seed), Compiler(), 0
    for _ in range(20):
        candidate = changing.step()
        answer, expected = compiler.compile(candidate), Compiler().compile(candidate)
        if isinstance(expected, tuple):
            assert isinstance(answer, tuple)
            assert [str(problem) for problem in answer] == [str(problem) for problem in expected]
        else:
            assert _told(_snapshot(answer)) == _told(expected)
            changing.documents, sound = candidate, sound + 1
    assert sound > 0


def test_the_word_for_mirrored_arguments_is_found_however_deep() -> None:
    schema = {"properties": {"at": {"type": "object", "properties": {"x": {"type": "string", "x-mcp-header": "At"}}}}}
    pin: Mapping[str, object] = {
        "server": "clock",
        "eras": {ERA: {}},
        "tools": [{"name": "now", "inputSchema": schema}],
    }
    snapshot = _snapshot(Compiler().compile(_read({**FILES, "pins/clock.json": json.dumps(pin).encode()})))
    assert snapshot.routes["servers/clock"].tools["now"].mirrored == (("Mcp-Param-At", ("at", "x")),)
