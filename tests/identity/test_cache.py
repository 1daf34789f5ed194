"""The fast path: a verified header is believed again, for the same audiences, for a short time, and nothing else is."""

import pytest

from tallystick.identity import Authenticator, Limits
from tests.identity.door import AUDIENCES, BANK, Door
from tests.identity.remote_issuer import NOW, RESOURCE

pytestmark = pytest.mark.anyio
OTHER = "https://gateway.example/servers/risk/mcp"


def _header(token: str) -> bytes:
    return b"Bearer " + token.encode()


async def test_a_verified_header_is_found_without_waiting() -> None:
    door = Door()
    token = door.remote.token()
    assert door.authenticator.lookup(_header(token), AUDIENCES) is None
    caller = await door.caller(token)
    assert door.authenticator.lookup(_header(token), AUDIENCES) is caller
    assert door.authenticator.lookup(_header(token), frozenset({RESOURCE})) is caller


async def test_a_cached_header_is_not_found_for_another_audience() -> None:
    door = Door()
    token = door.remote.token()
    await door.caller(token)
    for audiences in (frozenset({OTHER}), frozenset({RESOURCE, OTHER}), frozenset[str]()):
        assert door.authenticator.lookup(_header(token), audiences) is None


async def test_tokens_that_share_all_but_their_last_character_are_told_apart() -> None:
    door = Door()
    token = door.remote.token()
    await door.caller(token)
    header = _header(token)
    for last in b"AQgwBx":
        if last != header[-1]:
            assert door.authenticator.lookup(header[:-1] + bytes([last]), AUDIENCES) is None
    for near in (header[:-1], header + b"A", header + b" ", header[:27], header.lower()):
        assert door.authenticator.lookup(near, AUDIENCES) is None


async def test_two_people_whose_tokens_begin_alike_stay_two_people() -> None:
    door = Door()
    ada, grace = door.remote.token(), door.remote.token(sub="grace")
    assert ada[:60] == grace[:60]
    await door.caller(ada)
    assert (await door.caller(grace)).subject == "grace"
    assert (await door.caller(ada)).subject == "ada"


async def test_a_cached_header_is_looked_at_again_after_five_minutes() -> None:
    door = Door()
    token = door.remote.token()
    await door.caller(token)
    door.clock.now += 299
    assert door.authenticator.lookup(_header(token), AUDIENCES) is not None
    door.clock.now += 1
    assert door.authenticator.lookup(_header(token), AUDIENCES) is None
    assert (await door.caller(token)).subject == "ada"


async def test_a_cached_header_does_not_outlive_its_token() -> None:
    door = Door()
    token = door.remote.token(exp=NOW + 60)
    await door.caller(token)
    door.clock.now += 60 + 30
    assert door.authenticator.lookup(_header(token), AUDIENCES) is None
    assert await door.reasons(token) == ("token_expired",)


async def test_the_cache_is_bounded() -> None:
    door = Door()
    door.authenticator = Authenticator(
        [door.trusted], frozenset({BANK}), door.remote, door.clock, Limits(cache_entries=100)
    )
    first = door.remote.token(jti="first")
    await door.caller(first)
    for number in range(100):
        await door.authenticator.authenticate(_header(first), AUDIENCES | {f"https://gateway.example/{number}"})
    assert door.authenticator.lookup(_header(first), AUDIENCES) is None


async def test_no_header_is_never_found() -> None:
    assert Door().authenticator.lookup(None, AUDIENCES) is None
