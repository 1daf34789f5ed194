"""An installation of the release before control state: it starts as it is, and nobody has to do anything by hand.

`before.tar.gz` is what that release left after a session with three calls and a denial: its state directory, and its
configuration with `http://127.0.0.1:1` for where server and issuer were.
"""

import shutil
import tarfile
from collections import Counter
from pathlib import Path

import httpx2
import pytest
from anyio import to_thread

from tallystick.audit import offline
from tallystick.remote import Client, read_place
from tallystick.wiring.worker import console_socket
from tests.crash.bank import founded
from tests.interaction.configuration import write
from tests.interaction.record import leaves_of
from tests.interaction.stage import Json, envelope, modern, text_of

pytestmark = pytest.mark.anyio
BEFORE = Path(__file__).with_name("before.tar.gz")
CALL: Json = {"name": "count", "arguments": {"who": "caller-00", "number": 7}}
LEFT = {"config": 1, "denial": 1, "heartbeat": 1, "intent": 3, "outcome": 4}
"""Leaves that were there, by kind."""


async def test_a_directory_and_its_record_go_on_under_this_release(tmp_path: Path) -> None:
    async with founded(tmp_path) as bank:
        bank.counting.gate.set()
        _restore(tmp_path, bank.counting.origin)
        # The ports are a test's; that installation's file has nothing of a console.
        write(
            tmp_path / "config", "tally.yaml", f"gateway: {{listen_port: {bank.port}}}\nconsole: {{listen_port: 0}}\n"
        )
        log = bank.state / "audit" / "bank" / "2026"
        before = leaves_of(log, range(offline.size_of(log)))
        assert Counter(str(leaf["kind"]) for leaf in before) == LEFT

        await bank.start()
        headers = {name: value for name, value in envelope("tools/call", CALL).items() if value is not None}
        headers["authorization"] = f"Bearer {bank.callers[0].token}"
        url = f"http://127.0.0.1:{bank.port}/servers/counting/mcp"
        async with httpx2.AsyncClient() as http:
            assert text_of(await http.post(url, content=modern("tools/call", CALL), headers=headers)) == "counted"

        client = Client(read_place(f"unix:{console_socket(bank.state)}"))
        server = (await to_thread.run_sync(client.get, "Server", "counting")).resource
        pin = (await to_thread.run_sync(client.get, "Pin", "counting")).resource
        assert (server.metadata.owner, pin.metadata.owner) == ("directory", "directory")
        assert server.status is not None
        assert server.status.state == "approved"
        assert pin.status is not None
        assert "quarantined" not in pin.status.marks
        revision = await to_thread.run_sync(client.revision)
        assert (revision.head, revision.published, revision.troubles) == (1, 1, {})

        await bank.bury()
        assert leaves_of(log, range(len(before))) == before
        report = offline.verify_log(log, offline.read_vkey(log))
        assert (report.damage, report.opened) == ((), ())
        await bank.start()
        assert (await to_thread.run_sync(client.revision)).head == 1


def _restore(folder: Path, origin: str) -> None:
    """Put in place what that release left."""
    shutil.rmtree(folder / "config")
    with tarfile.open(BEFORE) as left:
        left.extractall(folder, filter="data")
    for name in ("issuers/test.yaml", "servers/counting.yaml"):
        file = folder / "config" / name
        file.write_text(file.read_text().replace("http://127.0.0.1:1/", f"{origin}/"))
