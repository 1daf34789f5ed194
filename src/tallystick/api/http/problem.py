"""Refusals as HTTP: problem details (RFC 9457) with the closed reason codes. The console's one table of statuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import msgspec

from tallystick.remote import messages
from tallystick.settings import Problem
from tallystick.terms import Decision, Reason, Refusal, TenantId

MEDIA_TYPE: Final = b"application/problem+json"
TYPE: Final = "https://tallystick.dev/reasons#"

_BY_REASON: Final[Mapping[Reason, HTTPStatus]] = {
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.MEDIA_UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Reason.METHOD_UNKNOWN: HTTPStatus.METHOD_NOT_ALLOWED,
    Reason.PRECONDITION_REQUIRED: HTTPStatus.PRECONDITION_REQUIRED,
    Reason.VERSION_CONFLICT: HTTPStatus.PRECONDITION_FAILED,
    Reason.CURSOR_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.DOCUMENT_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.STATE_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Reason.IDEMPOTENCY_MISMATCH: HTTPStatus.UNPROCESSABLE_ENTITY,
}
_BY_CODE: Final[Mapping[messages.told.Code, HTTPStatus]] = {
    "invalid": HTTPStatus.BAD_REQUEST,
    "unauthenticated": HTTPStatus.UNAUTHORIZED,
    "denied": HTTPStatus.FORBIDDEN,
    "not_found": HTTPStatus.NOT_FOUND,
    "conflict": HTTPStatus.CONFLICT,
    "approval_required": HTTPStatus.FORBIDDEN,
    "limited": HTTPStatus.TOO_MANY_REQUESTS,
    "unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "upstream": HTTPStatus.BAD_GATEWAY,
    "internal": HTTPStatus.INTERNAL_SERVER_ERROR,
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """A refusal on its way out. `tenant` is whose log tells about it; None: the platform's.

    `decision` is what policy said, where it was asked.
    """

    refusal: Refusal
    errors: tuple[messages.told.Place, ...] = ()
    unmet: tuple[str, ...] = ()
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    tenant: TenantId | None = None
    decision: Decision | None = None

    @property
    def status(self) -> HTTPStatus:
        """The status that it is told with."""
        found = (_BY_REASON[reason] for reason in self.refusal.reasons if reason in _BY_REASON)
        return next(found, _BY_CODE[self.refusal.code])

    def body(self, instance: str) -> bytes:
        """Return it as problem details; `instance` is the URN of the request."""
        reasons = [str(reason) for reason in self.refusal.reasons]
        return msgspec.json.encode(
            messages.told.Problem(
                type=TYPE + (reasons[0] if reasons else self.refusal.code),
                title=self.status.phrase,
                status=self.status,
                detail=self.refusal.public_text,
                instance=instance,
                code=self.refusal.code,
                reasons=reasons,
                policies=list(self.refusal.policy_ids),
                errors=list(self.errors),
                unmet=list(self.unmet),
                version=self.version,
            )
        )


def trouble(code: messages.told.Code, reason: Reason, text: str, detail: str = "") -> Trouble:
    """Return a refusal with one reason."""
    return Trouble(Refusal(code, (reason,), text, detail))


def body_trouble(field_: str, what: str, where: str = "") -> Trouble:
    """Return that a part of the request does not fit its route."""
    text = f"{field_}: {what}" if field_ else what
    places = (messages.told.Place(where, field_, what, "see the OpenAPI document"),)
    return Trouble(Refusal("invalid", (Reason.BODY_INVALID,), text), places)


def place_of(problem: Problem) -> messages.told.Place:
    """Return a fault of the configuration as it is told."""
    return messages.told.Place(problem.file, problem.field, problem.what, problem.remedy)
