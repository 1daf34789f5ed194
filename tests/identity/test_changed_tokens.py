"""A token is all or nothing: whatever single byte of it is changed, it is refused, and nothing raises."""

import pytest

from tallystick.terms import Refusal
from tests.identity.door import AUDIENCES, Door

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("key_id", ["EdDSA-1", "ES256-1", "RS256-1"])
async def test_every_single_changed_byte_makes_a_token_worthless(key_id: str) -> None:
    door = Door()
    header = b"Bearer " + door.remote.token(key_id).encode()
    await door.authenticator.authenticate(header, AUDIENCES)
    for place in range(len(b"Bearer "), len(header)):
        for byte in b"A.=\x00" + bytes([header[place] ^ 1]):
            changed = header[:place] + bytes([byte]) + header[place + 1 :]
            if changed != header:
                outcome = await door.authenticator.authenticate(changed, AUDIENCES)
                assert isinstance(outcome, Refusal), (place, byte)


@pytest.mark.parametrize("key_id", ["EdDSA-1", "ES256-1", "RS256-1"])
async def test_a_token_cut_or_lengthened_anywhere_is_refused(key_id: str) -> None:
    door = Door()
    token = door.remote.token(key_id)
    for length in range(len(token)):
        assert isinstance(await door.ask(token[:length]), Refusal)
    for tail in ("A", "AA", "AAAA", "=", ".", " A"):
        assert isinstance(await door.ask(token + tail), Refusal)
