"""What compiling control state costs: `python -m bench.control [servers] [tools of each] [policies]`.

CPU of one thread, which on a quiet machine is the time it takes. Everything is in one process and warm; each change is
compiled by the compiler that compiled the state before. The baseline compiles policies the plain way: one schema of
everything, every target asked of the engine.
"""

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import msgspec

from tallystick.policy import Facts, PolicyCompiler, ServerFacts, TenantFacts, ToolFacts, decide
from tallystick.settings import Problem
from tallystick.snapshot import Compiler, Document, Snapshot
from tallystick.terms import Caller, ServerId, TenantId, ToolId
from tallystick.wiring.control.compiling import unswept
from tests.policy.reference import compile_plainly

USUAL: Final = (500, 20, 500)
"""Servers, tools of each, policies: the estate of a large firm."""
SMALL: Final = (50, 20, 50)
"""What the plain way can do while one waits."""
ERA: Final = "2026-07-28"
_TENANT: Final = TenantId("bank")
_ROUNDS: Final = 10
_MIB: Final = 1 << 20
_POLICIES: Final = (
    'permit(principal in Group::"g{n}", action in Action::"read", resource in Server::"s{s}");',
    'permit(principal in Group::"g{n}", action == Action::"s{s}/tool_0", resource);',
    (
        'permit(principal in Group::"g{n}", action in Action::"call", resource in Server::"s{s}") '
        "when {{ context.arguments has amount && context.arguments.amount < 500 }};"
    ),
    (
        '@obligation("approve") permit(principal in Group::"g{n}", action in Action::"write", '
        'resource in Server::"s{s}") when {{ resource.risk == "low" && principal.client == "desk" }};'
    ),
)

Documents = dict[str, Document]


class Row(NamedTuple):
    """One figure: what it is of, milliseconds (or MiB where it says so)."""

    what: str
    value: float


def documents(servers: int, tools: int, policies: int) -> Documents:
    """Return a state of this size: no two tools have the same arguments; a policy for every server."""
    found = [document("tenants/bank.yaml", {"title": "Bank"}), document("toolsets/desk.yaml", _toolset(servers, tools))]
    for number in range(servers):
        found += [document(f"servers/s{number}.yaml", _server(number, tools)), _pin(number, tools)]
    found += [_policy(number, servers) for number in range(policies)]
    return {entry.name: entry for entry in found}


def document(name: str, content: Mapping[str, object] | str) -> Document:
    """Return a document that is known to have a canonical form."""
    made = Document.of(name, content)
    if isinstance(made, Problem):
        raise TypeError(str(made))
    return made


def measure(servers: int, tools: int, policies: int) -> list[Row]:
    """Compile a state of this size as a whole and after each kind of change, and list a toolset of 40 tools."""
    start = time.process_time()
    state = documents(servers, tools, policies)
    rows = [Row("canonical documents and their digests, all", (time.process_time() - start) * 1e3)]
    gc.collect()
    before, compiler = _resident(), Compiler()
    took, snapshot = _timed(compiler, state)
    rows.append(Row("everything, the first time", took))
    rows.append(Row("the same documents again", _timed(compiler, state)[0]))
    rows.append(Row("memory of the compiler and its snapshot, MiB", (_resident() - before) / _MIB))
    # What the gateway does after its first snapshot: what stays is not looked through again by the collector.
    gc.collect()
    gc.freeze()
    rows += _changed(compiler, state, tools)
    rows += _listing(snapshot)
    rows.append(Row("memory of the whole process, MiB", _resident() / _MIB))
    gc.unfreeze()
    return rows


def _changed(compiler: Compiler, state: Documents, tools: int) -> list[Row]:
    rows: list[Row] = []
    for what, change in _CHANGES.items():
        took = [_timed(compiler, state := change(state, number, tools))[0] for number in range(_ROUNDS)]
        rows += [Row(f"{what}, median of {_ROUNDS}", median(took)), Row(f"{what}, worst", max(took))]
    return rows


def compare(servers: int, tools: int, policies: int) -> list[Row]:
    """Compile the policies of a state of this size the plain way and this one."""
    state = documents(servers, tools, policies)
    texts = {name: entry.content for name, entry in state.items() if isinstance(entry.content, str)}
    facts = _facts(servers, tools)
    plain, fast = _clock(lambda: compile_plainly(texts, facts)), _clock(lambda: PolicyCompiler().compile(texts, facts))
    return [Row("policies alone, the plain way", plain), Row("policies alone, as it is", fast)]


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [f"| {row.what} | {row.value:,.2f} |" for row in rows]
    return "\n".join(["| what | CPU ms |", "| --- | --: |", *lines])


def _timed(compiler: Compiler, state: Documents) -> tuple[float, Snapshot]:
    start = time.process_time()
    with unswept():
        snapshot = compiler.compile(state)
    took = (time.process_time() - start) * 1e3
    if not isinstance(snapshot, Snapshot):
        raise TypeError("\n".join(str(problem) for problem in snapshot))
    return took, snapshot


def _clock(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return (time.process_time() - start) * 1e3


def _listing(snapshot: Snapshot) -> list[Row]:
    start = time.process_time()
    route = snapshot.routes["toolsets/desk"]
    rows = [Row(f"a toolset of {len(route.tools)} tools, built when first asked for", _since(start))]
    ann = Caller("ann", "person", _TENANT, "https://idp.example", "desk", "a", 2e9, groups=("g0", "g1"))

    def listed() -> bytes:
        shown = [tool.definition for tool in route.listing if decide(tool.part, ann, None, ERA).effect == "allow"]
        return msgspec.json.encode({"tools": shown})

    rows.append(Row("its tools/list without HTTP, a new caller", _clock(listed)))
    rows.append(Row("its tools/list without HTTP, warm", median(_clock(listed) for _ in range(200))))
    return rows


def _since(start: float) -> float:
    return (time.process_time() - start) * 1e3


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def _toolset(servers: int, tools: int) -> Mapping[str, object]:
    members = max(1, min(servers, 40 // tools))
    return {"tenant": _TENANT, "members": [{"server": f"s{number}"} for number in range(members)]}


def _server(number: int, tools: int) -> dict[str, object]:
    kinds = ("read", "write")
    listed = {
        f"tool_{tool}": {"operation": kinds[tool % 2], "risk": "low", "labels": ["ledger"]} for tool in range(tools)
    }
    return {"tenant": _TENANT, "transport": {"http": {"url": f"https://s{number}.example/mcp"}}, "tools": listed}


def _pin(number: int, tools: int) -> Document:
    listed = [
        {"name": f"tool_{tool}", "description": "What it is for. " * 12, "inputSchema": _schema(number, tool)}
        for tool in range(tools)
    ]
    return document(f"pins/s{number}.json", {"pinned_at": "2026-01-01T00:00:00Z", "eras": {ERA: {}}, "tools": listed})


def _schema(number: int, tool: int) -> Mapping[str, object]:
    kinds = {f"of_{number}_{tool}": "string", "amount": "integer", "query": "string"}
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in kinds.items()},
        "required": ["amount"],
    }


def _policy(number: int, servers: int) -> Document:
    text = _POLICIES[number % len(_POLICIES)].format(n=number, s=number % servers)
    return document(f"policies/p{number}.cedar", f'@id("p{number}") {text}')


def _facts(servers: int, tools: int) -> Facts:
    return Facts(
        (TenantFacts(_TENANT),),
        tuple(ServerFacts(_TENANT, ServerId(f"s{number}")) for number in range(servers)),
        (),
        tuple(
            ToolFacts(
                _TENANT,
                ServerId(f"s{number}"),
                ToolId(f"tool_{tool}"),
                ("read", "write")[tool % 2],
                "low",
                ("ledger",),
                _schema(number, tool),
            )
            for number in range(servers)
            for tool in range(tools)
        ),
    )


def _suspended(state: Documents, number: int, tools: int) -> Documents:
    # The title only makes each state another one than those before: results of the last few are kept.
    server = {**_server(1, tools), "title": f"Title {number}", "state": ("suspended", "approved")[number % 2]}
    changed = document("servers/s1.yaml", server)
    return {**state, changed.name: changed}


def _retitled(state: Documents, number: int, tools: int) -> Documents:
    changed = document("servers/s0.yaml", {**_server(0, tools), "title": f"Title {number}"})
    return {**state, changed.name: changed}


def _ruled(state: Documents, number: int, tools: int) -> Documents:
    del tools
    text = f'@id("p0") forbid(principal in Group::"h{number}", action in Action::"write", resource in Server::"s1");'
    changed = document("policies/p0.cedar", text)
    return {**state, changed.name: changed}


def _pinned(state: Documents, number: int, tools: int) -> Documents:
    changed = _pin(2, tools)
    if isinstance(changed.content, Mapping):
        changed = document(
            changed.name, {**changed.content, "tools": [_another(number, tool) for tool in range(tools)]}
        )
    return {**state, changed.name: changed}


def _another(number: int, tool: int) -> Mapping[str, object]:
    schema = _schema(1_000 + number, tool)
    return {"name": f"tool_{tool}", "description": f"Version {number}", "inputSchema": schema}


_CHANGES: Final[Mapping[str, Callable[[Documents, int, int], Documents]]] = {
    "one server has another title": _retitled,
    "one server is suspended or approved": _suspended,
    "one policy is another": _ruled,
    "one pin is another": _pinned,
}


def main() -> None:
    """Print what was measured."""
    size = tuple(int(argument) for argument in sys.argv[1:4]) or USUAL
    servers, tools, policies = (*size, *USUAL[len(size) :])
    print(f"{servers} servers x {tools} tools, {policies} policies\n\n{table(measure(servers, tools, policies))}\n")
    print(f"{SMALL[0]} servers x {SMALL[1]} tools, {SMALL[2]} policies\n\n{table(compare(*SMALL))}")


if __name__ == "__main__":
    main()
