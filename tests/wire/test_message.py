"""One message has one meaning, or none: what is judged here is what a server will read."""

import json
import random

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.wire import Message, encode, parse
from tallystick.wire.message import MAX_DEPTH

LONG_S, KELVIN = "\u017f", "\u212a"


def _call(params: str = "{}", rest: str = "") -> bytes:
    return f'{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}{rest}}}'.encode()


def _arguments(value: str) -> bytes:
    return _call(f'{{"name":"t","arguments":{{"value":{value}}}}}')


def _parsed(body: bytes) -> Message:
    message = parse(body)
    assert isinstance(message, Message), message
    return message


AMBIGUOUS = {
    "a byte-order mark": b"\xef\xbb\xbf" + _call(),
    "UTF-16": _call().decode().encode("utf-16"),
    "an overlong byte": _arguments('"X"').replace(b"X", b"\xc0\xaf"),
    "a surrogate in UTF-8": _arguments('"X"').replace(b"X", b"\xed\xa0\x80"),
    "a member twice": _call(rest=',"id":2'),
    "the method twice": _call(rest=',"method":"ping"'),
    "an escaped member twice": _call(rest=',"\\u006dethod":"ping"'),
    "a name twice": _call('{"name":"a","name":"b"}'),
    "a deep member twice": _arguments('[[{"a":{"b":1,"b":1}}]]'),
    "a method in capitals": _call(rest=',"Method":"ping"'),
    "params with a long s": _call(rest=f',"param{LONG_S}":{{}}'),
    "jsonrpc in capitals": _call(rest=',"JSONRPC":"2.0"'),
    "an id in capitals": _call(rest=',"ID":2'),
    "arguments with a long s": _call(f'{{"name":"a","argument{LONG_S}":{{}}}}'),
    "an uppercase name": _call('{"name":"a","NAME":"b"}'),
    "an uppercase name alone": _call('{"Name":"b"}'),
    "another request id": _call('{"requestid":4}'),
    "a progress token with a Kelvin sign": _call(f'{{"_meta":{{"progressTo{KELVIN}en":1}}}}'),
    "another protocol version": _call('{"_meta":{"io.modelcontextprotocol/protocolversion":"2026-07-28"}}'),
    "NaN": _arguments("NaN"),
    "Infinity": _arguments("Infinity"),
    "minus Infinity": _arguments("-Infinity"),
    "a number past every double": _arguments("1e999"),
    "a number below every double": _arguments("-1e999"),
    "half of a surrogate pair": _arguments('"\\ud800"'),
    "half of a surrogate pair in capitals": _arguments('"\\uDFFF"'),
    "half of a surrogate pair in a name": _arguments('{"\\udc00":1}'),
    "a batch": b"[" + _call() + b"]",
    "an empty batch": b"[]",
    "two values": _call() + _call(),
    "a value and a NUL": _call() + b"\0",
    "a comment": _call() + b"//",
    "a trailing comma": _call('{"name":"a",}'),
    "a bare control character": _arguments('"\t"'),
    "nothing": b"",
    "a string": b'"tools/call"',
    "null": b"null",
    "an older JSON-RPC": _call().replace(b"2.0", b"1.0"),
    "an id of null": _call().replace(b'"id":1', b'"id":null'),
    "an id that is true": _call().replace(b'"id":1', b'"id":true'),
    "an id with a fraction": _call().replace(b'"id":1', b'"id":1.0'),
    "an id that is an object": _call().replace(b'"id":1', b'"id":{}'),
    "no method and no end": b'{"jsonrpc":"2.0","id":1}',
    "a response without an id": b'{"jsonrpc":"2.0","result":{}}',
    "a response with both ends": b'{"jsonrpc":"2.0","id":1,"result":{},"error":{}}',
    "a call with a result": _call(rest=',"result":{}'),
    "a call with an error": _call(rest=',"error":null'),
    "an empty method": _call().replace(b"tools/call", b""),
    "a method that is a number": _call().replace(b'"tools/call"', b"4"),
    "a method with a line break": _call().replace(b"tools/call", b"a\\r\\nAuthorization: x"),
    "a method beyond ASCII": _call().replace(b"tools/call", "t\u00e4st".encode()),
    "params in a list": _call("[]"),
    "params of null": _call("null"),
    "arguments in a list": _call('{"name":"t","arguments":[]}'),
    "arguments of null": _call('{"name":"t","arguments":null}'),
    "a _meta that is a list": _call('{"_meta":[]}'),
    "a number of 5,000 digits": _arguments("1" * 5000),
}


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_two_parsers_could_read_differently_is_refused(body: bytes) -> None:
    refusal = parse(body)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reasons) == ("invalid", (Reason.MALFORMED,))


def _nested(levels: int, innermost: str) -> bytes:
    return _arguments("[" * levels + innermost + "]" * levels)


@pytest.mark.parametrize("innermost", ["", "1", '"["', '"[[[[[[[[[["'])
def test_a_value_may_be_as_deep_as_the_limit_and_no_deeper(innermost: str) -> None:
    around = 3  # the message, its params, the arguments
    assert isinstance(parse(_nested(MAX_DEPTH - around, innermost)), Message)
    assert isinstance(parse(_nested(MAX_DEPTH - around + 1, innermost)), Refusal)


@pytest.mark.parametrize("levels", [1_000, 200_000])
def test_a_value_deeper_than_the_stack_is_refused_and_does_no_harm(levels: int) -> None:
    assert isinstance(parse(_nested(levels, "")), Refusal)


def test_brackets_in_a_string_are_not_depth() -> None:
    assert isinstance(parse(_arguments('"' + "[{" * 500 + '"')), Message)


def test_a_request_a_notification_and_a_response_are_told_apart() -> None:
    assert _parsed(_call()).kind == "request"
    assert _parsed(b'{"jsonrpc":"2.0","method":"notifications/x"}').kind == "notification"
    assert _parsed(b'{"jsonrpc":"2.0","id":"a","result":null}').kind == "response"


@pytest.mark.parametrize("identity", ["0", "-1", '"\\u0041"', '""', "1" + "0" * 40])
def test_an_id_keeps_its_type_and_every_digit(identity: str) -> None:
    message = _parsed(_call().replace(b'"id":1', f'"id":{identity}'.encode()))
    assert message.id is not None
    answer = json.loads(encode.message(message.id, "result", b"{}"))
    assert answer["id"] == json.loads(identity)
    assert type(answer["id"]) is type(json.loads(identity))


def test_members_that_differ_in_case_are_the_tools_own_business() -> None:
    assert _parsed(_arguments('{"a":1,"A":2}')).arguments == {"value": {"a": 1, "A": 2}}


def test_meta_and_arguments_are_empty_where_they_are_absent() -> None:
    message = _parsed(_call())
    assert (message.meta, message.arguments) == ({}, {})


EXACT = [
    "9" * 40,
    "-" + "9" * 40,
    str(2**63),
    str(2**64),
    "1.0",
    "1e22",
    "-0.0",
    "-0",
    "5e-324",
    "0.1",
    "1E5",
    '"\\u0000\\u2028"',
]


@pytest.mark.parametrize("text", EXACT)
def test_what_is_forwarded_is_what_was_judged_to_the_last_digit(text: str) -> None:
    judged = _parsed(_arguments(text)).arguments["value"]
    forwarded = json.loads(encode.value(judged))
    assert (forwarded, type(forwarded), str(forwarded)) == (judged, type(judged), str(judged))


def _value(chance: random.Random, depth: int) -> object:
    if depth == 0 or chance.random() < 0.5:
        size = 10 ** chance.randint(1, 60)
        simple: list[object] = [
            *(None, True, False, 0, -0.0, "", '\U0001f4b6 \\ " / \x7f \u2028'),
            chance.randint(-size, size),
            chance.uniform(-1, 1) * 10.0 ** chance.randint(-300, 300),
            "".join(chr(chance.choice([9, 34, 92, 127, 0xE9, 0x1F600, *range(32, 126)])) for _ in range(9)),
        ]
        return chance.choice(simple)
    if chance.random() < 0.5:
        return [_value(chance, depth - 1) for _ in range(chance.randint(0, 4))]
    return {f"{chance.random()}\u00e9": _value(chance, depth - 1) for _ in range(chance.randint(0, 4))}


@pytest.mark.parametrize("seed", range(20))
def test_any_value_leaves_with_the_meaning_it_came_with(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - values to test with, not secrets
    for _ in range(20):
        params = {"name": "t", "arguments": {"value": _value(chance, 6)}}
        body = json.dumps(
            {"jsonrpc": "2.0", "id": seed, "method": "tools/call", "params": params},
            ensure_ascii=chance.random() < 0.5,
            indent=chance.choice([None, 1]),
        )
        message = _parsed(body.encode())
        sent = encode.request(7, message.method, message.params)
        assert b"\n" not in sent
        assert json.dumps(json.loads(sent)["params"]) == json.dumps(params)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_message_is_refused_or_read_as_python_reads_it(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - values to test with, not secrets
    for _ in range(50):
        body = bytearray(_arguments('{"a":[1,-2.5e3,true,"x\\u00e9"],"b":{}}'))
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.choice(b'\x00\xff"{}[],:\\e-0 ')
        message = parse(bytes(body))
        if isinstance(message, Message):
            assert json.loads(body).get("params", {}) == message.params
