"""What a client can be asked is what it declared, in whatever shape its server asks."""

import pytest

from tallystick.gateway.bridge.heard import can_answer
from tallystick.gateway.upstream.model import Client
from tests.gateway.bridge.stage import Json

ELICITATION = "elicitation/create"


@pytest.mark.parametrize(
    ("declared", "params", "may"),
    [
        ({}, {}, True),
        ({}, {"mode": "form"}, True),
        ({}, {"mode": "url"}, False),
        ({"form": {}}, {}, True),
        ({"form": {}}, {"mode": "url"}, False),
        ({"url": {}}, {}, False),
        ({"url": {}}, {"mode": "url"}, True),
        ({"url": {}}, {"mode": {}}, False),
        ({"url": {}}, {"mode": ["url"]}, False),
        ({"form": {}}, {"mode": None}, False),
        ({}, {"mode": {}}, False),
    ],
)
def test_a_client_is_asked_in_a_mode_that_it_declared(declared: Json, params: Json, may: bool) -> None:  # noqa: FBT001 - a column of the table
    assert can_answer(Client({"elicitation": declared}), ELICITATION, params) is may


@pytest.mark.parametrize("method", [ELICITATION, "sampling/createMessage", "roots/list", "tools/call", "sampling/x"])
@pytest.mark.parametrize("declared", [{}, {"elicitation": None}, {"tools": {}}])
def test_a_client_is_asked_nothing_that_it_did_not_declare(declared: Json, method: str) -> None:
    assert not can_answer(Client(declared), method, {})
