"""What a request state is about: all that makes the request which it was given for, and nothing that may change."""

import pytest

from tallystick.gateway.target import subject_of
from tallystick.wire import Message

CALL = Message("request", "tools/call", 1, {"name": "pay", "arguments": {"to": "a"}})
READ = Message("request", "resources/read", 1, {"uri": "x:1"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((CALL, "pay"), (CALL, "pay_too")),
        ((CALL, "pay"), (CALL._replace(params={"name": "pay", "arguments": {"to": "b"}}), "pay")),
        ((CALL, "pay"), (CALL._replace(params={"name": "pay"}), "pay")),
        ((READ, ""), (READ._replace(params={"uri": "x:2"}), "")),
        ((READ, ""), (READ._replace(method="prompts/get"), "")),
    ],
    ids=["tool", "arguments", "no arguments", "parameters", "method"],
)
def test_another_request_is_about_something_else(one: tuple[Message, str], other: tuple[Message, str]) -> None:
    assert subject_of(*one) != subject_of(*other)


def test_what_a_retry_adds_makes_no_difference() -> None:
    retried: dict[str, object] = {"_meta": {"progressToken": 1}, "requestState": "s", "inputResponses": {"k": {}}}
    for message, tool in ((CALL, "pay"), (READ, "")):
        again = message._replace(id=2, params={**message.params, **retried})
        assert subject_of(again, tool) == subject_of(message, tool)
