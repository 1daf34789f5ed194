"""What changes make of a state: versions, owners, steps and marks, one after the other. Pure, but for what it asks."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from tallystick.control.entries import Entry, Review
from tallystick.control.lifecycle import Facts, judge, standing
from tallystick.control.model import (
    DIRECTORY,
    FREE,
    REVIEWED,
    Actor,
    Change,
    Changed,
    Conflict,
    Key,
    Mark,
    Put,
    Refused,
    Remove,
    Resource,
    State,
    Step,
)
from tallystick.control.render import QUARANTINED
from tallystick.control.seal import LONGEST
from tallystick.settings import Problem

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
"""What a resource may be called: it becomes the name of a document, and of a file."""
_OUT: Final[frozenset[State]] = frozenset({"suspended", "retired"})
_DRIFT: Final = frozenset({"quarantined", "observed", "observed_digest", "findings"})
"""Status of a pin that ends when something else is pinned."""
DECLARED: Final = "declared"
"""Status: the state that a resource's owner declared last."""
REVIEW: Final = "review"
"""Status: the last step that was taken."""
OBSERVED: Final = "observed"
"""Status of a pin: the definition that its server showed last and nobody approved yet: digest, at, spec."""


class Moment(NamedTuple):
    """When a change is made: the revision that it would make, and the time as RFC 3339 and in seconds."""

    revision: int
    at: str
    now: float


class Past(NamedTuple):
    """What happened to one resource before, oldest first."""

    entries: tuple[Entry, ...]
    reviews: tuple[Review, ...]


class Taken(NamedTuple):
    """A step that the gates let pass, and the state before it."""

    step: Step
    origin: State


class Candidate(NamedTuple):
    """What there would be. `secrets` are values to be sealed, by name; None: removed."""

    resources: Mapping[Key, Resource]
    changed: tuple[Changed, ...]
    steps: tuple[Taken, ...]
    secrets: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a state is changed by: who and when. `past` and `last_version` look things up."""

    actor: Actor
    moment: Moment
    past: Callable[[Key], Past]
    last_version: Callable[[Key], int]


def apply(before: Mapping[Key, Resource], changes: tuple[Change, ...], rules: Rules) -> Candidate | Refused:
    """Return what the changes make of a state; or the first conflict, or the problems with what was sent."""
    late = outdated(before, changes)
    if late is not None:
        return late
    mixed = _mixed(changes)
    if mixed is not None:
        return mixed
    work = _Work(before, rules)
    for change in changes:
        refused = work.take(change)
        if refused is not None:
            return refused
    return Candidate(work.resources, work.finished(), tuple(work.steps), work.secrets)


def outdated(before: Mapping[Key, Resource], changes: tuple[Change, ...]) -> Conflict | None:
    """Return the first change that was made for an older version than there is."""
    for change in changes:
        expected = None if isinstance(change, Mark) else change.expected
        present = before.get(change.key)
        version = present.version if present is not None else 0
        if expected not in {None, version}:
            text = f"{change.key} has version {version}, not {expected}" if version else f"there is no {change.key}"
            return Conflict(change.key, "version", text, version)
    return None


def _mixed(changes: tuple[Change, ...]) -> Conflict | None:
    """Refuse to edit something and to move it at once, or to move it twice.

    INVARIANT: a step is judged by what was there before it, edited and moved by people whom the history knows.
    """
    edited = {change.key for change in changes if isinstance(change, Put | Remove)}
    moved: set[Key] = set()
    for change in changes:
        if isinstance(change, Step) and change.key in moved:
            text = f"{change.key} is moved twice at once: commit the first step first"
            return Conflict(change.key, "gate", text, unmet=("moved_at_once",))
        if isinstance(change, Step):
            moved.add(change.key)
        if isinstance(change, Step) and not edited.isdisjoint({change.key, Key("Pin", change.key.name)}):
            text = f"{change.key} is edited and moved at once: commit the edit first"
            return Conflict(change.key, "gate", text, unmet=("edited_at_once",))
    return None


def narrows(changes: tuple[Change, ...]) -> bool:
    """Tell whether changes only take something out of force: these are made even where the rest does not compile."""
    return all(isinstance(change, Mark) or (isinstance(change, Step) and change.to in _OUT) for change in changes)


@dataclass(slots=True)
class _Work:
    """A state while changes are applied to a copy of it."""

    before: Mapping[Key, Resource]
    rules: Rules
    resources: dict[Key, Resource] = field(init=False)
    touched: dict[Key, None] = field(default_factory=dict[Key, None])
    steps: list[Taken] = field(default_factory=list[Taken])
    secrets: dict[str, bytes | None] = field(default_factory=dict[str, bytes | None])

    def __post_init__(self) -> None:
        self.resources = dict(self.before)

    def take(self, change: Change) -> Refused | None:
        """Apply one change to the copy."""
        match change:
            case Put():
                return self._put(change)
            case Remove():
                return self._remove(change)
            case Step():
                return self._step(change)
            case Mark():
                return self._mark(change)

    def finished(self) -> tuple[Changed, ...]:
        """What differs now, with its version and revision."""
        found: list[Changed] = []
        for key in self.touched:
            before, after = self.before.get(key), self.resources.get(key)
            if after is not None and after != before:
                self.resources[key] = after = self._stamped(before, after)
            if before != after:
                found.append(Changed(key, before, after))
        return tuple(found)

    def _stamped(self, before: Resource | None, after: Resource) -> Resource:
        moment = self.rules.moment
        is_marked = before is not None and replace(after, status=before.status) == before
        if is_marked and after.key not in self.secrets_set:
            # A mark: nobody's edit, so nobody's version.
            return replace(after, revision=moment.revision)
        # INVARIANT: versions of one name only rise, also past its removal: an ETag never fits another thing.
        last = before.version if before is not None else self.rules.last_version(after.key)
        created = before.created if before is not None else moment.at
        return replace(after, version=last + 1, revision=moment.revision, created=created, changed=moment.at)

    def _put(self, put: Put) -> Refused | None:
        present = self.resources.get(put.key)
        against = self._owned(put.key, put.owner, take_over=put.take_over)
        if against is not None:
            return against
        spec = _misnamed(put) or self._spec(put, present)
        if isinstance(spec, Problem):
            return (spec,)
        state = self._state(put, present)
        if isinstance(state, Conflict):
            return state
        status = _status(put, present, spec)
        blank = Resource(put.kind, put.name, put.tenant, {}, {}, put.owner, state, 0, 0, "", "", {})
        fresh = replace(
            present or blank,
            tenant=put.tenant,
            spec=spec,
            labels=dict(put.labels),
            owner=put.owner,
            state=state,
            status=status,
        )
        if put.kind == "Pin" and put.owner != DIRECTORY and (present is None or present.spec != spec):
            self._review_again(put.name)
        if put.kind == "Secret" and put.key in self.secrets_set:
            # The value itself is not to be compared, so setting it is always a change.
            fresh = replace(fresh, status={**status, "set": self.rules.moment.revision})
        self._set(fresh)
        return None

    def _review_again(self, name: str) -> None:
        """Send a server back to its reviewers, whose approval was for what was pinned then."""
        present = self.resources.get(Key("Server", name))
        if present is not None and present.state == "approved":
            self._set(replace(present, state="in_review"))

    @property
    def secrets_set(self) -> frozenset[Key]:
        """Secrets that got a value just now."""
        return frozenset(Key("Secret", name) for name, value in self.secrets.items() if value is not None)

    def _remove(self, remove: Remove) -> Refused | None:
        if remove.key not in self.resources:
            return Conflict(remove.key, "missing", f"there is no {remove.key}")
        against = self._owned(remove.key, remove.owner, take_over=remove.take_over)
        if against is not None:
            return against
        del self.resources[remove.key]
        self.touched[remove.key] = None
        if remove.key.kind == "Secret":
            self.secrets[remove.key.name] = None
        return None

    def _step(self, step: Step) -> Refused | None:
        present = self.resources.get(step.key)
        if present is None:
            return Conflict(step.key, "missing", f"there is no {step.key}")
        if step.key.kind not in REVIEWED:
            return Conflict(step.key, "gate", f"{step.key} has no lifecycle", present.version)
        unmet = judge(step, self._facts(present))
        if unmet:
            text = f"{step.key} cannot become {step.to}: " + "; ".join(map(str, unmet))
            return Conflict(step.key, "gate", text, present.version, tuple(gate.code for gate in unmet))
        self._set(replace(present, state=step.to, status={**present.status, REVIEW: self._said(step)}))
        self.steps.append(Taken(step, present.state))
        return self._pinned(step)

    def _facts(self, present: Resource) -> Facts:
        past = self.rules.past(present.key)
        pinned = self.rules.past(Key("Pin", present.name)).entries if present.kind == "Server" else ()
        scopes = (Key("Toolset", str(present.spec.get("toolset"))), Key("Server", str(present.spec.get("server"))))
        return Facts(
            resource=present,
            actor=self.rules.actor,
            now=self.rules.moment.at,
            pin=self.resources.get(Key("Pin", present.name)) if present.kind == "Server" else None,
            editors=editors(past, pinned),
            submitter=submitter(past),
            scope=next((self.resources[key] for key in scopes if key in self.resources), None),
            shared=sum(key.kind == "Tenant" for key in self.resources) > 1,
        )

    def _said(self, step: Step) -> dict[str, object]:
        moment = self.rules.moment
        said: dict[str, object] = {"at": moment.at, "by": self.rules.actor.name, "to": step.to}
        said["revision"] = moment.revision
        optional = {"comment": step.comment, "expires": step.expires, "definition": step.definition}
        said |= {name: part for name, part in optional.items() if part}
        return said | ({"conditions": list(step.conditions)} if step.conditions else {})

    def _pinned(self, step: Step) -> Refused | None:
        """Pin what the reviewer of a server saw, if that is what it showed last."""
        pin = self.resources.get(Key("Pin", step.key.name))
        if step.key.kind != "Server" or step.to != "approved" or step.definition is None or pin is None:
            return None
        observed = pin.status.get(OBSERVED)
        if not isinstance(observed, Mapping):
            return None
        seen: dict[str, object] = {str(name): part for name, part in observed.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
        spec = seen.get("spec")
        if seen.get("digest") != step.definition or not isinstance(spec, Mapping):
            text = f"{step.key} shows another definition than the one that was reviewed"
            return Conflict(step.key, "gate", text, pin.version, ("definition_changed",))
        rest = {name: part for name, part in pin.status.items() if name not in _DRIFT}
        whole: dict[str, object] = {str(name): part for name, part in spec.items() if name != "server"}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
        self._set(replace(pin, spec=whole, status=rest))
        return None

    def _mark(self, mark: Mark) -> Refused | None:
        present = self.resources.get(mark.key) or self._unpinned(mark.key)
        if present is None:
            return Conflict(mark.key, "missing", f"there is no {mark.key}")
        said = _plain(mark.key, mark.status)
        if isinstance(said, Problem):
            return (said,)
        status = {**present.status, **said, **_quarantined(present.status, said)}
        self._set(replace(present, status={name: part for name, part in status.items() if part is not None}))
        return None

    def _unpinned(self, key: Key) -> Resource | None:
        """The pin of a server of which nothing was pinned yet: somebody has to keep what was seen of it."""
        server = self.resources.get(Key("Server", key.name))
        if key.kind != "Pin" or server is None:
            return None
        return Resource("Pin", key.name, server.tenant, {}, {}, server.owner, "approved", 0, 0, "", "", {})

    def _set(self, resource: Resource) -> None:
        self.resources[resource.key] = resource
        self.touched[resource.key] = None

    def _owned(self, key: Key, owner: str, *, take_over: bool) -> Conflict | None:
        present = self.resources.get(key)
        if present is None or take_over or present.owner in {FREE, owner}:
            return None
        text = f"{key} belongs to {present.owner}: change it there, or take it over"
        return Conflict(key, "owned", text, present.version)

    def _state(self, put: Put, present: Resource | None) -> State | Conflict:
        if put.kind not in REVIEWED:
            return "approved"
        if put.state is None or (present is not None and put.state == present.state and put.owner != DIRECTORY):
            return standing(present, replace(put, state=None))
        # INVARIANT: nobody but the directory, whose word is the approval, gets around the gates of the lifecycle.
        if put.owner != DIRECTORY:
            text = f"{put.key} changes its state by a step only"
            return Conflict(put.key, "gate", text, present.version if present is not None else 0)
        # A suspension outlives the next reading of the same files: only another word of theirs counts.
        if present is not None and present.owner == DIRECTORY and present.status.get(DECLARED) == put.state:
            return present.state
        return put.state

    def _spec(self, put: Put, present: Resource | None) -> dict[str, object] | Problem:
        spec = _plain(put.key, put.spec)
        if isinstance(spec, Problem) or put.kind != "Secret":
            return spec
        value = spec.get("value")
        if value is None and present is not None and spec.keys() <= {"set"}:
            return dict(present.spec)
        if not isinstance(value, str) or not value or spec.keys() != {"value"}:
            return _problem(put.key, "spec.value", "a secret has a value and nothing else", "set a text")
        raw = value.encode(errors="surrogatepass")
        if len(raw) > LONGEST:
            return _problem(put.key, "spec.value", f"has more than {LONGEST} bytes", "keep a reference instead")
        self.secrets[put.name] = raw
        return {"set": True}


def _misnamed(put: Put) -> Problem | None:
    if not NAME.fullmatch(put.name):
        return _problem(put.key, "name", "is no name", "use letters, digits, dots, dashes and underscores")
    if put.kind == "Tenant" and put.tenant != put.name:
        return _problem(put.key, "metadata.tenant", f"is {put.tenant!r}", "a tenant belongs to itself")
    return None


def _status(put: Put, present: Resource | None, spec: Mapping[str, object]) -> dict[str, object]:
    """What is said of a resource after it was put."""
    status = dict(present.status) if present is not None else {}
    if put.kind == "Pin" and present is not None and present.spec != spec:
        status = {name: part for name, part in status.items() if name not in _DRIFT}
    return status if put.state is None else {**status, DECLARED: put.state}


def tenants_of(change: Changed) -> frozenset[str]:
    """Tenants that a change concerns, both where something moved; `EVERYWHERE` stands for the whole installation."""
    return frozenset(str(each.tenant) for each in (change.before, change.after) if each is not None)


def editors(past: Past, pinned: tuple[Entry, ...] = ()) -> tuple[str, ...]:
    """Names of all who changed the spec, or the pin, since the last approval; of all who ever did without one."""
    since = max((review.revision for review in past.reviews if review.to == "approved" and not review.unmet), default=0)
    found = [
        entry.actor.name
        for entry in (*past.entries, *pinned)
        if entry.revision > since
        and entry.after is not None
        and (entry.before is None or entry.before.spec != entry.after.spec)
    ]
    return tuple(dict.fromkeys(found))


def submitter(past: Past) -> str:
    """Name of who put it to review last, or an empty text. Last by revision: clocks go back, revisions do not."""
    steps = [review for review in past.reviews if review.to == "in_review" and not review.unmet]
    return max(steps, key=lambda review: review.revision).actor.name if steps else ""


def _quarantined(present: Mapping[str, object], said: Mapping[str, object]) -> dict[str, object]:
    """Quarantines as they are after a mark, tool by tool.

    INVARIANT: a report only adds. Two gateways that report at once lose nothing, and one tool leaves by its name only.
    """
    before, given = present.get(QUARANTINED), said.get(QUARANTINED)
    if not isinstance(given, dict):
        return {}
    known: dict[object, object] = {**before} if isinstance(before, Mapping) else {}
    merged = {str(tool): why for tool, why in (known | given).items() if why is not None}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - JSON
    return {QUARANTINED: merged or None}


def _plain(key: Key, content: Mapping[str, object]) -> dict[str, object] | Problem:
    """Copy that no sender can change any more, exactly as a reader will find it."""
    try:
        copied: dict[str, object] = json.loads(json.dumps(dict(content), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        return _problem(key, "spec", f"is no JSON ({error})", "send JSON")
    return copied


def _problem(key: Key, place: str, what: str, remedy: str) -> Problem:
    return Problem(str(key), place, what, remedy)
