"""What leaves is one line of JSON around exact payloads, or one event."""

import json

import pytest
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS

from tallystick.terms import Refusal
from tallystick.wire import ERAS, MODERN, EventReader, encode


@pytest.mark.parametrize("request_id", [0, -5, 10**40, "", 'a"\\\n\u2028\u00e9'])
def test_a_response_carries_the_clients_own_id_and_the_exact_payload(request_id: int | str) -> None:
    payload = b'{ "a" : 1.50 }'
    message = encode.message(request_id, "result", payload)
    assert json.loads(message) == {"jsonrpc": "2.0", "id": request_id, "result": {"a": 1.5}}
    assert payload in message


def test_a_notification_has_no_id() -> None:
    assert json.loads(encode.request(None, "m", {"a": 1})) == {"jsonrpc": "2.0", "method": "m", "params": {"a": 1}}


@pytest.mark.parametrize("text", [b'{"a":1}', b'{\n"a":\r\n1\r}', b'{"a":1}\n', b'\n{"a":1}', b'{"a":"\xe2\x80\xa8"}'])
def test_a_message_with_any_line_breaks_is_one_event(text: bytes) -> None:
    events = EventReader(100).feed(encode.event(text))
    assert not isinstance(events, Refusal)
    assert [json.loads(event) for event in events] == [json.loads(text)]


@pytest.mark.parametrize("code", [*ERROR_CODE_HTTP_STATUS, -32603, -32002, -32042, -32000, -31003, 0, 1, 404])
def test_an_error_of_a_server_travels_under_the_status_that_its_code_has(code: int) -> None:
    assert encode.status_of(code, ERAS[MODERN]) == ERROR_CODE_HTTP_STATUS.get(code, 200)
    assert {encode.status_of(code, era) for era in ERAS.values() if era.sessions} == {200}
