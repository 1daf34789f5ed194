"""Messages that go out: one line of events per webhook, in the order of the history, each at least once.

How far a line is stands in a note of control state, so a restart goes on where it was, and of several processes one
sends at a time. A receiver that is away holds up its own line and nothing else; the history is kept for ever.
"""

import base64
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Final, NamedTuple

import anyio
from anyio import to_thread

from tallystick.control.entries import Entry
from tallystick.control.lifecycle.gates import seen_last
from tallystick.control.lifecycle.read import NOTHING, is_list, section, text
from tallystick.control.model import Actor, Key, Mark, Resource
from tallystick.control.webhooks.events import HELD, Event, events_of
from tallystick.control.webhooks.hook import Hook, hook_of, ticket_status
from tallystick.control.webhooks.post import Answer, Post, Unreachable
from tallystick.control.webhooks.shapes import OPENING, request_of, ticket_of
from tallystick.control.webhooks.signature import sign
from tallystick.control.webhooks.state import State, secret_of
from tallystick.terms import Clock, TallyError

SENDER: Final = Actor("tallystick/webhooks", operator="tallystick/webhooks")
BACK_OFF_S: Final = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0)
"""Seconds until an event is tried again, by how often it was tried; the last one for ever."""
CLAIM_S: Final = 60.0
"""Seconds for which the process that is sending keeps others from it; longer than a request can last."""
REFUSED: Final = frozenset({400, 413, 422})
"""Answers that are about the event itself: it is put aside, and the line goes on."""
GONE: Final = 410
"""The receiver wants nothing more (Standard Webhooks): the line stands until the webhook is changed."""
PAUSE_S: Final = 1.0
"""Seconds between looks at the history."""
_KEPT: Final = 100
_AT_ONCE: Final = 100


class Dead(NamedTuple):
    """An event that its receiver refused."""

    id: str
    type: str
    at: str
    why: str


class HookStatus(NamedTuple):
    """How a webhook does. `revision`: everything up to there was told. `failing`: why the line stands, if it does.

    `tries` of the event at its head; `next_at`: when it is tried again, in seconds since the epoch.
    """

    name: str
    revision: int
    behind: int
    sent: int
    tries: int
    next_at: float
    failing: str
    dead: tuple[Dead, ...]


class Line(NamedTuple):
    """How far one webhook is. `told` are the ids that were sent of the revision that comes after `revision`."""

    revision: int
    told: tuple[str, ...] = ()
    sent: int = 0
    tries: int = 0
    next_at: float = 0.0
    claimed_until: float = 0.0
    failing: str = ""
    gone_at: int = 0
    dead: tuple[Dead, ...] = ()


class Sender:
    """Tells webhooks what happened. `turn` blocks while one request is made; it is called again and again.

    `failure` says why control state cannot be followed at the moment, if it cannot.
    """

    def __init__(self, state: State, post: Post, clock: Clock) -> None:
        self._state = state
        self._post = post
        self._clock = clock
        self._busy = set[str]()
        self.failure: str | None = None

    async def run(self) -> None:
        """Send for ever. Each webhook has a task of its own, so a slow receiver keeps no other one waiting."""
        async with anyio.create_task_group() as group:
            while True:
                for name in await self._waiting():
                    self._busy.add(name)
                    group.start_soon(self._drain, name)
                await anyio.sleep(PAUSE_S)

    async def _waiting(self) -> list[str]:
        try:
            names = await to_thread.run_sync(self.hooks)
        except TallyError as error:
            self.failure = error.message
            return []
        self.failure = None
        return [name for name in names if name not in self._busy]

    async def _drain(self, name: str) -> None:
        try:
            # Whoever stops does not wait for a receiver: what was not confirmed is sent again, with the same id.
            while await to_thread.run_sync(self.turn, name, abandon_on_cancel=True):
                pass
        except TallyError as error:
            self.failure = error.message
        finally:
            self._busy.discard(name)

    def hooks(self) -> tuple[str, ...]:
        """Return the webhooks that are told of events."""
        return tuple(hook.name for hook in self._hooks() if hook.is_enabled and hook.url)

    def status(self) -> tuple[HookStatus, ...]:
        """Return how each webhook does."""
        published = self._state.published()
        lines = ((hook, self._line(hook)[0]) for hook in self._hooks())
        return tuple(
            HookStatus(
                hook.name,
                line.revision,
                max(0, published - line.revision),
                line.sent,
                line.tries,
                line.next_at,
                line.failing,
                line.dead,
            )
            for hook, line in lines
        )

    def turn(self, name: str) -> bool:
        """Send the next event of a webhook, if one is there and its time has come; tell whether one was tried."""
        resource = self._state.get(Key("Webhook", name))
        if resource is None:
            return False
        hook = hook_of(resource)
        line, version = self._line(hook)
        now = self._clock()
        if not hook.is_enabled or line.gone_at == hook.version or now < max(line.next_at, line.claimed_until):
            return False
        known = line
        line, event = self._next(hook, line)
        if event is None:
            # So that what does not concern this webhook is not read again; a turn without news writes nothing.
            if line != known or version == 0:
                self._write(hook, line, version)
            return False
        # INVARIANT: nothing is sent but by the one whose claim was written.
        if not self._write(hook, line._replace(claimed_until=now + CLAIM_S), version):
            return False
        after = self._sent(hook, line, event, now)
        self._write(hook, after._replace(claimed_until=0.0), version + 1)
        return True

    def _hooks(self) -> Iterator[Hook]:
        return (hook_of(resource) for key, resource in self._state.all().items() if key.kind == "Webhook")

    def _next(self, hook: Hook, line: Line) -> tuple[Line, Event | None]:
        """Return the next event, and the line as it is before that event."""
        for entries in self._revisions(line.revision):
            for event in (event for entry in entries for event in self._events(entry)):
                if event.id not in line.told and _concerns(hook, event):
                    return line, event
            line = line._replace(revision=entries[0].revision, told=())
        return line, None

    def _revisions(self, after: int) -> Iterator[list[Entry]]:
        """Yield the next published revisions, each whole."""
        published = self._state.published()
        entries = self._state.history(after=after, limit=_AT_ONCE)
        for revision, found in groupby(entries, lambda entry: entry.revision):
            # INVARIANT: nobody is told of a change that is not on record yet.
            if revision <= published:
                yield list(found)

    def _events(self, entry: Entry) -> tuple[Event, ...]:
        review = NOTHING if entry.after is None else section(entry.after.status, "review")
        is_its_own = review.get("revision") == entry.revision
        return events_of(entry, text(review, "comment") if is_its_own else "")

    def _sent(self, hook: Hook, line: Line, event: Event, now: float) -> Line:
        """Send an event and return the line as it is then."""
        told = line._replace(told=(*line.told, event.id), tries=0, next_at=0.0, failing="")
        resource = self._about(event)
        event = self._looked_at(event, resource)
        request = request_of(hook, event, self._ticket(hook, resource))
        if request is None:
            return told
        headers = self._headers(hook, event, request.body)
        if isinstance(headers, str):
            return _later(line, headers, now)
        try:
            answer = self._post.send(request, headers, allow_special=hook.allow_special_addresses)
        except Unreachable as error:
            return _later(line, error.message, now)
        if not answer.is_taken:
            return _refused(hook, line, told, event, answer, now)
        self._open(hook, event, resource, answer)
        return told._replace(sent=line.sent + 1)

    def _headers(self, hook: Hook, event: Event, body: bytes) -> dict[str, str] | str:
        """Sign a message and add what the receiver asks for; a text says which secret is missing."""
        secrets = {name: secret_of(self._state, hook.tenant, name) for name in (hook.secret, hook.token) if name}
        missing = [name for name, value in secrets.items() if not value]
        if missing or not (hook.secret or hook.form != "generic"):
            # INVARIANT: what is to be signed is not sent without a signature.
            return f"the secret {missing[0] if missing else ''} that this webhook needs is not there"
        secret, token = secrets.get(hook.secret), secrets.get(hook.token)
        signed = sign(secret, event.id, self._clock(), body) if secret else {}
        said = {"Content-Type": "application/json", **signed}
        if not token:
            return said
        credential = _credential(hook.user, token.strip())
        # What no header can hold would otherwise end whoever sends, and with it everybody's webhooks.
        if not (credential.isascii() and credential.isprintable()):
            return f"the secret {hook.token} holds what no header of HTTP may: set it to printable characters of ASCII"
        return {**said, "Authorization": credential}

    def _about(self, event: Event) -> Resource | None:
        noun, _, name = str(event.about["resource"]).partition("/")
        return self._state.get(Key("Server" if noun == "server" else "Grant", name))

    def _looked_at(self, event: Event, resource: Resource | None) -> Event:
        """Say which version and which definition a reviewer is asked to look at."""
        if event.type not in OPENING or resource is None:
            return event
        seen = seen_last(self._state.get(Key("Pin", resource.name))) if resource.kind == "Server" else ""
        # What is held back is a pin's; the version is that of the server that has to be approved again.
        version = resource.version if event.type == HELD else event.about["version"]
        return event._replace(about={**event.about, "version": version, **({"definition": seen} if seen else {})})

    def _ticket(self, hook: Hook, resource: Resource | None) -> str:
        return text(section(resource.status, ticket_status(hook.name)), "id") if resource is not None else ""

    def _open(self, hook: Hook, event: Event, resource: Resource | None, answer: Answer) -> None:
        """Keep which ticket was opened, with what it is about: a yes to it holds for that and for nothing later."""
        ticket = ticket_of(hook, event, answer.body)
        if ticket is None or resource is None:
            return
        said: dict[str, object] = {
            "id": ticket.id,
            "label": ticket.label,
            "url": ticket.url,
            "for": event.type,
            "version": event.about["version"],
            "definition": event.about.get("definition", ""),
        }
        self._state.commit([Mark(resource.key, {ticket_status(hook.name): said})], SENDER, f"opened {ticket.label}")

    def _line(self, hook: Hook) -> tuple[Line, int]:
        note = self._state.note(_place(hook))
        if note is None:
            # A new webhook is told of what comes, not of what was.
            return Line(self._begin(hook)), 0
        return _line_of(note.value), note.version

    def _begin(self, hook: Hook) -> int:
        first = self._state.history(Key("Webhook", hook.name), limit=1)
        return first[0].revision if first else self._state.published()

    def _write(self, hook: Hook, line: Line, version: int) -> bool:
        return self._state.keep(_place(hook), _value(line), version)


def _credential(user: str, token: bytes) -> str:
    if not user:
        return f"Bearer {token.decode(errors='replace')}"
    return "Basic " + base64.b64encode(user.encode() + b":" + token).decode()


def _place(hook: Hook) -> str:
    return f"webhook-out/{hook.name}"


def _concerns(hook: Hook, event: Event) -> bool:
    return (not hook.events or event.type in hook.events) and (not hook.tenant or event.tenant == hook.tenant)


def _later(line: Line, why: str, now: float) -> Line:
    wait = BACK_OFF_S[min(line.tries, len(BACK_OFF_S) - 1)]
    return line._replace(tries=line.tries + 1, next_at=now + wait, failing=why)


def _refused(hook: Hook, line: Line, told: Line, event: Event, answer: Answer, now: float) -> Line:
    if answer.status == GONE:
        return line._replace(failing="the receiver wants no more events (410)", gone_at=hook.version)
    if answer.status not in REFUSED:
        return _later(line, f"the receiver answered {answer.status}", now)
    dead = Dead(event.id, event.type, event.at, f"the receiver answered {answer.status}")
    return told._replace(dead=(*line.dead, dead)[-_KEPT:])


def _value(line: Line) -> dict[str, object]:
    return {**line._asdict(), "told": list(line.told), "dead": [list(dead) for dead in line.dead]}


def _line_of(value: Mapping[str, object]) -> Line:
    def number(name: str) -> float:
        found = value.get(name)
        return found if isinstance(found, int | float) else 0

    def rows(name: str) -> list[object]:
        found = value.get(name)
        return list(found) if is_list(found) else []

    dead = [[str(part) for part in row] for row in rows("dead") if is_list(row)]
    return Line(
        revision=int(number("revision")),
        told=tuple(str(name) for name in rows("told")),
        sent=int(number("sent")),
        tries=int(number("tries")),
        next_at=float(number("next_at")),
        claimed_until=float(number("claimed_until")),
        failing=text(value, "failing"),
        gone_at=int(number("gone_at")),
        dead=tuple(Dead(*row) for row in dead if len(row) == len(Dead._fields)),
    )
