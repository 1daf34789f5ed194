"""Signing and checking messages: Standard Webhooks 1.0 (symmetric, `v1`), and Jira's form of WebSub's signatures."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.terms import Reason, Refusal

WINDOW_S: Final = 300.0
"""Seconds that a message may be older or newer than now (Standard Webhooks: five minutes)."""
_PREFIX: Final = "whsec_"
_LONGEST_ID: Final = 256

UNSIGNED: Final = Refusal(
    "unauthenticated",
    (Reason.HOOK_UNSIGNED,),
    "The message is not signed by whom this webhook trusts. Check the secret on both sides.",
)
STALE: Final = Refusal(
    "unauthenticated",
    (Reason.HOOK_STALE,),
    "The message was signed too long ago, or in the future. Check the clocks, and send it again.",
)


class Signed(NamedTuple):
    """A message whose signature holds: its id, and when it was signed, in seconds since the epoch."""

    id: str
    at: float


def sign(secret: bytes, message: str, at: float, body: bytes) -> dict[str, str]:
    """Return the headers that sign a message of this id and time (Standard Webhooks, "Signature scheme")."""
    moment = str(int(at))
    return {
        "webhook-id": message,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{_standard(secret, message, moment, body)}",
    }


def verify(secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> Signed | Refusal:
    """Check a message by Standard Webhooks; one good signature of several is enough.

    `headers` have names in lower case; `now` is in seconds since the epoch.
    """
    message, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not 0 < len(message) <= _LONGEST_ID or not (moment.isascii() and moment.isdecimal()):
        return UNSIGNED
    wanted = _standard(secret, message, moment, body).encode()
    given = [part.partition(",") for part in headers.get("webhook-signature", "").split(" ")]
    held = [hmac.compare_digest(wanted, text.encode()) for form, _, text in given if form == "v1"]
    if not any(held):
        return UNSIGNED
    return Signed(message, float(moment)) if abs(now - float(moment)) <= WINDOW_S else STALE


def verify_jira(secret: bytes, headers: Mapping[str, str], body: bytes) -> str | Refusal:
    """Check a message of Jira: `X-Hub-Signature: sha256=<HMAC of the body>` (WebSub 7.1). Its id is that of its body.

    Jira signs no header, so what it says about time stands in the body, and the id must not come from a header either.
    """
    form, _, given = headers.get("x-hub-signature", "").partition("=")
    wanted = hmac.new(secret, body, hashlib.sha256).hexdigest()
    if form != "sha256" or not hmac.compare_digest(wanted.encode(), given.encode()):
        return UNSIGNED
    return hashlib.sha256(body).hexdigest()


def _standard(secret: bytes, message: str, moment: str, body: bytes) -> str:
    signed = b".".join((message.encode(), moment.encode(), body))
    return base64.b64encode(hmac.new(_key(secret), signed, hashlib.sha256).digest()).decode()


def _key(secret: bytes) -> bytes:
    """A secret is base64 after its prefix; one without the prefix is its own bytes."""
    text = secret.decode(errors="replace")
    if not text.startswith(_PREFIX):
        return secret
    try:
        return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        return secret
