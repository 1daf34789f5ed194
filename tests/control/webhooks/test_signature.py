"""Signatures, held against the reference implementation of Standard Webhooks."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tallystick.control.webhooks.signature import STALE, UNSIGNED, WINDOW_S, Signed, sign, verify, verify_jira
from tests.control.webhooks.world import today

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"server.submitted","text":"Zürich \N{SNOWMAN}"}'.encode()


def test_the_reference_implementation_takes_what_we_sign() -> None:
    Webhook(SECRET).verify(BODY, sign(SECRET.encode(), "msg_1", today(), BODY))


def test_the_reference_implementation_refuses_what_was_changed() -> None:
    headers = sign(SECRET.encode(), "msg_1", today(), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + base64.b64encode(b"x" * 24).decode()).verify(BODY, headers)


def test_we_take_what_the_reference_implementation_signs() -> None:
    at = datetime.fromtimestamp(1_700_000_000, UTC)
    headers = {
        "webhook-id": "msg_2",
        "webhook-timestamp": "1700000000",
        "webhook-signature": Webhook(SECRET).sign("msg_2", at, BODY.decode()),
    }
    assert verify(SECRET.encode(), headers, BODY, 1_700_000_000) == Signed("msg_2", 1_700_000_000)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "msg_2"},
        {"webhook-id": ""},
        {"webhook-id": "m" * 257},
        {"webhook-timestamp": "1700000001"},
        {"webhook-timestamp": "1700000000.0"},
        {"webhook-timestamp": "\N{SUPERSCRIPT TWO}700000000"},
        {"webhook-timestamp": ""},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,"},
        {"webhook-signature": "v2,\N{SNOWMAN}"},
    ],
)
def test_a_message_with_another_header_is_not_signed(changed: dict[str, str]) -> None:
    headers = sign(SECRET.encode(), "msg_1", 1_700_000_000, BODY)
    assert verify(SECRET.encode(), {**headers, **changed}, BODY, 1_700_000_000) is UNSIGNED


def test_another_form_of_the_same_signature_does_not_count() -> None:
    headers = sign(SECRET.encode(), "msg_1", 1_700_000_000, BODY)
    given = headers["webhook-signature"].removeprefix("v1,")
    for form in ("v1a", "v2", "", "V1"):
        assert (
            verify(SECRET.encode(), {**headers, "webhook-signature": f"{form},{given}"}, BODY, 1_700_000_000)
            is UNSIGNED
        )


def test_one_good_signature_of_several_is_enough() -> None:
    headers = sign(SECRET.encode(), "msg_1", 1_700_000_000, BODY)
    several = {**headers, "webhook-signature": f"v1a,abc v1,xyz {headers['webhook-signature']}"}
    assert isinstance(verify(SECRET.encode(), several, BODY, 1_700_000_000), Signed)


@pytest.mark.parametrize(
    ("age", "is_taken"), [(0.0, True), (WINDOW_S, True), (-WINDOW_S, True), (301.0, False), (-301.0, False)]
)
def test_a_message_is_taken_within_five_minutes_only(age: float, *, is_taken: bool) -> None:
    headers = sign(SECRET.encode(), "msg_1", 1_700_000_000, BODY)
    found = verify(SECRET.encode(), headers, BODY, 1_700_000_000 + age)
    assert found == (Signed("msg_1", 1_700_000_000) if is_taken else STALE)


def test_a_secret_without_the_prefix_is_its_own_bytes() -> None:
    given = sign(b"plain", "m", 1.0, b"{}")["webhook-signature"].removeprefix("v1,")
    assert base64.b64decode(given) == hmac.new(b"plain", b"m.1.{}", hashlib.sha256).digest()


def test_jira_signs_the_body_with_the_secret_as_it_is() -> None:
    # The example of Atlassian's documentation on securing admin webhooks.
    body, secret = b"Hello World!", b"It's a Secret to Everybody"
    given = {"x-hub-signature": "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9"}
    assert verify_jira(secret, given, body) == hashlib.sha256(body).hexdigest()
    assert verify_jira(secret, given, body + b"!") is UNSIGNED
    assert verify_jira(secret + b"!", given, body) is UNSIGNED
    for wrong in ("", "sha256=", "sha1=" + given["x-hub-signature"][7:], given["x-hub-signature"][7:], "sha256=ä"):
        assert verify_jira(secret, {"x-hub-signature": wrong}, body) is UNSIGNED
    assert verify_jira(secret, {}, body) is UNSIGNED
