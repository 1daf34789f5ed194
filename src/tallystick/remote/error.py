"""Why the API did not do what it was asked: a problem (RFC 9457) as one exception."""

from typing import Final

import msgspec

from tallystick.remote.messages.told import Code, Problem
from tallystick.terms import TallyError

_FAILURE: Final = 1
_BY_CODE: Final[dict[str, int]] = {
    "invalid": 2,
    "not_found": 3,
    "unauthenticated": 4,
    "denied": 5,
    "approval_required": 5,
    "conflict": 7,
    "limited": 8,
    "unavailable": 8,
    "upstream": 8,
}


class RemoteError(TallyError):
    """The API refused, or was not there. `problem` is its answer, null where there was none."""

    def __init__(self, code: Code, message: str, problem: Problem | None = None) -> None:
        super().__init__(code, message)
        self.problem = problem

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reason codes of the answer."""
        return () if self.problem is None else tuple(self.problem.reasons)

    @property
    def exit_code(self) -> int:
        """What a command ends with: 2 usage, 3 not found, 4 not signed in, 5 denied, 7 conflict, 8 not reachable."""
        return _BY_CODE.get(self.code, _FAILURE)


def read_problem(status: int, body: bytes) -> RemoteError:
    """Return what an answer of a status of 400 or more says; whatever stands in between may have written it."""
    try:
        problem = msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return RemoteError("upstream", f"The answer has status {status} and is not the console's.")
    places = [f"{place.where}: {place.field}: {place.what} ({place.remedy})" for place in problem.errors if place.where]
    return RemoteError(problem.code, "\n".join([problem.detail, *places, *problem.unmet]), problem)
