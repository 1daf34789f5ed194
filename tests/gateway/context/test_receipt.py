"""A receipt stands beside what the server said, changes none of it, and never holds back a reply."""

import anyio
import msgspec
import pytest

from tallystick.audit import Unwritable
from tallystick.gateway.context import with_receipt
from tallystick.wire import Reply

pytestmark = pytest.mark.anyio
LEAF = b'{"kind":"outcome"}'
SAID = {"leaf": '{"kind":"outcome"}', "index": 7, "proof": "the proof"}
_Json = dict[str, object]


async def _proof() -> str:
    return "the proof"


async def _never() -> str:
    await anyio.sleep_forever()
    return ""


async def _broken() -> str:
    message = "the disk is full"
    raise Unwritable(message)


@pytest.mark.parametrize(
    ("kind", "payload", "around"),
    [
        ("result", b'{"content":[],"_meta":{"a":1.50}}', "_meta"),
        ("result", b"{}", "_meta"),
        ("tool_error", b'{"isError":true,"content":[]}', "_meta"),
        ("rpc_error", b'{"code":-1,"message":"no","data":{"a":1}}', "data"),
        ("rpc_error", b'{"code":-1,"message":"no"}', "data"),
    ],
)
async def test_a_receipt_is_added_to_every_kind_of_answer(kind: str, payload: bytes, around: str) -> None:
    reply = msgspec.convert((kind, 1, payload), Reply)
    told = await with_receipt(reply, LEAF, 7, _proof, 10)
    before, after = (msgspec.json.decode(text, type=_Json) for text in (payload, told.payload))
    place = msgspec.convert(after[around], _Json)
    assert place.pop("tallystick.dev/receipt") == SAID
    assert {**before, around: before.get(around, {})} == {**after, around: place}


async def test_the_bytes_of_what_stands_beside_it_stay_as_they_came() -> None:
    reply = Reply("result", 1, b'{"n":1.50,"u":"\\u00e9","_meta":{"x":1e2}}')
    told = await with_receipt(reply, LEAF, 7, _proof, 10)
    assert told.payload.startswith(b'{"n":1.50,"u":"\\u00e9","_meta":{"x":1e2,"tallystick.dev/receipt":{')


@pytest.mark.parametrize("said", [b"[1]", b'"x"', b"null"])
async def test_an_error_whose_data_has_no_room_is_told_as_it_came(said: bytes) -> None:
    payload = b'{"code":-1,"message":"no","data":%b}' % said
    assert (await with_receipt(Reply("rpc_error", 1, payload), LEAF, 7, _proof, 10)).payload == payload


async def test_where_there_is_no_proof_the_reply_goes_out_with_the_reason() -> None:
    for prove, reason in ((_never, "record_not_witnessed"), (_broken, "record_unwritable")):
        told = await with_receipt(Reply("result", 1, b'{"content":[]}'), LEAF, 7, prove, 0.0)
        assert msgspec.json.decode(told.payload) == {
            "content": [],
            "_meta": {"tallystick.dev/receipt": {"error": reason}},
        }
