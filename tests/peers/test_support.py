"""The support matrix says what was seen: of every peer, in the locked versions."""

import pytest

from tests.peers import support
from tests.peers.clients import CLIENTS
from tests.peers.dialogue import LEGACY, MODERN
from tests.peers.seen import RECORDED, Peer, read, rows_of
from tests.peers.servers import SERVERS

_PEERS = [(client.peer, client.eras) for client in CLIENTS] + [(server.peer, (LEGACY, MODERN)) for server in SERVERS]
_AGAIN = "run make test-live, then .venv/bin/python -m tests.peers.support --record"


@pytest.mark.parametrize(("peer", "eras"), _PEERS, ids=lambda value: value.title if isinstance(value, Peer) else "")
def test_a_peer_was_seen_in_its_locked_version_in_every_era(peer: Peer, eras: tuple[str, ...]) -> None:
    rows = rows_of(read(RECORDED), peer)
    assert {row.version for row in rows} == {peer.version}, _AGAIN
    assert {row.era for row in rows} == set(eras), _AGAIN


def test_the_page_is_made_of_the_record() -> None:
    assert support.PAGE.read_text() == support.page(read(RECORDED)), _AGAIN
