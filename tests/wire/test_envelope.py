"""The HTTP envelope and the body say the same thing, or the request goes no further."""

import dataclasses

import pytest

from tallystick.terms import Reason, Refusal
from tallystick.wire import ERAS, MODERN, Era, Headers, Message
from tallystick.wire.envelope import admit, name_header
from tallystick.wire.message import CAPABILITIES_KEY, VERSION_KEY

SESSION_ERAS = [version for version in ERAS if ERAS[version].sessions]


def _modern(method: str = "tools/call", **params: object) -> Message:
    meta: dict[str, object] = {VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}
    return Message("request", method, 1, {"_meta": meta, **params})


def _headers(message: Message, **changed: str | None) -> Headers:
    name = name_header(message.method, message.params)
    headers = Headers(version=MODERN, method=message.method, name=name)
    return dataclasses.replace(headers, **changed)


def _reason(answer: Era | Refusal) -> Reason | None:
    return answer.reasons[0] if isinstance(answer, Refusal) else None


def test_a_request_whose_headers_repeat_its_body_is_admitted() -> None:
    message = _modern(name="pay")
    assert admit(message, _headers(message)) is ERAS[MODERN]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"duplicated": "mcp-name"}, Reason.HEADER_MISMATCH),
        ({"version": None}, Reason.HEADER_MISMATCH),
        ({"version": "2025-11-25"}, Reason.HEADER_MISMATCH),
        ({"method": None}, Reason.HEADER_MISMATCH),
        ({"method": "tools/list"}, Reason.HEADER_MISMATCH),
        ({"method": "TOOLS/CALL"}, Reason.HEADER_MISMATCH),
        ({"name": None}, Reason.HEADER_MISMATCH),
        ({"name": "Pay"}, Reason.HEADER_MISMATCH),
        ({"name": "pay "}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?cGF5"}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?cGF5!?="}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?\u00e9?="}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?/w==?="}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?="}, Reason.HEADER_MISMATCH),
        ({"name": "=?BASE64?cGF5?="}, Reason.HEADER_MISMATCH),
        ({"name": "=?base64?cGF5?="}, None),
    ],
    ids=str,
)
def test_a_header_that_contradicts_the_body_is_refused(changed: dict[str, str | None], reason: Reason | None) -> None:
    message = _modern(name="pay")
    assert _reason(admit(message, _headers(message, **changed))) is reason


def test_a_name_of_another_type_never_matches_its_text() -> None:
    message = _modern(name=5)
    assert _reason(admit(message, _headers(message, name="5"))) is Reason.HEADER_MISMATCH


def test_an_empty_name_is_not_matched_by_half_a_marker() -> None:
    message = _modern(name="")
    assert _reason(admit(message, _headers(message, name="=?base64?="))) is Reason.HEADER_MISMATCH
    assert isinstance(admit(message, _headers(message)), Era)


def _with_meta(meta: dict[str, object]) -> Message:
    return Message("request", "tools/list", 1, {"_meta": meta})


@pytest.mark.parametrize(
    ("meta", "version", "reason"),
    [
        ({}, MODERN, Reason.META_MISSING),
        ({CAPABILITIES_KEY: {}}, MODERN, Reason.META_MISSING),
        ({VERSION_KEY: MODERN}, MODERN, Reason.META_MISSING),
        ({VERSION_KEY: MODERN, CAPABILITIES_KEY: []}, MODERN, Reason.META_MISSING),
        ({VERSION_KEY: MODERN, CAPABILITIES_KEY: {}}, "2099-01-01", Reason.HEADER_MISMATCH),
        ({VERSION_KEY: 5, CAPABILITIES_KEY: {}}, "5", Reason.HEADER_MISMATCH),
        # A later revision may ask for other members, so its version is answered first.
        ({VERSION_KEY: "2099-01-01"}, "2099-01-01", Reason.VERSION_UNSUPPORTED),
        ({}, "2099-01-01", Reason.VERSION_UNSUPPORTED),
        ({}, "2025-03-26", Reason.VERSION_UNSUPPORTED),
        ({}, None, Reason.VERSION_UNSUPPORTED),
    ],
)
def test_each_rung_of_the_version_ladder_has_its_own_reason(
    meta: dict[str, object], version: str | None, reason: Reason
) -> None:
    answer = admit(_with_meta(meta), Headers(version=version, method="tools/list"))
    assert _reason(answer) is reason


def test_a_long_version_is_not_echoed_in_full() -> None:
    answer = admit(_with_meta({}), Headers(version="9" * 10_000))
    assert isinstance(answer, Refusal)
    assert len(answer.public_text) < 300


@pytest.mark.parametrize("version", SESSION_ERAS)
def test_an_era_with_sessions_needs_no_mirrored_headers(version: str) -> None:
    assert admit(_with_meta({}), Headers(version=version)) is ERAS[version]


def test_a_request_that_names_only_its_session_is_left_to_the_session() -> None:
    answer = admit(_with_meta({}), Headers(session="sealed"))
    assert isinstance(answer, Era)
    assert answer.sessions


OTHERS: tuple[object, ...] = (MODERN, "2024-11-05", None, 5)


@pytest.mark.parametrize(
    ("wanted", "agreed"),
    [*((version, version) for version in SESSION_ERAS), *((other, "2025-11-25") for other in OTHERS)],
)
def test_initialize_agrees_on_a_version_with_sessions(wanted: object, agreed: str) -> None:
    answer = admit(Message("request", "initialize", 1, {"protocolVersion": wanted}), Headers())
    assert isinstance(answer, Era)
    assert answer.version == agreed


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("pay", "pay"),
        ("pay now", "pay now"),
        ("", ""),
        (" pay", "=?base64?IHBheQ==?="),
        ("caf\u00e9", "=?base64?Y2Fmw6k=?="),
        ("a\r\nAuthorization: x", "=?base64?YQ0KQXV0aG9yaXphdGlvbjogeA==?="),
        ("=?base64?cGF5?=", "=?base64?PT9iYXNlNjQ/Y0dGNT89?="),
        ("\x7f", "=?base64?fw==?="),
    ],
)
def test_a_name_becomes_a_header_and_is_read_back(name: str, header: str) -> None:
    message = _modern(name=name)
    assert name_header("tools/call", message.params) == header
    assert isinstance(admit(message, _headers(message)), Era)


def test_only_methods_that_name_something_carry_a_name() -> None:
    assert name_header("resources/read", {"uri": "file:///a", "name": "b"}) == "file:///a"
    assert name_header("prompts/get", {"name": "p"}) == "p"
    assert name_header("tools/list", {"name": "p"}) is None
    assert name_header("tools/call", {}) is None


def test_a_response_has_no_place_where_nobody_is_asked() -> None:
    answer = Message("response", "", 1, {}, b"{}")
    assert _reason(admit(answer, Headers(version=MODERN))) is Reason.MALFORMED
    assert [admit(answer, Headers(version=version)) for version in SESSION_ERAS] == [ERAS[v] for v in SESSION_ERAS]
