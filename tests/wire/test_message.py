"""One message has one meaning, or none: what is judged here is what a server will read."""

import json
import random

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.terms.strict_json import MAX_DEPTH
from tallystick.wire import Message, encode, parse
from tallystick.wire.message import MAX_CODE, parse_carefully

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
    assert _parsed(b'{"jsonrpc":"2.0","id":"a","result":{}}').kind == "response"


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


def _same(body: bytes) -> bool:
    """Whether there is a reading. Both have to agree on that, and on the value to the last digit and type."""
    quick, careful = parse(body), parse_carefully(body)
    if isinstance(careful, Refusal):
        assert isinstance(quick, Refusal), body
        return False
    assert repr(quick) == repr(careful), body
    return True


@pytest.mark.parametrize("body", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
def test_what_the_careful_reading_refuses_the_quick_one_refuses(body: bytes) -> None:
    assert not _same(body)


@pytest.mark.parametrize("text", EXACT)
def test_both_readings_see_the_same_digits(text: str) -> None:
    assert _same(_arguments(text))
    assert _same(_arguments(f'{{"a":[{text},{text}]}}'))


SPELLINGS = [
    *(
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "1.0",
        "1.00",
        "1e0",
        "1E0",
        "1e+0",
        "10e-1",
        "01",
        "1.",
        ".5",
        "+1",
        "0x1",
        "1_0",
    ),
    *("1e308", "1.7976931348623157e308", "1.7976931348623159e308", "1e309", "-1e999", "4.9e-324", "1e-400", "1e22"),
    *("9007199254740993", "9007199254740993.0", "18446744073709551615", "18446744073709551616", "9" * 400, "1" * 4301),
    *("NaN", "Infinity", "-Infinity", "nan", "true", "True", "null", "undefined", "None", ""),
    *('""', '"a"', '"\\u0061"', '"\\u00E9"', '"\\u00e9"', '"\u00e9"', '"\\/"', '"/"', '"\\u002f"', '"\\b\\f\\n\\r\\t"'),
    *(
        '"\\u0000"',
        '"\\u001f"',
        '"\\u001F"',
        '"\x7f"',
        '"\t"',
        '"\\x41"',
        '"\\ud83d\\ude00"',
        '"\U0001f600"',
        '"\\ud83d"',
    ),
    *('"\\ude00"', '"\\udE00\\ud83d"', '"\\u2028"', '"\u2028"', '"\ufeff"', '"\\"', '"a', "'a'", '"\\uD8"'),
    *('{"a":1,"a":1}', '{"a":1,"\\u0061":1}', '{"a":1,"A":1}', '{"":1,"":2}', '{"a":1,}', '{"a"}', "{1:1}", "{}", "[]"),
    *(
        "[1,]",
        "[,]",
        "[[[]]]",
        '[{"a":[{"a":1,"a":2}]}]',
        "[1 ,2]",
        '{"a" :1}',
        "/**/1",
        "1//",
        '{"e\u0301":1,"\u00e9":1}',
    ),
]


@pytest.mark.parametrize("text", SPELLINGS, ids=lambda text: text[:30])
def test_both_readings_agree_on_every_spelling(text: str) -> None:
    for value in (text, f"[{text}]", f'{{"k":{text}}}', f"{text} ", f"{text}\n"):
        _same(_arguments(value))
        _same(_call(f'{{"name":"t","_meta":{{"progressToken":{value}}}}}'))
        _same(_call().replace(b'"id":1', b'"id":' + value.encode()))


NAMES = [
    *(
        "jsonrpc",
        "id",
        "method",
        "params",
        "result",
        "error",
        "name",
        "arguments",
        "_meta",
        "uri",
        "progressToken",
        "a",
    ),
    *(
        "ID",
        "Method",
        f"param{LONG_S}",
        f"progressTo{KELVIN}en",
        "\\u0069d",
        "method ",
        "_Meta",
        "Arguments",
        "code",
        "message",
    ),
]


def _text(chance: random.Random, depth: int) -> str:
    if depth == 0 or chance.random() < 0.4:
        return chance.choice(SPELLINGS)
    inner = [_text(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    space = chance.choice(["", "", "", " ", "\n"])
    if chance.random() < 0.5:
        return "[" + f",{space}".join(inner) + "]"
    return "{" + f",{space}".join(f'"{chance.choice(NAMES)}":{value}' for value in inner) + "}"


@pytest.mark.parametrize("seed", range(40))
def test_both_readings_agree_on_any_text_at_all(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - values to test with, not secrets
    read = 0
    for _ in range(100):
        members = [f'"{chance.choice(NAMES)}":{_text(chance, 3)}' for _ in range(chance.randint(0, 2))]
        good = ['"jsonrpc":"2.0"', '"id":1', '"method":"tools/call"', f'"params":{{"arguments":{_text(chance, 3)}}}']
        chance.shuffle(both := members + good)
        read += _same(("{" + ",".join(both) + "}").encode())
        value = json.dumps(_value(chance, 4), ensure_ascii=chance.random() < 0.5, separators=(",", ":"))
        whole = bytearray(_arguments(value))
        read += _same(bytes(whole))
        whole[chance.randrange(len(whole))] = chance.choice(b'\x00\xff\xed\xa0"{}[],:\\ue-0 ')
        read += _same(bytes(whole))
    assert read > 50


def test_what_we_write_ourselves_is_read_back_at_once() -> None:
    for text in EXACT:
        written = encode.request(1, "tools/call", _parsed(_arguments(text)).params)
        assert parse(written) == parse_carefully(written)


@pytest.mark.parametrize("result", ["{}", '{"action":"accept","content":{"a":1.50,"b":[1e5]}}', '{ "b" : "\\u00e9" }'])
def test_a_clients_answer_is_carried_as_canonical_bytes(result: str) -> None:
    message = _parsed(f'{{"jsonrpc":"2.0","id":7,"result":{result}}}'.encode())
    assert (message.kind, message.id, message.rpc_code) == ("response", 7, None)
    assert message.payload == encode.value(json.loads(result))


def test_a_clients_error_is_carried_with_its_code() -> None:
    message = _parsed(b'{"jsonrpc":"2.0","id":"q","error":{"code":-1, "message":"no","data":[1]}}')
    assert (message.rpc_code, message.payload) == (-1, b'{"code":-1,"message":"no","data":[1]}')


NO_ANSWERS = [
    *('"result":null', '"result":[]', '"result":"x"', '"error":null', '"error":[]', '"error":{}', '"error":{"code":1}'),
    *('"error":{"message":"m"}', '"error":{"code":"1","message":"m"}', '"error":{"code":1.0,"message":"m"}'),
    *('"error":{"code":true,"message":"m"}', '"error":{"code":1,"message":null}', '"result":{},"params":{}'),
    *(f'"error":{{"code":{MAX_CODE + 1},"message":"m"}}', '"result":{"a":1,"a":2}', '"result":{},"Result":{}'),
]


@pytest.mark.parametrize("end", NO_ANSWERS)
def test_an_answer_that_no_server_could_read_is_refused(end: str) -> None:
    assert isinstance(parse(f'{{"jsonrpc":"2.0","id":7,{end}}}'.encode()), Refusal)
