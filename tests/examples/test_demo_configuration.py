"""The demo's configuration compiles, and its policies decide as the demo says."""

import json
from contextlib import closing

import anyio
import pytest
from mcp import Client
from tallystick_demo_bank import config_directory, core_banking, risk_database, ticketing
from tallystick_demo_bank.store import Store

from tallystick.policy import decide
from tallystick.settings import read_directory
from tallystick.snapshot import Snapshot, compile_snapshot
from tallystick.terms import Caller, Decision, TenantId

SERVERS = {"core-banking": core_banking.build, "risk-database": risk_database.build, "ticketing": ticketing.build}
ERA = "2026-07-28"
PEOPLE = {
    "ana.alvarez": ("credit-analysts",),
    "pete.clark": ("payments-clerks",),
    "rita.olsen": ("risk-officers",),
    "nightly-reconciler": (),
}
TRANSFER = {"from_account": "ACC-0001", "to_account": "ACC-0005", "reference": "Invoice", "currency": "EUR"}


async def _pin(name: str) -> bytes:
    with closing(Store(":memory:")) as store:
        async with Client(SERVERS[name](store)) as session:
            tools = (await session.list_tools()).tools
    written = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
    return json.dumps({"server": name, "eras": {}, "tools": written}).encode()


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    files = read_directory(config_directory())
    assert not isinstance(files, tuple)
    # The people are the development issuer's, not the snapshot's.
    files = {name: content for name, content in files.items() if name != "development-people.yaml"}
    pins = {f"pins/{name}.json": anyio.run(_pin, name) for name in SERVERS}
    compiled = compile_snapshot({**files, **pins})
    assert isinstance(compiled, Snapshot), "\n".join(map(str, compiled))
    return compiled


def _decide(snapshot: Snapshot, who: str, tool: str, arguments: dict[str, object] | None = None) -> Decision:
    caller = Caller(
        subject=who,
        kind="agent" if who == "nightly-reconciler" else "person",
        tenant=TenantId("demo-bank"),
        issuer="http://127.0.0.1:8765/development-issuer",
        client="demo",
        authority=who,
        expires_at=4e9,
        groups=PEOPLE[who],
    )
    server, name = tool.split("/")
    return decide(snapshot.routes[f"servers/{server}"].tools[name].part, caller, arguments, ERA)


@pytest.mark.parametrize(
    ("who", "tool", "effect"),
    [
        ("ana.alvarez", "core-banking/get_balance", "allow"),
        ("ana.alvarez", "risk-database/get_rating", "allow"),
        ("ana.alvarez", "core-banking/transfer_funds", "deny"),
        ("ana.alvarez", "core-banking/close_account", "deny"),
        ("ana.alvarez", "risk-database/set_limit", "deny"),
        ("pete.clark", "core-banking/get_balance", "allow"),
        ("pete.clark", "core-banking/transfer_funds", "allow"),
        ("pete.clark", "risk-database/get_rating", "deny"),
        ("rita.olsen", "risk-database/set_limit", "allow"),
        ("rita.olsen", "risk-database/run_stress_test", "allow"),
        ("rita.olsen", "core-banking/transfer_funds", "deny"),
        ("nightly-reconciler", "core-banking/list_transactions", "allow"),
        ("nightly-reconciler", "ticketing/create_ticket", "allow"),
        ("nightly-reconciler", "ticketing/delete_ticket", "deny"),
        ("nightly-reconciler", "core-banking/transfer_funds", "deny"),
    ],
)
def test_each_role_may_do_its_work_and_no_more(snapshot: Snapshot, who: str, tool: str, effect: str) -> None:
    assert _decide(snapshot, who, tool).effect == effect


@pytest.mark.parametrize(
    ("amount_minor", "currency", "effect"),
    [(100_000, "EUR", "allow"), (100_001, "EUR", "deny"), (100, "USD", "deny")],
)
def test_a_clerk_transfers_up_to_a_thousand_euro(
    snapshot: Snapshot, amount_minor: int, currency: str, effect: str
) -> None:
    arguments: dict[str, object] = {**TRANSFER, "amount_minor": amount_minor, "currency": currency}
    assert _decide(snapshot, "pete.clark", "core-banking/transfer_funds", arguments).effect == effect


def test_whoever_may_use_a_critical_tool_needs_an_approval(snapshot: Snapshot) -> None:
    critical = [
        f"{tool.server.name}/{name}"
        for route in snapshot.routes.values()
        if route.kind == "server"
        for name, tool in route.tools.items()
        if tool.tool.risk == "critical"
    ]
    assert sorted(critical) == [
        "core-banking/approve_payment",
        "core-banking/close_account",
        "risk-database/record_override",
    ]
    for tool in critical:
        for who in PEOPLE:
            decision = _decide(snapshot, who, tool)
            assert decision.effect == "deny" or [duty.kind for duty in decision.obligations] == ["approve"]


def test_an_analyst_is_told_which_policy_forbids_a_deletion(snapshot: Snapshot) -> None:
    decision = _decide(snapshot, "ana.alvarez", "core-banking/close_account")
    assert decision.policy_ids == ("analysts-never-delete",)
