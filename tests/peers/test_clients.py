"""Clients that nobody here wrote sign a person in by themselves, list the tools and call one, through the gateway."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers import gateways, seen
from tests.peers.clients import AUTO, CLIENTS, MODERN, Client

pytestmark = pytest.mark.live
_CASES = [pytest.param(client, era, id=f"{client.peer.title}-{era}") for client in CLIENTS for era in client.eras]


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[gateways.Gateway]:
    """A gateway in front of the demo bank's core banking, which speaks both eras over HTTP."""
    folder = tmp_path_factory.mktemp("clients")
    command = [sys.executable, "-m", "tallystick_demo_bank.core_banking", "--port", "0", "--db", str(folder / "bank")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            url = str(json.loads(process.stdout.readline())["url"])
            with gateways.gateway(folder, "bank", gateways.http(url)) as served:
                yield served
        finally:
            process.kill()


@pytest.mark.parametrize(("client", "era"), _CASES)
def test_a_client_signs_in_by_itself_lists_and_calls(
    client: Client, era: str, bank: gateways.Gateway, tmp_path: Path, seen_rows: list[seen.Row]
) -> None:
    saw = client.run(bank.endpoint("bank"), era, tmp_path, "get_customer", {"customer_id": "CUS-0001"})
    assert saw.registered
    assert saw.era in ("", MODERN if era == AUTO else era)
    assert len(saw.tools) == 17
    assert json.loads(saw.text)["customer_id"] == "CUS-0001"
    seen_rows.append(seen.row(client.peer, era, era, seen.CODE_FLOW, seen.worked(len(saw.tools))))
