"""kill -9 of a gateway whose control state changes: what was acknowledged is there, in force, and on record once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from anyio import to_thread

from tallystick.audit import offline
from tallystick.remote import Client, RemoteError, read_place
from tallystick.remote.messages.resources import Metadata, Resource
from tallystick.wiring.worker import console_socket
from tests.crash.bank import Bank, founded
from tests.interaction.record import leaves_of
from tests.interaction.waiting import until
from tests.requirements import requirement

pytestmark = pytest.mark.anyio

PUTS = 20
"""Changes of one life, by four people at once."""
VICTIMS = ("gateway", "both")


def _open_console(bank: Bank) -> Client:
    """Have the next life serve a console, on any port; it is talked to over its socket."""
    (bank.folder / "config" / "tally.yaml").write_text(
        f"gateway: {{listen_port: {bank.port}}}\nconsole: {{listen_port: 0}}\n"
    )
    return Client(read_place(f"unix:{console_socket(bank.state)}"))


def _put(client: Client, name: str) -> None:
    spec: dict[str, object] = {"title": name, "members": [{"server": "counting"}]}
    client.put(Resource("Toolset", Metadata(name, "bank"), spec))


def _recorded(bank: Bank) -> Counter[str]:
    """Return how often the record says that a toolset was made."""
    size = offline.size_of(bank.log)
    told = [leaf for leaf in leaves_of(bank.log, range(size)) if leaf["kind"] == "registry"]
    return Counter(str(leaf["object"]) for leaf in told if str(leaf["object"]).startswith("toolset/"))


async def _settle(bank: Bank, client: Client, acknowledged: set[str]) -> set[str]:
    """Start the next life and hold what it has against what was acknowledged; return the toolsets that there are."""
    await bank.start()
    revision = await to_thread.run_sync(client.revision)
    assert revision.head == revision.published
    there = {found.metadata.name for found in await to_thread.run_sync(lambda: list(client.every("Toolset")))}
    assert acknowledged <= there
    snapshot = await to_thread.run_sync(client.snapshot)
    assert {found.route for found in snapshot.routes} == {"servers/counting", *(f"toolsets/{name}" for name in there)}
    await until(lambda: sum(_recorded(bank).values()) >= len(there))
    assert _recorded(bank) == Counter(f"toolset/{name}" for name in there)
    return there


@requirement("record:crash:acknowledged")
@pytest.mark.parametrize("victim", VICTIMS)
async def test_a_change_that_was_acknowledged_outlives_a_kill_right_after_its_answer(
    tmp_path: Path, victim: str
) -> None:
    async with founded(tmp_path) as bank:
        client = _open_console(bank)
        await bank.start()
        # In the thread that heard the answer: nothing of this process comes between.
        await to_thread.run_sync(lambda: (_put(client, "kept"), bank.kill(victim)))
        await bank.bury()
        assert await _settle(bank, client, {"kept"}) == {"kept"}


@requirement("record:crash:acknowledged")
async def test_every_acknowledged_change_outlives_a_kill_in_the_middle_of_many(tmp_path: Path) -> None:
    async with founded(tmp_path) as bank:
        client = _open_console(bank)
        acknowledged = set[str]()
        for life, victim in enumerate(VICTIMS):
            await bank.start()
            acknowledged |= await to_thread.run_sync(_change_and_kill, bank, life, victim)
            await bank.bury()
        assert len(acknowledged) >= len(VICTIMS) * PUTS // 4
        await _settle(bank, client, acknowledged)
        assert offline.verify_log(bank.log, offline.read_vkey(bank.log)).damage == ()


def _change_and_kill(bank: Bank, life: int, victim: str) -> set[str]:
    """Make changes from four threads, and kill after a quarter of the answers; return what was acknowledged."""
    names, acknowledged, over = iter([f"toolset-{life}-{number}" for number in range(PUTS)]), set[str](), Event()

    def change() -> None:
        client = Client(read_place(f"unix:{console_socket(bank.state)}"))
        for name in _until(over, names):
            try:
                _put(client, name)
            except RemoteError:
                over.set()
                return
            acknowledged.add(name)
            if len(acknowledged) == PUTS // 4:
                bank.kill(victim)
                over.set()

    with ThreadPoolExecutor(4) as people:
        for done in [people.submit(change) for _ in range(4)]:
            done.result()
    return acknowledged


def _until(over: Event, names: Iterator[str]) -> Iterator[str]:
    while not over.is_set():
        name = next(names, None)
        if name is None:
            return
        yield name
