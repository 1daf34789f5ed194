"""What a receiver's message means: whose word it is, on which ticket, and whether it says yes or no. Pure.

Jira's `jira:issue_updated` (a status among the items of its changelog), the message of ServiceNow's business rule, and
our own form. A message that is none of a reviewer's business means nothing, and is no error.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tallystick.control.lifecycle.read import is_list, is_object, section, text
from tallystick.control.webhooks.hook import Hook
from tallystick.terms import Reason, Refusal, strict_json

_MILLISECONDS: Final = 1000
_LONGEST: Final = 2**53
"""Milliseconds beyond which nothing is a time."""


class Verdict(NamedTuple):
    """A reviewer's word. Exactly one of `ticket` (an id there) and `resource` (`server/risk`) is set.

    `version` and `definition` are what a message in our own form says was looked at.
    """

    says: Literal["approve", "reject"]
    account: str
    comment: str
    ticket: str = ""
    resource: str = ""
    version: int = 0
    definition: str = ""


def read_fields(body: bytes) -> Mapping[str, object] | Refusal:
    """Read a message, which is a JSON object that can only be read in one way."""
    try:
        value = strict_json.read(body)
    except ValueError as error:
        return _strange(f"is no JSON ({str(error)[:80]})")
    return value if is_object(value) else _strange("is no JSON object")


def read_verdict(hook: Hook, told: Mapping[str, object]) -> Verdict | Refusal | None:
    """Return a message's meaning; None where it means nothing to us."""
    if hook.form == "jira":
        return _jira(hook, told)
    return _servicenow(hook, told) if hook.form == "servicenow" else _generic(told)


def jira_time(told: Mapping[str, object]) -> float | None:
    """Return when Jira made a message, in seconds since the epoch; the time stands in the body, in milliseconds."""
    at = told.get("timestamp")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < _LONGEST:
        return None
    return at / _MILLISECONDS


def _strange(what: str) -> Refusal:
    return Refusal("invalid", (Reason.HOOK_STRANGE,), f"The message {what}. See the how-to of reviews.")


def _word(hook: Hook, status: str) -> Literal["approve", "reject"] | None:
    if not status:
        return None
    if status.casefold() in {word.casefold() for word in hook.approve}:
        return "approve"
    return "reject" if status.casefold() in {word.casefold() for word in hook.reject} else None


def _jira(hook: Hook, told: Mapping[str, object]) -> Verdict | Refusal | None:
    if text(told, "webhookEvent") != "jira:issue_updated":
        return None
    items = section(told, "changelog").get("items")
    moves = [item for item in items if is_object(item) and text(item, "field") == "status"] if is_list(items) else []
    if not moves:
        return None
    says = _word(hook, text(moves[-1], "toString"))
    if says is None:
        return None
    account, ticket = text(section(told, "user"), "accountId"), text(section(told, "issue"), "key")
    if not (account and ticket):
        return _strange("names no account or no issue")
    return Verdict(says, account, f"{ticket} became {text(moves[-1], 'toString')}", ticket)


def _servicenow(hook: Hook, told: Mapping[str, object]) -> Verdict | Refusal | None:
    if text(told, "table") != hook.table:
        return None
    says = _word(hook, text(told, "approval"))
    if says is None:
        return None
    account, ticket = text(told, "by"), text(told, "sys_id")
    if not (account and ticket):
        return _strange("names no account or no record")
    number = text(told, "number") or ticket
    return Verdict(says, account, text(told, "comment") or f"{number} became {text(told, 'approval')}", ticket)


def _generic(told: Mapping[str, object]) -> Verdict | Refusal | None:
    says = {"review.approve": "approve", "review.reject": "reject"}.get(text(told, "type"))
    if says is None:
        return None
    said = section(told, "data")
    version = said.get("version")
    account, resource = text(said, "account"), text(said, "resource")
    if not (account and resource and isinstance(version, int) and not isinstance(version, bool) and version > 0):
        return _strange("lacks an account, a resource or its version")
    word: Literal["approve", "reject"] = "approve" if says == "approve" else "reject"
    return Verdict(
        word, account, text(said, "comment") or "without a comment", "", resource, version, text(said, "definition")
    )
