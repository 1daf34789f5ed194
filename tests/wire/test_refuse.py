"""Every refusal has a code and a status, and no code of ours can be taken for one of the protocol's."""

import json
from typing import get_args

import msgspec
import pytest

from tallystick.terms import Reason, Refusal
from tallystick.terms.refusal import Code
from tallystick.wire import ERAS, MODERN, Era, encode

CODES: tuple[Code, ...] = get_args(Code)
STANDARD = {-32700, -32600, -32601, -32602, -32603}  # JSON-RPC 2.0, section 5.1
OF_MCP = {-32020, -32021, -32022}  # MCP 2026-07-28, basic/index


def _told(refusal: Refusal, version: str = MODERN, record: int | None = None) -> tuple[int, dict[str, object]]:
    status, body = encode.refusal(refusal, "id-1", ERAS[version], record)
    message = json.loads(body)
    assert (message["jsonrpc"], message["id"]) == ("2.0", "id-1")
    return status, message["error"]


@pytest.mark.parametrize("reason", sorted(set(Reason) - {Reason.ARGUMENTS_INVALID, Reason.CONTEXT_REQUIRED}))
@pytest.mark.parametrize("code", CODES)
def test_every_refusal_has_a_code_that_is_standard_or_outside_the_reserved_band(code: Code, reason: Reason) -> None:
    status, error = _told(Refusal(code, (reason,), "text"))
    number = error["code"]
    assert isinstance(number, int)
    assert number in STANDARD | OF_MCP or not -32768 <= number <= -32000
    assert 200 <= status < 600
    assert error["data"] == {"tallystick.dev/reasons": [reason]} or reason is Reason.VERSION_UNSUPPORTED


@pytest.mark.parametrize(
    ("reason", "code", "status"),
    [
        (Reason.HEADER_MISMATCH, -32020, 400),
        (Reason.VERSION_UNSUPPORTED, -32022, 400),
        (Reason.META_MISSING, -32602, 400),
        (Reason.METHOD_UNKNOWN, -32601, 404),
        (Reason.SESSION_UNKNOWN, -32600, 404),
    ],
)
def test_what_the_protocol_has_a_word_for_is_told_in_its_word(reason: Reason, code: int, status: int) -> None:
    told, error = _told(Refusal("invalid", (reason,), "text"))
    assert (told, error["code"]) == (status, code)


def test_an_unsupported_version_is_told_what_is_spoken() -> None:
    _, error = _told(Refusal("invalid", (Reason.VERSION_UNSUPPORTED,), "text"))
    told = error["data"]
    assert isinstance(told, dict)
    assert told["supported"] == list(ERAS)


def test_an_unknown_method_is_not_an_unknown_session() -> None:
    refusal = Refusal("invalid", (Reason.METHOD_UNKNOWN,), "text")
    assert [_told(refusal, version)[0] for version in ERAS] == [404, 200, 200]


def test_the_caller_is_told_the_record_and_never_the_detail() -> None:
    refusal = Refusal("upstream", (Reason.UPSTREAM_BROKEN,), "public", "secret detail", ("policy-7",))
    _, error = _told(refusal, record=12)
    assert error["message"] == "public"
    assert error["data"] == {"tallystick.dev/reasons": ["upstream_broken"], "tallystick.dev/record": 12}


def test_a_request_without_a_readable_id_is_answered_with_null() -> None:
    _, body = encode.refusal(Refusal("invalid", (Reason.MALFORMED,), "text"), None, None)
    assert json.loads(body)["id"] is None


@pytest.mark.parametrize("era", ERAS.values(), ids=ERAS)
@pytest.mark.parametrize("reason", [Reason.ARGUMENTS_INVALID, Reason.CONTEXT_REQUIRED])
def test_what_a_model_can_put_right_is_told_to_it_where_the_era_has_a_way(era: Era, reason: Reason) -> None:
    unfit = Refusal("invalid", (reason,), "`amount` is no integer.")
    status, body = encode.refusal(unfit, 7, era, 41)
    message = msgspec.json.decode(body, type=dict[str, object])
    assert (status, message["id"]) == (200, 7)
    if era.version == "2025-06-18":
        assert msgspec.convert(message["error"], dict[str, object])["code"] == -32602
        return
    result = msgspec.convert(message["result"], dict[str, object])
    assert result == {
        **({} if era.sessions else {"resultType": "complete"}),
        "content": [{"type": "text", "text": "`amount` is no integer."}],
        "isError": True,
        "_meta": {"tallystick.dev/reasons": [reason], "tallystick.dev/record": 41},
    }
