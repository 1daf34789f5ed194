"""What a server answers is told apart by kind, and what passes unread is at least one JSON value in UTF-8."""

import json

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.wire import EventReader, Reply, encode, read_reply


def _reply(raw: bytes | str) -> Reply:
    reply = read_reply(raw.encode() if isinstance(raw, str) else raw)
    assert isinstance(reply, Reply), reply
    return reply


def _result(result: str) -> str:
    return f'{{"jsonrpc":"2.0","id":7,"result":{result}}}'


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        ("{}", "result"),
        ('{"isError":false,"content":[]}', "result"),
        ('{"content":[],"isError":true}', "tool_error"),
        ('{"is\\u0045rror":true}', "tool_error"),
        ('{"content":["isError","isError"],"structuredContent":{"isError":true}}', "result"),
        ('{"structuredContent":{"isError":false},"isError":true}', "tool_error"),
    ],
)
def test_a_tool_error_is_told_from_a_result(result: str, kind: str) -> None:
    reply = _reply(_result(result))
    assert (reply.kind, reply.id, reply.payload) == (kind, 7, result.encode())


@pytest.mark.parametrize(
    ("result", "written"),
    [
        ("{}", ""),
        ('{"resultType":"complete","content":[]}', "complete"),
        ('{"inputRequests":{},"resultType":"input_required"}', "input_required"),
        ('{"result\\u0054ype":"task"}', "task"),
        ('{"resultType":"com.example/new"}', "com.example/new"),
        ('{"content":["resultType","resultType"],"structuredContent":{"resultType":"task"}}', ""),
        ('{"isError":true,"resultType":"complete"}', "complete"),
    ],
)
def test_a_result_says_how_it_is_to_be_read(result: str, written: str) -> None:
    assert _reply(_result(result)).result_type == written


def test_a_payload_passes_exactly_as_the_server_wrote_it() -> None:
    result = '{ "b" : 1.50, "a":[ 1e400,\n123456789012345678901234567890 ], "\\u00e9":"\u00e9" }'
    assert _reply(_result(result)).payload == result.encode()


@pytest.mark.parametrize("size", [0, 1 << 10, 1 << 20])
def test_an_rpc_error_of_any_length_keeps_its_code_and_its_bytes(size: int) -> None:
    error = json.dumps({"code": -32001, "message": "x" * size, "data": ["y" * size]})
    reply = _reply(f'{{"jsonrpc":"2.0","id":"a","error":{error}}}')
    assert (reply.kind, reply.id, reply.rpc_code, reply.payload) == ("rpc_error", "a", -32001, error.encode())


def test_an_error_framed_in_an_event_is_the_same_error() -> None:
    raw = b'{"jsonrpc":"2.0","id":null,\n"error":{"code":-32700,"message":"no"}}'
    events = EventReader(1000).feed(encode.event(raw))
    assert not isinstance(events, Refusal)
    assert [_reply(event) for event in events] == [_reply(raw)]
    assert _reply(raw).kind == "rpc_error"


def test_a_notification_is_framed_anew_so_that_no_end_can_hide_in_it() -> None:
    reply = _reply('{"id":null,"x":1,"method":"notifications/progress","params":{"a": 1.50},"jsonrpc":"2.0","ID":3}')
    assert (reply.kind, reply.method) == ("notification", "notifications/progress")
    assert reply.payload == b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"a": 1.50}}'
    assert _reply('{"jsonrpc":"2.0","method":"m"}').payload == b'{"jsonrpc":"2.0","method":"m"}'


def test_a_question_of_the_server_is_not_a_response() -> None:
    assert _reply('{"jsonrpc":"2.0","id":7,"method":"ping"}').kind == "request"


DEEP = "[" * 5000 + "]" * 5000
BROKEN: dict[str, bytes | str] = {
    "nothing": "",
    "text": "Internal Server Error",
    "a batch": "[" + _result("{}") + "]",
    "both ends": '{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1}}',
    "neither end": '{"jsonrpc":"2.0","id":7}',
    "a method with a result": '{"jsonrpc":"2.0","method":"m","result":{}}',
    "a method with an error": '{"jsonrpc":"2.0","id":7,"method":"m","error":{"code":1}}',
    "another JSON-RPC": '{"jsonrpc":"1.0","id":7,"result":{}}',
    "no JSON-RPC": '{"id":7,"result":{}}',
    "an id with a fraction": '{"jsonrpc":"2.0","id":7.0,"result":{}}',
    "an id that is true": '{"jsonrpc":"2.0","id":true,"result":{}}',
    "a result that is no object": _result("[]"),
    "a result of null": _result("null"),
    "isError that is a word": _result('{"isError":"false"}'),
    "isError twice": _result('{"isError":true,"isError":false}'),
    "isError twice, once escaped": _result('{"isError":true,"\\u0069sError":false}'),
    "a resultType that is no word": _result('{"resultType":5}'),
    "a resultType of null": _result('{"resultType":null}'),
    "resultType twice": _result('{"resultType":"complete","resultType":"input_required"}'),
    "resultType twice, once escaped": _result('{"resultType":"complete","result\\u0054ype":"task"}'),
    "an error without a code": '{"jsonrpc":"2.0","id":7,"error":{"message":"x"}}',
    "an error with a code no record can keep": '{"jsonrpc":"2.0","id":7,"error":{"code":99999999999999999999}}',
    "NaN in a result": _result('{"a":NaN}'),
    "half of a surrogate pair": _result('{"a":"\\ud800"}'),
    "a byte that is no UTF-8": _result('{"a":"X"}').encode().replace(b"X", b"\xff"),
    "a byte-order mark": b"\xef\xbb\xbf" + _result("{}").encode(),
    "a value deeper than the stack": _result(f'{{"a":{DEEP}}}'),
    "an unread value deeper than the stack": f'{{"jsonrpc":"2.0","id":7,"x":{DEEP},"result":{{}}}}',
    "two values": _result("{}") * 2,
}


@pytest.mark.parametrize("raw", BROKEN.values(), ids=BROKEN.keys())
def test_anything_else_is_a_broken_server(raw: bytes | str) -> None:
    refusal = read_reply(raw.encode() if isinstance(raw, str) else raw)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reasons) == ("upstream", (Reason.UPSTREAM_BROKEN,))
    assert refusal.detail
