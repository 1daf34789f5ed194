"""Playing a step with the official client, and putting together what the client saw and what the record says."""

import json
from collections.abc import Awaitable, Callable, Mapping

import anyio
from mcp import Client, MCPError
from mcp.types import RequestParamsMeta

from tallystick_demo_bank.demo.model import Account, Recorded, Seen, Step

STEP_S = 90
"""Seconds after which a step is given up."""

_REASONS = "tallystick.dev/reasons"
"""The member by which a refusal of the gateway is known."""
_RECEIPT = "tallystick.dev/receipt"
"""The member that asks for a receipt, and that has it in the reply."""

Kill = Callable[[], Awaitable[None]]


async def perform(client: Client, step: Step, kill: Kill) -> Seen:
    """Play one step: call the tool or list the tools, and turn at the first progress report if the step says so."""
    reports = 0
    asked_to_cancel = False
    with anyio.move_on_after(STEP_S) as scope:

        async def report(progress: float, total: float | None, message: str | None) -> None:
            nonlocal reports, asked_to_cancel
            del progress, total, message
            reports += 1
            if reports == 1 and step.turn == "kill":
                await kill()
            elif reports == 1 and step.turn == "cancel":
                asked_to_cancel = True
                scope.cancel()

        try:
            if step.tool is None:
                listed = await client.list_tools()
                return Seen("success", "\n".join(f'"{tool.name}"' for tool in listed.tools))
            asked = RequestParamsMeta(**{_RECEIPT: True}) if step.receipt else None
            result = await client.call_tool(step.tool, step.arguments, progress_callback=report, meta=asked)
        except MCPError as error:
            return _refused(error.message, error.data)
        text = json.dumps(result.model_dump(mode="json", by_alias=True, exclude_none=True), ensure_ascii=False)
        if result.is_error and result.meta and _REASONS in result.meta:
            # Arguments that do not fit come back as a failed tool, so that a model sees them; no tool was called.
            return _refused(text, result.meta)
        outcome = "tool_error" if result.is_error else "success"
        return Seen(outcome, text, progress=reports, receipt=json.dumps((result.meta or {}).get(_RECEIPT, "")))
    return Seen("cancelled") if asked_to_cancel else Seen("broken", f"no answer within {STEP_S} s")


def _refused(message: str, told: object) -> Seen:
    fields: dict[str, object] = {}
    if isinstance(told, Mapping):
        fields = {str(name): value for name, value in told.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    reasons, record = fields.get(_REASONS), fields.get("tallystick.dev/record")
    return Seen(
        "refused",
        message,
        _texts(reasons),
        record if isinstance(record, int) else None,
    )


def account(step: Step, seen: Seen, recorded: Recorded | None) -> Account:
    """Return what came of a step. Where the client and the record disagree, the outcome says so."""
    if recorded is None:
        return Account(f"{seen.outcome}, not in the record", step.who, seen.reasons)
    outcome, decision = outcome_of(recorded), decision_of(recorded)
    ending = recorded.outcome or recorded.fields
    because = _texts(ending.get("reasons")) if ending.get("kind") == "outcome" else ()
    if not _agree(seen, recorded, outcome):
        outcome = f"{outcome} in the record, {seen.outcome} for the client: {seen.text[:200]}"

    def is_there(text: str) -> bool:
        return (f'"{text}"' if step.tool is None else text) in seen.text

    return Account(
        outcome,
        caller_of(recorded),
        _texts(decision.get("reasons")),
        tuple(sorted(_texts(decision.get("policies")))),
        because,
        tuple(text for text in step.expected.shows if is_there(text)),
        tuple(text for text in step.expected.hides if not is_there(text)),
        seen.progress if step.expected.progress is not None else None,
    )


def outcome_of(recorded: Recorded) -> str:
    """Return the record's word for how a step ended: a status, or the code of a refusal."""
    refusal = recorded.fields.get("refusal")
    if recorded.fields["kind"] == "denial":
        return str(_fields(refusal).get("code"))
    ending = recorded.outcome or recorded.fields
    return str(ending.get("status") or ending.get("kind"))


def decision_of(recorded: Recorded) -> dict[str, object]:
    """Return effect, reasons and policies as the leaf has them; a refusal explains itself."""
    return _fields(recorded.fields.get("refusal") or recorded.fields.get("decision"))


def effect_of(recorded: Recorded) -> str:
    """Return `allow`, or why not: `deny`, `approval_required`, `invalid`."""
    if recorded.fields["kind"] == "denial":
        code = outcome_of(recorded)
        return "deny" if code == "denied" else code
    return str(_fields(recorded.fields.get("decision")).get("effect"))


def caller_of(recorded: Recorded) -> str:
    """Return the subject, and who acts for it."""
    caller = _fields(recorded.fields.get("caller"))
    actors = _texts(caller.get("actors"))
    return f"{caller.get('subject')}, {' for '.join(actors)} acting" if actors else str(caller.get("subject"))


def client_of(recorded: Recorded) -> str:
    """Return the OAuth client in the leaf."""
    return str(_fields(recorded.fields.get("caller")).get("client"))


def _agree(seen: Seen, recorded: Recorded, outcome: str) -> bool:
    if seen.outcome != "refused":
        return seen.outcome == outcome
    # A refusal quotes the number of its record, and its reasons are those in the record.
    if recorded.fields["kind"] == "denial":
        return (seen.record, seen.reasons) == (recorded.index, _texts(decision_of(recorded).get("reasons")))
    return (seen.record, seen.reasons) == (recorded.outcome_index, _texts(recorded.outcome.get("reasons")))


def _fields(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        return {}
    return {str(name): held for name, held in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON


def _texts(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
