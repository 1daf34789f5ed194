"""What a client tells under our own prefix: taken out whole, read strictly, and never passed on."""

import pytest

from tallystick.gateway.context import NOTHING, Given, read, take, trace_of
from tallystick.gateway.context.told import LONGEST, LONGEST_NAME
from tallystick.terms import Reason, Refusal
from tallystick.wire import Headers, Message

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


def _message(meta: object) -> Message:
    return Message("request", "tools/call", 1, {"name": "pay", "arguments": {}, "_meta": meta})


def test_what_is_ours_is_taken_out_of_the_message_and_nothing_else_is() -> None:
    others = {"progressToken": 1, "traceparent": PARENT, "other.example/prompt": "x", "prompt": "y"}
    message = _message({**others, "tallystick.dev/prompt": "p", "tallystick.dev/receipt": True})
    assert take(message) == {"prompt": "p", "receipt": True}
    assert message.params["_meta"] == others


@pytest.mark.parametrize("name", ["tallystick.dev/Prompt", "TALLYSTICK.DEV/prompt", "tallystick.dev/whatever"])
def test_a_misspelled_member_leaves_no_more_than_a_known_one(name: str) -> None:
    message = _message({name: "the user's own words", "progressToken": 1})
    told = take(message)
    assert message.params["_meta"] == {"progressToken": 1}
    assert read(told) == NOTHING


@pytest.mark.parametrize("params", [{}, {"_meta": {}}, {"_meta": {"io.modelcontextprotocol/protocolVersion": "x"}}])
def test_a_message_that_tells_nothing_is_left_as_it_is(params: dict[str, object]) -> None:
    before = repr(params)
    assert take(Message("request", "ping", 1, params)) == {}
    assert repr(params) == before
    assert read({}) is NOTHING


def test_everything_that_can_be_told_is_read() -> None:
    told = {"prompt": "pay Ada", "intent": "settle", "reason": "the only one", "model": "m-1", "prompt-set": "v7"}
    given = read({**told, "receipt": True})
    context = (("prompt", "meta", b"pay Ada"), ("intent", "meta", b"settle"), ("reason", "meta", b"the only one"))
    assert given == Given(context, "m-1", "v7", receipt=True)
    assert Given(context).parts == {"prompt", "intent", "reason"}


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"prompt": 7}, Reason.MALFORMED),
        ({"intent": ["x"]}, Reason.MALFORMED),
        ({"prompt": "x" * (LONGEST + 1)}, Reason.TOO_LARGE),
        ({"prompt": "é" * (LONGEST // 2 + 1)}, Reason.TOO_LARGE),
        ({"model": "m" * (LONGEST_NAME + 1)}, Reason.TOO_LARGE),
        ({"prompt-set": {}}, Reason.MALFORMED),
        ({"receipt": "yes"}, Reason.MALFORMED),
    ],
)
def test_what_cannot_be_kept_as_it_was_meant_is_refused_by_name(told: dict[str, object], reason: Reason) -> None:
    refused = read(told)
    assert isinstance(refused, Refusal)
    assert refused.reasons == (reason,)
    assert f"tallystick.dev/{next(iter(told))}" in refused.public_text


def test_text_that_is_no_unicode_is_refused() -> None:
    assert isinstance(read({"prompt": "\ud800"}), Refusal)


@pytest.mark.parametrize("content", ["x" * LONGEST, "é" * (LONGEST // 2)])
def test_the_longest_text_is_kept_whole(content: str) -> None:
    given = read({"prompt": content})
    assert isinstance(given, Given)
    assert given.context == (("prompt", "meta", content.encode()),)


def test_an_empty_text_tells_nothing() -> None:
    assert read({"prompt": "", "model": "", "receipt": False}) == NOTHING


def test_the_reason_that_the_model_filled_in_counts_before_that_of_its_client() -> None:
    given = read({"reason": "of the client", "prompt": "p"})
    assert isinstance(given, Given)
    assert given.with_argument("of the model").context == (
        ("prompt", "meta", b"p"),
        ("reason", "argument", b"of the model"),
    )


@pytest.mark.parametrize("reason", [None, "", 7, "x" * 2001, "\ud800"])
def test_what_is_no_reason_does_not_take_the_place_of_one(reason: object) -> None:
    given = Given((("reason", "meta", b"of the client"),))
    assert given.with_argument(reason) == given


@pytest.mark.parametrize(
    ("meta", "header", "trace"),
    [
        ({"traceparent": PARENT}, None, TRACE),
        ({}, PARENT, TRACE),
        ({"traceparent": PARENT}, PARENT.replace("4bf9", "aaaa"), TRACE),
        ({"traceparent": "garbage"}, PARENT, TRACE),
        ({"traceparent": 7}, None, None),
        ({}, f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-brings", TRACE),
        ({}, f"{PARENT}-more", None),
        ({}, PARENT.replace("00-", "ff-", 1), None),
        ({}, PARENT.upper(), None),
        ({}, f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        ({}, f"00-{TRACE}-{'0' * 16}-01", None),
        ({}, PARENT + "\n", None),
        ({}, None, None),
    ],
)
def test_a_trace_is_what_trace_context_has_for_one(
    meta: dict[str, object], header: str | None, trace: str | None
) -> None:
    assert trace_of(_message(meta), Headers(trace=header)) == trace
