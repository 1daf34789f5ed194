"""Messages that come in: a signed one is the step of a mapped person, under the same gates as any other step."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from tallystick.control.lifecycle.read import section, text
from tallystick.control.model import REVIEWED, Actor, Committed, Key, Kind, Refused, Resource, State, Step
from tallystick.control.webhooks.answers import Verdict, jira_time, read_fields, read_verdict
from tallystick.control.webhooks.events import HELD
from tallystick.control.webhooks.hook import Hook, hook_of, ticket_status
from tallystick.control.webhooks.signature import STALE, UNSIGNED, WINDOW_S, Signed, verify, verify_jira
from tallystick.control.webhooks.state import State as Held
from tallystick.control.webhooks.state import secret_of
from tallystick.terms import Clock, Reason, Refusal

_REMEMBERED_S: Final = 2 * WINDOW_S
"""Seconds that an id is remembered: longer than any message with it could still pass."""
_TRIES: Final = 5
_EVERY: Final = 1_000_000
"""Changes of one webhook: all of them."""
_KINDS: Final[Mapping[str, Kind]] = {kind.lower(): kind for kind in REVIEWED}

REPLAYED: Final = Refusal(
    "conflict",
    (Reason.HOOK_REPLAYED,),
    "The message was received before. It has had its effect; nothing was done again.",
)
_UNMAPPED: Final = Refusal(
    "denied",
    (Reason.HOOK_ACCOUNT_UNKNOWN,),
    "The account is not mapped to a person, so it decides nothing. Have the webhook's owner map it.",
)
_NOT_OPEN: Final = Refusal(
    "not_found",
    (Reason.HOOK_TICKET_UNKNOWN,),
    "Nothing is open for review under this ticket through this webhook. It may have a newer one.",
)


class Heard(NamedTuple):
    """A message that was taken. `committed` None: it means nothing to us."""

    id: str
    committed: Committed | None


class Receiver:
    """Takes messages to webhooks. Blocks while control state is asked; safe for several threads and processes."""

    def __init__(self, held: Held, clock: Clock) -> None:
        self._held = held
        self._clock = clock

    def receive(self, name: str, headers: Mapping[str, str], body: bytes) -> Heard | Refusal | Refused:
        """Check a message and take the step that it means. `headers` have names in lower case, `body` is as it came."""
        resource = self._held.get(Key("Webhook", name))
        hook = hook_of(resource) if resource is not None else None
        secret = secret_of(self._held, hook.tenant, hook.secret) if hook is not None and hook.is_enabled else None
        # Who asks for names of webhooks learns nothing: one that is not there answers like a wrong signature.
        if hook is None or not secret:
            return UNSIGNED
        now = self._clock()
        signed = _authentic(hook, secret, headers, body, now)
        if isinstance(signed, Refusal):
            return signed
        if signed.id in self._ids(hook, now)[0]:
            return REPLAYED
        answer = self._take(hook, signed, body)
        # What could not be taken may come again: a message whose signature holds has no effect that is not judged.
        if isinstance(answer, Heard):
            self._remember(hook, signed, now)
        return answer

    def _take(self, hook: Hook, signed: Signed, body: bytes) -> Heard | Refusal | Refused:
        told = read_fields(body)
        if isinstance(told, Refusal):
            return told
        verdict = read_verdict(hook, told)
        if verdict is None:
            return Heard(signed.id, None)
        if isinstance(verdict, Refusal):
            return verdict
        person = hook.people.get(verdict.account)
        if not person:
            return _UNMAPPED
        step = self._step(hook, verdict)
        if isinstance(step, Refusal):
            return step
        # Four eyes compares people, so the step is the person's; the record names the account as well. Mapping an
        # account is what makes it a reviewer.
        account = f"{hook.form}:{verdict.account}"
        actor = Actor(person, operator=account, roles=("reviewer",), vouched=self._keepers(hook))
        done = self._held.commit([step], actor, f"webhook {hook.name}: {verdict.comment}")
        return Heard(signed.id, done) if isinstance(done, Committed) else done

    def _keepers(self, hook: Hook) -> tuple[str, ...]:
        """Return the people who signed in and wrote this webhook or the secret that signs for it.

        INVARIANT: they could have sent the message themselves, so it is no second pair of eyes for what they wrote.
        Whoever has the machine's socket could write into the database too, and is not asked about.
        """
        keys = (Key("Webhook", hook.name), Key("Secret", hook.secret))
        found = [entry.actor for key in keys for entry in self._held.history(key, limit=_EVERY)]
        people = (actor.name for actor in found if actor.caller is not None and actor.caller.get("kind") == "person")
        return tuple(dict.fromkeys(people))

    def _step(self, hook: Hook, verdict: Verdict) -> Step | Refusal:
        found = self._ticketed(hook, verdict.ticket) if verdict.ticket else self._named(verdict.resource)
        if found is None or (hook.tenant and found.tenant != hook.tenant):
            return _NOT_OPEN
        ticket = section(found.status, ticket_status(hook.name))
        if not _is_open(found, verdict, ticket):
            return _NOT_OPEN
        version, looked = verdict.version, verdict.definition
        if verdict.ticket:
            seen = ticket.get("version")
            version, looked = seen if isinstance(seen, int) else 0, text(ticket, "definition")
        target: State = "approved" if verdict.says == "approve" else "draft"
        # INVARIANT: a yes holds for the version that the ticket was about; a later change has a later version.
        expected = version if verdict.says == "approve" else None
        return Step(found.key, target, verdict.comment, definition=looked or None, expected=expected)

    def _ticketed(self, hook: Hook, ticket: str) -> Resource | None:
        for resource in self._held.all().values():
            if text(section(resource.status, ticket_status(hook.name)), "id") == ticket:
                return resource
        return None

    def _named(self, resource: str) -> Resource | None:
        noun, _, name = resource.partition("/")
        kind = _KINDS.get(noun)
        return None if kind is None else self._held.get(Key(kind, name))

    def _ids(self, hook: Hook, now: float) -> tuple[dict[str, float], int]:
        """Return the ids that are still remembered, each with its end, and the version of the note."""
        note = self._held.note(_place(hook))
        if note is None:
            return {}, 0
        known = {
            name: float(until) for name, until in note.value.items() if isinstance(until, int | float) and until > now
        }
        return known, note.version

    def _remember(self, hook: Hook, signed: Signed, now: float) -> None:
        # Somebody else may remember another message at the same moment; both ids have to stay.
        for _ in range(_TRIES):
            known, version = self._ids(hook, now)
            if self._held.keep(_place(hook), {**known, signed.id: now + _REMEMBERED_S}, version):
                return


def _is_open(found: Resource, verdict: Verdict, ticket: Mapping[str, object]) -> bool:
    if found.state == "in_review":
        return True
    # What was quarantined stays approved otherwise: a yes to its ticket approves the new definition.
    is_drift = bool(verdict.ticket) and text(ticket, "for") == HELD
    return found.state == "approved" and verdict.says == "approve" and is_drift


def _place(hook: Hook) -> str:
    return f"webhook-in/{hook.name}"


def _authentic(hook: Hook, secret: bytes, headers: Mapping[str, str], body: bytes, now: float) -> Signed | Refusal:
    if hook.form != "jira":
        return verify(secret, headers, body, now)
    name = verify_jira(secret, headers, body)
    if isinstance(name, Refusal):
        return name
    told = read_fields(body)
    if isinstance(told, Refusal):
        return told
    at = jira_time(told)
    return STALE if at is None or abs(now - at) > WINDOW_S else Signed(name, at)
