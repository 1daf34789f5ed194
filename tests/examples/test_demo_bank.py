"""The demo bank's servers, driven by the SDK's client in both eras over HTTP and stdio."""

from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
import yaml
from mcp import MCPError
from tallystick_demo_bank import config_directory
from tallystick_demo_bank.seed.bank import fill
from tallystick_demo_bank.seed.numbers import iban, lei, remainder
from tallystick_demo_bank.store import Store

from tests.examples.running import Bank, answer, client, running, stdio, text

pytestmark = pytest.mark.anyio
ERAS = ("legacy", "2026-07-28")
TOOLS = {"core_banking": 17, "risk_database": 12, "ticketing": 8}
BALANCE = "SELECT balance_minor FROM accounts WHERE account_id = '{}'"
TRANSFER = {"from_account": "ACC-0001", "to_account": "ACC-0005", "currency": "EUR", "reference": "Invoice 77"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Generator[Bank]:
    with running(tmp_path_factory.mktemp("bank"), *TOOLS) as bank:
        yield bank


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", TOOLS)
async def test_every_tool_says_what_it_takes_what_it_returns_and_what_it_does(bank: Bank, name: str, era: str) -> None:
    async with client(bank.urls[name], era) as session:
        tools = (await session.list_tools()).tools
    assert len(tools) == TOOLS[name]
    for tool in tools:
        assert tool.title
        assert tool.description
        assert tool.output_schema
        assert tool.annotations
        assert tool.annotations.read_only_hint is not None
        assert all(
            "type" in part or "enum" in part or "anyOf" in part for part in tool.input_schema["properties"].values()
        )


@pytest.mark.parametrize("era", ERAS)
async def test_a_transfer_moves_money_on_both_sides_or_not_at_all(bank: Bank, era: str) -> None:
    def balances() -> list[object]:
        return [bank.rows("core_banking", BALANCE.format(name))[0][0] for name in ("ACC-0001", "ACC-0005")]

    payer, payee = balances()
    assert isinstance(payer, int)
    assert isinstance(payee, int)
    async with client(bank.urls["core_banking"], era) as session:
        for _ in range(2):  # the second is the same transfer, not another one
            key = {"idempotency_key": f"invoice-77-{era}"}
            done = answer(await session.call_tool("transfer_funds", {**TRANSFER, **key, "amount_minor": 12_345}))
            assert done["status"] == "executed"
        too_much = await session.call_tool("transfer_funds", {**TRANSFER, "amount_minor": payer + 1})
        assert too_much.is_error
        assert "insufficient funds" in text(too_much)
    assert balances() == [payer - 12_345, payee + 12_345]
    unbalanced = bank.rows(
        "core_banking",
        "SELECT account_id FROM accounts a WHERE balance_minor <>"
        " (SELECT SUM(amount_minor) FROM transactions t WHERE t.account_id = a.account_id)",
    )
    assert unbalanced == []


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("server", "tool", "arguments", "why"),
    [
        ("core_banking", "get_account", {"account_id": "ACC-9999"}, "unknown account ACC-9999"),
        ("core_banking", "get_account", {"account_id": "9999"}, "String should match pattern"),
        ("core_banking", "transfer_funds", {**TRANSFER, "to_account": "ACC-0020", "amount_minor": 1}, "is frozen"),
        ("core_banking", "transfer_funds", {**TRANSFER, "to_account": "ACC-0002", "amount_minor": 1}, "kept in USD"),
        ("core_banking", "transfer_funds", {**TRANSFER, "amount_minor": 1.5}, "amount_minor"),
        ("risk_database", "get_limit", {"limit_id": "LIM-9999"}, "unknown limit LIM-9999"),
        ("ticketing", "assign_ticket", {"ticket_id": "TIC-0006", "assignee": "pete.clark"}, "TIC-0006 is closed"),
    ],
)
async def test_a_refusal_of_the_bank_is_a_tool_error_that_says_why(
    bank: Bank, era: str, server: str, tool: str, arguments: dict[str, object], why: str
) -> None:
    async with client(bank.urls[server], era) as session:
        result = await session.call_tool(tool, arguments)
    assert result.is_error
    assert why in text(result)


@pytest.mark.parametrize("era", ERAS)
async def test_a_draft_is_approved_or_cancelled_once(bank: Bank, era: str) -> None:
    async with client(bank.urls["core_banking"], era) as session:
        draft = answer(await session.call_tool("create_payment_draft", {**TRANSFER, "amount_minor": 500}))
        approved = await session.call_tool("approve_payment", {"payment_id": draft["payment_id"]})
        assert answer(approved)["status"] == "executed"
        assert (await session.call_tool("cancel_payment", {"payment_id": draft["payment_id"]})).is_error


@pytest.mark.parametrize("era", ERAS)
async def test_a_stress_test_reports_each_sector(bank: Bank, era: str) -> None:
    seen: list[tuple[float, float | None]] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        assert message
        seen.append((progress, total))

    async with client(bank.urls["risk_database"], era) as session:
        arguments = {"scenario": "energy_shock", "pause_ms": 1}
        result = answer(await session.call_tool("run_stress_test", arguments, progress_callback=note))
    assert isinstance(result["sectors"], list)
    assert seen == [(step, 16) for step in range(1, 17)]


@pytest.mark.parametrize("era", ERAS)
async def test_a_cancelled_rebuild_stops_at_the_server(bank: Bank, era: str) -> None:
    async with client(bank.urls["risk_database"], era) as session:
        with anyio.CancelScope() as scope:

            async def leave(progress: float, total: float | None, message: str | None) -> None:
                del progress, total, message
                scope.cancel()

            await session.call_tool("rebuild_exposure_cache", {"seconds": 60}, progress_callback=leave)
        with anyio.fail_after(5):
            while _last_run(bank) != "cancelled":
                await session.call_tool("get_rating", {"customer_id": "CUS-0001"})


def _last_run(bank: Bank) -> object:
    return bank.rows("risk_database", "SELECT status FROM runs ORDER BY number DESC")[0][0]


@pytest.mark.parametrize("era", [ERAS[0], *(pytest.param(era, marks=pytest.mark.live) for era in ERAS[1:])])
async def test_a_server_killed_in_mid_call_keeps_its_file_and_the_trace_of_the_call(tmp_path: Path, era: str) -> None:
    with running(tmp_path, "risk_database") as own:

        async def kill(progress: float, total: float | None, message: str | None) -> None:
            del progress, total, message
            own.processes["risk_database"].kill()

        async with client(own.urls["risk_database"], era) as session:
            with pytest.raises(MCPError):
                await session.call_tool("rebuild_exposure_cache", {"seconds": 60}, progress_callback=kill)
        own.start("risk_database")
        async with client(own.urls["risk_database"], era) as session:
            assert (await session.call_tool("list_breaches")).is_error is False
        sql = "SELECT tool, outcome FROM calls LEFT JOIN call_endings ON call = sequence ORDER BY sequence"
        assert own.rows("risk_database", sql) == [("rebuild_exposure_cache", None), ("list_breaches", "done")]
        assert _last_run(own) == "running"
        assert own.stop("risk_database") in {0, -15}


@pytest.mark.parametrize("era", ERAS)
async def test_ticketing_speaks_stdio_too(tmp_path: Path, era: str) -> None:
    async with stdio("ticketing", tmp_path / "tickets.sqlite", era) as session:
        assert len((await session.list_tools()).tools) == TOOLS["ticketing"]
        arguments = {"title": "Broken printer", "body": "Second floor", "queue": "it"}
        ticket = answer(await session.call_tool("create_ticket", arguments))
        assert ticket["ticket_id"] == "TIC-0031"
        remark = {"ticket_id": "TIC-0031", "author": "pete.clark", "body": "Seen"}
        comments = answer(await session.call_tool("comment_ticket", remark))["comments"]
        assert comments == [{"author": "pete.clark", "body": "Seen"}]
        deleted = await session.call_tool("delete_ticket", {"ticket_id": "TIC-0031"})
        assert answer(deleted)["title"] == "Broken printer"


@pytest.mark.parametrize("era", ERAS)
async def test_a_credential_that_reaches_a_server_is_noticed(bank: Bank, era: str) -> None:
    def strays() -> int:
        return len(bank.rows("ticketing", "SELECT 1 FROM stray_credentials"))

    before = strays()
    async with client(bank.urls["ticketing"], era) as session:
        await session.call_tool("get_ticket", {"ticket_id": "TIC-0001"})
    assert strays() == before
    async with client(bank.urls["ticketing"], era, token="made-up") as session:
        await session.call_tool("get_ticket", {"ticket_id": "TIC-0001"})
    assert strays() > before
    sql = "SELECT authorization_present, headers LIKE '%\"authorization\"%' FROM calls ORDER BY sequence DESC LIMIT 2"
    assert bank.rows("ticketing", sql) == [(1, 1), (0, 0)]


def test_two_files_are_seeded_alike(bank: Bank, tmp_path: Path) -> None:
    own = Bank(tmp_path)
    with closing(Store(own.database("core_banking"))) as store:
        store.prepare("core_banking", fill)
    untouched = {
        "SELECT * FROM customers ORDER BY 1": 40,
        "SELECT account_id, iban, currency FROM accounts ORDER BY 1": 80,
        "SELECT * FROM transactions WHERE payment IS NULL ORDER BY 1": 600,
    }
    for sql, count in untouched.items():
        rows = own.rows("core_banking", sql)
        assert len(rows) == count
        assert rows == bank.rows("core_banking", sql)


def test_check_digits_are_valid() -> None:
    assert iban("DE", 4_000_274).startswith("DE88")
    for country in ("AT", "DE", "GB", "IE", "LU", "NL"):
        code = iban(country, 1234)
        assert remainder(code[4:] + code[:4]) == 1
    assert remainder(lei(7)) == 1


async def test_the_configuration_classifies_exactly_the_tools_there_are(bank: Bank) -> None:
    seen: set[tuple[str, str]] = set()
    for name, url in bank.urls.items():
        async with client(url, "2026-07-28") as session:
            there = {tool.name for tool in (await session.list_tools()).tools}
        file = config_directory() / "servers" / f"{name.replace('_', '-')}.yaml"
        listed: dict[str, dict[str, str]] = yaml.safe_load(file.read_text("utf-8"))["tools"]
        assert set(listed) == there
        seen |= {(tool["operation"], tool["risk"]) for tool in listed.values()}
    assert {operation for operation, _ in seen} == {"read", "write", "delete", "execute"}
    assert {risk for _, risk in seen} == {"low", "medium", "high", "critical"}
