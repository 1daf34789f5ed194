"""Who follows the changes of control state misses nothing and hears nothing twice, whoever makes them."""

from collections.abc import Callable
from pathlib import Path

import anyio
import httpx2
import msgspec
import pytest
from anyio import to_thread

from tallystick.remote import Client, read_place
from tallystick.remote.messages.resources import Change, Metadata, Resource
from tallystick.wiring.worker import console_socket
from tests.crash.bank import Bank, founded
from tests.interaction.configuration import write
from tests.interaction.stage import Json, envelope, modern, reasons_of
from tests.interaction.waiting import BOUND_S
from tests.requirements import requirement

pytestmark = pytest.mark.anyio
CALL: Json = {"name": "count", "arguments": {"who": "caller-00", "number": 0}}


@requirement("control:followed")
async def test_a_follower_hears_everybodys_changes_once_and_in_order_also_across_a_kill(tmp_path: Path) -> None:
    async with founded(tmp_path) as bank:
        config = bank.folder / "config"
        write(config, "tally.yaml", f"gateway: {{listen_port: {bank.port}}}\nconsole: {{listen_port: 0}}\n")
        _misremember(config / "pins" / "counting.json")
        await bank.start()
        client = Client(read_place(f"unix:{console_socket(bank.state)}"))
        begun = (await to_thread.run_sync(client.revision)).head
        await _drift(bank)
        drifted = await _hear(client, begun, lambda change: change.kind == "Pin")
        await _put(client, "by-api")
        write(config, "toolsets/by-file.yaml", "tenant: bank\nmembers: [{server: counting}]\n")
        first = await _hear(client, begun, lambda change: change.name == "by-file")
        assert [_told(change) for change in first[len(drifted) :]] == [
            ("Toolset", "by-api", True),
            ("Toolset", "by-file", True),
        ]
        assert {change.actor for change in drifted} == {"tallystick/drift"}
        assert first[: len(drifted)] == drifted
        # Nobody listens any more; then everything is killed, and the directory changes while nothing runs.
        await _put(client, "unheard")
        bank.kill("both")
        await bank.bury()
        (config / "toolsets" / "by-file.yaml").unlink()
        await bank.start()
        await _put(client, "last")
        rest = await _hear(client, first[-1].revision, lambda change: change.name == "last")
        assert [_told(change) for change in rest] == [
            ("Toolset", "unheard", True),
            ("Toolset", "by-file", False),
            ("Toolset", "last", True),
        ]
        again = await _hear(client, begun, lambda change: change.name == "last")
        assert again == [*first, *rest]
        revisions = [change.revision for change in again]
        assert revisions == sorted(set(revisions))


def _misremember(pin: Path) -> None:
    """Pin a server as it is not, so that it drifts as soon as it is asked."""
    fields = msgspec.json.decode(pin.read_bytes(), type=Json)
    eras = msgspec.convert(fields["eras"], dict[str, Json])
    for said in eras.values():
        said["instructions"] = "What it said when somebody looked at it."
    pin.write_bytes(msgspec.json.encode({**fields, "eras": eras}))


async def _drift(bank: Bank) -> None:
    headers = {name: value for name, value in envelope("tools/call", CALL).items() if value is not None}
    headers["authorization"] = f"Bearer {bank.callers[0].token}"
    url = f"http://127.0.0.1:{bank.port}/servers/counting/mcp"
    async with httpx2.AsyncClient() as http:
        assert reasons_of(await http.post(url, content=modern("tools/call", CALL), headers=headers)) == ["quarantined"]


async def _put(client: Client, name: str) -> None:
    spec: Json = {"title": name, "members": [{"server": "counting"}]}
    await to_thread.run_sync(client.put, Resource("Toolset", Metadata(name, "bank"), spec))


async def _hear(client: Client, after: int, last: Callable[[Change], bool]) -> list[Change]:
    """Return what a client hears that goes on after a revision, up to the last change that it waits for."""

    def listen() -> list[Change]:
        heard: list[Change] = []
        for change in client.follow(after):
            heard.append(change)
            if last(change):
                break
        return heard

    with anyio.fail_after(BOUND_S):
        return await to_thread.run_sync(listen, abandon_on_cancel=True)


def _told(change: Change) -> tuple[str, str, bool]:
    return change.kind, change.name, change.after is not None
