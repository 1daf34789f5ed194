"""Several workers behind one address: one record, exact after any of their processes was killed; nothing is left."""

import stat
import subprocess
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tallystick.guard import Admission
from tallystick.terms import Refusal, ServerId
from tallystick.wiring.worker import SharedBulkhead, Worker, peer_socket, writer_socket
from tests.crash.account import Account
from tests.crash.bank import CALLERS, TALLY, Bank, founded
from tests.interaction.processes import children, is_alive, kill, writers_of
from tests.interaction.record import leaves_of
from tests.interaction.stage import envelope, modern, new_http
from tests.interaction.waiting import BOUND_S, until
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
WORKERS = 2


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """As for every test, but the loop lives as long as the bank that tests share."""
    return "asyncio"


@asynccontextmanager
async def _running(folder: Path) -> AsyncGenerator[Bank]:
    async with founded(folder) as founded_bank:
        founded_bank.workers = WORKERS
        founded_bank.counting.gate.set()
        await founded_bank.start()
        yield founded_bank


@pytest.fixture
async def bank(tmp_path: Path) -> AsyncGenerator[Bank]:
    """An installation with two workers, which run."""
    async with _running(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Bank]:
    """One for the tests that leave it as it was, but for more calls."""
    async with _running(tmp_path_factory.mktemp("shared")) as running:
        yield running


def _workers(bank: Bank) -> list[int]:
    assert bank.gateway is not None
    writers = writers_of(bank.gateway.pid)
    return [pid for pid in children(bank.gateway.pid) if pid not in writers]


async def _health(http: httpx2.AsyncClient, bank: Bank) -> object:
    return (await http.get(f"http://127.0.0.1:{bank.port}/healthz")).json().get("worker")


async def _call(http: httpx2.AsyncClient, bank: Bank, number: int) -> httpx2.Response:
    params = {"name": "count", "arguments": {"number": number, "who": "caller-00"}}
    headers = {**envelope("tools/call", params), "authorization": f"Bearer {bank.callers[0].token}"}
    return await http.post(
        f"http://127.0.0.1:{bank.port}/servers/counting/mcp",
        content=modern("tools/call", params),
        headers={name: value for name, value in headers.items() if value is not None},
    )


@requirement("workers:record")
async def test_calls_land_on_both_workers_and_in_one_record(bank: Bank) -> None:
    served: list[object] = []
    with anyio.fail_after(BOUND_S):
        while set(served) != {0, 1}:
            # The kernel chooses a worker for each connection; what follows on the same one reaches the same worker.
            async with new_http() as http:
                worker = await _health(http, bank)
                assert (await _call(http, bank, len(served))).json()["result"]["content"]
                served.append(worker)
    pids = [bank.writer, *_workers(bank)]
    assert len(pids) == 1 + WORKERS
    await bank.bury()
    await until(lambda: not any(map(is_alive, pids)))
    report = Account(bank).verify()
    assert report.kinds["intent"] == report.kinds["outcome"] == len(served)
    assert report.kinds["config"] == 1, "a configuration is recorded once and not once for each worker"


async def _say(http: httpx2.AsyncClient, bank: Bank, message: Mapping[str, object], session: str) -> httpx2.Response:
    headers = {
        "authorization": f"Bearer {bank.callers[0].token}",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2025-11-25",
        **({"mcp-session-id": session} if session else {}),
    }
    url = f"http://127.0.0.1:{bank.port}/servers/counting/mcp"
    return await http.post(url, json={"jsonrpc": "2.0", "id": 1, **message}, headers=headers)


@requirement("workers:session")
async def test_a_session_is_one_session_at_the_server_whichever_worker_its_requests_reach(shared: Bank) -> None:
    named = {"clientInfo": {"name": "by hand", "version": "1"}, "capabilities": {}, "protocolVersion": "2025-11-25"}
    call = {"method": "tools/call", "params": {"name": "count", "arguments": {"number": 1, "who": "caller-00"}}}
    async with new_http() as http:
        opened = await _say(http, shared, {"method": "initialize", "params": named}, "")
    answer = opened
    session, reached, before = opened.headers["mcp-session-id"], set[object](), shared.counting.opened
    with anyio.fail_after(BOUND_S):
        while reached != {0, 1}:
            async with new_http() as http:
                reached.add(await _health(http, shared))
                answer = await _say(http, shared, call, session)
                assert answer.json()["result"]["content"]
    assert shared.counting.opened == before + 1
    async with new_http() as http:
        ended = await http.delete(
            answer.url, headers={"authorization": f"Bearer {shared.callers[0].token}", "mcp-session-id": session}
        )
        assert ended.status_code == 204
    for index in range(WORKERS):
        transport = httpx2.AsyncHTTPTransport(uds=str(peer_socket(shared.state, index)))
        async with httpx2.AsyncClient(transport=transport) as http:
            assert (await _say(http, shared, call, session)).status_code == 404


async def test_each_worker_and_the_writer_listen_where_only_their_user_can_connect(shared: Bank) -> None:
    paths = [writer_socket(shared.state), *(peer_socket(shared.state, index) for index in range(WORKERS))]
    assert [stat.S_IMODE(path.stat().st_mode) for path in paths] == [0o600] * 3
    assert stat.S_IMODE(paths[0].parent.stat().st_mode) == 0o700
    for index in range(WORKERS):
        transport = httpx2.AsyncHTTPTransport(uds=str(peer_socket(shared.state, index)))
        async with httpx2.AsyncClient(transport=transport) as http:
            assert await _health(http, shared) == index
            assert (await _call(http, shared, index)).status_code == 200


@requirement("workers:reload")
async def test_a_changed_configuration_is_recorded_once_and_in_force_in_every_worker(bank: Bank) -> None:
    policy = bank.folder / "config" / "policies" / "bank.cedar"
    policy.write_text(
        policy.read_text() + '@id("stop") forbid (principal, action == Action::"counting/count", resource);'
    )
    for index in range(WORKERS):
        transport = httpx2.AsyncHTTPTransport(uds=str(peer_socket(bank.state, index)))
        async with httpx2.AsyncClient(transport=transport) as http:
            with anyio.fail_after(BOUND_S):
                while "error" not in (await _call(http, bank, 0)).json():  # noqa: ASYNC110 - another process gives no event
                    await anyio.sleep(0.02)
    await bank.bury()
    assert Account(bank).verify().kinds["config"] == 2


@requirement("workers:killed")
async def test_a_worker_that_is_killed_comes_back_and_its_open_calls_alone_are_in_doubt(bank: Bank) -> None:
    counting, account = bank.counting, Account(bank)
    counting.gate = anyio.Event()
    victim = _workers(bank)[0]
    with anyio.fail_after(2 * BOUND_S):
        async with anyio.create_task_group() as group:
            for caller in bank.callers:
                group.start_soon(caller.run)
            await until(lambda: counting.waiting == CALLERS)
            kill(victim)
            await bank.hear(b"it is started again")
            counting.gate.set()
            await bank.hear(b"listens (process")
            assert len(_workers(bank)) == WORKERS
            # By now the others have gone on, and whoever comes next is served.
            async with new_http() as http:
                assert (await http.get(f"http://127.0.0.1:{bank.port}/healthz")).status_code == 200
            await bank.bury()
    lost = sum(caller.asked[0].told == "nothing" for caller in bank.callers)
    await bank.start()
    account.settle()
    account.verify()
    assert account.in_doubt == lost
    doubts = [leaf for leaf in leaves_of(bank.log, range(account.size)) if leaf["kind"] == "in_doubt"]
    assert len(doubts) == lost


@requirement("workers:writer")
async def test_while_the_writer_is_gone_calls_are_refused_and_then_go_on_with_the_same_workers(bank: Bank) -> None:
    counting, account, pids = bank.counting, Account(bank), sorted(_workers(bank))
    counting.gate = anyio.Event()
    with anyio.fail_after(3 * BOUND_S):
        async with anyio.create_task_group() as group:
            for caller in bank.callers:
                group.start_soon(caller.run)
            await until(lambda: counting.waiting == CALLERS)
            kill(bank.writer)
            await bank.hear(b"calls are refused")
            counting.gate.set()
        assert {caller.asked[0].told for caller in bank.callers} == {"made but unrecorded"}
        await bank.hear(b"the audit writer runs")
        await until(lambda: len(writers_of(bank.gateway.pid if bank.gateway else 0)) == 1)
        async with new_http() as http:
            number = len(bank.callers[0].asked)
            while "error" in (await _call(http, bank, number)).json():  # noqa: ASYNC110 - another process gives no event
                await anyio.sleep(0.02)
        assert sorted(_workers(bank)) == pids
        async with anyio.create_task_group() as group:
            for caller in bank.callers[1:]:
                group.start_soon(caller.run)
            await until(lambda: len(counting.arrived) > 3 * CALLERS)
            await bank.bury()
    report = account.verify()
    # The calls that nobody could record the end of are in doubt once, and their late ends are not in the record.
    assert report.kinds["in_doubt"] == CALLERS
    done = sum(asked.told == "done" for caller in bank.callers for asked in caller.asked)
    assert report.kinds["outcome"] >= done > 0


async def test_a_worker_that_cannot_start_ends_everything_with_a_message(tmp_path: Path) -> None:
    async with founded(tmp_path) as bank:
        # A directory stands where the first worker has to listen.
        peer_socket(bank.state, 1).mkdir(parents=True)
        words = ["gateway", "--workers", "2", "--config", str(bank.folder / "config"), "--state", str(bank.state)]
        done = await anyio.run_process([str(TALLY), *words], check=False, stderr=subprocess.STDOUT)
        assert done.returncode == 2
        assert b"worker 1 cannot start (exit code 2)" in done.stdout
        assert b"cannot listen at" in done.stdout


async def test_when_the_parent_is_killed_nothing_is_left_behind(bank: Bank) -> None:
    assert bank.gateway is not None
    pids = [bank.writer, *_workers(bank)]
    kill(bank.gateway.pid)
    await until(lambda: not any(map(is_alive, pids)))
    assert Account(bank).verify().kinds["config"] == 1


async def test_a_second_gateway_at_the_same_address_is_refused(shared: Bank, tmp_path: Path) -> None:
    words = ["gateway", "--config", str(shared.folder / "config"), "--state", str(tmp_path / "other")]
    done = await anyio.run_process([str(TALLY), *words], check=False, stderr=subprocess.STDOUT)
    assert (done.returncode, b"cannot listen at" in done.stdout) == (2, True)


@pytest.mark.parametrize(("limit", "of", "share"), [(32, 1, 32), (32, 3, 10), (1, 4, 1)])
def test_a_limit_is_divided_by_the_number_of_workers(limit: int, of: int, share: int) -> None:
    bulkhead = SharedBulkhead(10_000, Worker(0, of))
    admitted = [bulkhead.admit(ServerId("core"), limit, "a") for _ in range(share + 1)]
    assert [isinstance(each, Admission) for each in admitted] == [True] * share + [False]
    assert isinstance(admitted[-1], Refusal)
