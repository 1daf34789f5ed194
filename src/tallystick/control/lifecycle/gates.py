"""The gates: what must be true before a step is taken, each with its code, its sentence and what to do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tallystick.control.lifecycle.model import Facts, Unmet
from tallystick.control.lifecycle.read import day, is_list, is_object, moment, now, section, text
from tallystick.control.model import Resource, Step
from tallystick.registry import definition

LONGEST_GRANT_DAYS: Final = 365
"""A grant is asked for again after a year at the latest: who needs what is looked at once a year."""
LABELS: Final = ("operation", "risk", "data_scope", "reversibility")
"""What must be said of each tool that is offered."""
EVERY_OTHER: Final = "*"
"""The entry of a server's tools that stands for all that have none of their own."""
MAY_GRANT: Final = frozenset({"reviewer", "owner"})
"""Console roles that approve grants for what is not their own."""
_NAMED: Final = 5
"""Things that a sentence lists before it says how many more there are."""

Met = Callable[[Step, Facts], str]
"""Says what is wrong, in a sentence; empty when nothing is."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition of a step. `met` None: it is known and not asked yet."""

    code: str
    needs: str
    remedy: str
    met: Met | None

    def judge(self, step: Step, facts: Facts) -> Unmet | None:
        """Return the gate as unmet, or None."""
        wrong = "" if self.met is None else self.met(step, facts)
        return Unmet(self.code, wrong, self.remedy) if wrong else None


def _list(names: list[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _comment(step: Step, facts: Facts) -> str:
    del facts
    return "" if step.comment.strip() else "No reason is given."


def _owner(step: Step, facts: Facts) -> str:
    del step
    spec = facts.resource.spec
    said = section(spec, "owner") or {"person": text(spec, "owner")}
    missing = [] if text(said, "person") else ["a person"]
    if not (text(said, "team") or text(said, "legal_entity")):
        missing.append("a team or a legal entity")
    return f"The owner lacks {' and '.join(missing)}." if missing else ""


def _purpose(step: Step, facts: Facts) -> str:
    del step
    return "" if text(facts.resource.spec, "purpose") else "Nobody has said what it is for."


def _labels(step: Step, facts: Facts) -> str:
    del step
    tools = section(facts.resource.spec, "tools")
    rest = tools.get(EVERY_OTHER)
    # One that is neither named nor covered by the entry for all others is hidden, and needs no label.
    unclear = [name for name in _named(facts.pin) if (own := tools.get(name, rest)) is not None and _lacks(own)]
    return f"Tools whose labels are not complete: {_list(unclear)}." if unclear else ""


def _named(pin: Resource | None) -> list[str]:
    """Tools that the pin has, and those that it would have."""
    if pin is None:
        return []
    coming = section(section(pin.status, "observed"), "spec")
    return sorted({tool for spec in (pin.spec, coming) for tool in _tools(spec)})


def _tools(spec: Mapping[str, object]) -> list[str]:
    tools = spec.get("tools")
    if is_object(tools):
        return list(tools)
    return [text(tool, "name") for tool in tools if is_object(tool)] if is_list(tools) else []


def _lacks(tool: object) -> bool:
    return not is_object(tool) or any(text(tool, label) in ("", "unknown") for label in LABELS)


def _classified(step: Step, facts: Facts) -> str:
    del step
    spec = facts.resource.spec
    places = spec.get("jurisdictions")
    missing = [] if text(spec, "classification") not in ("", "unknown") else ["a classification"]
    if not (is_list(places) and places):
        missing.append("jurisdictions")
    return f"It lacks {' and '.join(missing)}." if missing else ""


def _security(step: Step, facts: Facts) -> str:
    del step
    today, review = now(facts.now).date(), section(facts.resource.spec, "security_review")
    done, following = day(review.get("date")), day(review.get("next"))
    if done is None or following is None:
        return "The dates of the security review are not there: when it was, and when the next one is."
    if done > today:
        return f"The security review is dated {done}, which is still to come."
    return "" if today < following else f"The next security review was due on {following}."


def _inside(step: Step, facts: Facts) -> str:
    del step
    transport, actor = section(facts.resource.spec, "transport"), facts.actor
    runs = "stdio" in transport
    if not facts.shared or not (runs or section(transport, "http").get("allow_special_addresses") is True):
        return ""
    # INVARIANT: what runs or reaches beside other tenants is not for two people of one tenant to let in.
    if (actor.caller is None and actor.operator.startswith("operator:")) or MAY_GRANT & {*actor.everywhere}:
        return ""
    what = "runs as a program on the gateway's machine" if runs else "may reach addresses inside the gateway's network"
    return f"It {what}, which other tenants share."


def _four_eyes(step: Step, facts: Facts) -> str:
    del step
    # Whoever made somebody's word count here could have written that word.
    for who in (facts.actor.name, *facts.actor.vouched):
        if who == facts.submitter:
            return f"{who} submitted it, and cannot approve it too."
        if who in facts.editors:
            return f"{who} changed it since it was last approved, and cannot approve it too."
    return ""


def seen_last(pin: Resource | None) -> str:
    """Return the digest of what a server said last: what differs from its pin, else the pin; empty for neither."""
    if pin is None:
        return ""
    observed = text(section(pin.status, "observed"), "digest")
    if observed or not pin.spec:
        return observed
    return definition.of_document({**pin.spec, "server": pin.name}).digest


def _definition(step: Step, facts: Facts) -> str:
    seen = seen_last(facts.pin)
    if not seen:
        return "Nobody has asked the server yet what it offers."
    if not step.definition:
        return "The reviewer has not said which definition was looked at."
    return "" if step.definition == seen else f"The server's definition is now {seen}, not the one that was looked at."


def _ends(step: Step, facts: Facts) -> str:
    if step.expires is None:
        return ""
    until = moment(step.expires)
    if until is None:
        return "The end of the approval is not a time."
    return "" if until > now(facts.now) else f"The approval would have ended already, at {step.expires}."


def _grant_ends(step: Step, facts: Facts) -> str:
    del step
    until, today = moment(facts.resource.spec.get("expires")), now(facts.now)
    if until is None:
        return "The grant has no end."
    if until <= today:
        return f"The grant has ended already, at {facts.resource.spec['expires']}."
    longest = timedelta(days=LONGEST_GRANT_DAYS)
    return "" if until - today <= longest else f"The grant would last longer than {LONGEST_GRANT_DAYS} days."


def _entitled(step: Step, facts: Facts) -> str:
    del step
    if MAY_GRANT & set(facts.actor.roles):
        return ""
    granted = facts.scope
    # A grant lets callers in to what is of its own tenant; whoever owns a namesake elsewhere has no say.
    if granted is not None and granted.tenant == facts.resource.tenant:
        owner = text(section(granted.spec, "owner"), "person") or text(granted.spec, "owner")
        if owner and owner == facts.actor.name:
            return ""
    return f"{facts.actor.name} neither owns what is granted nor is a reviewer."


_GATES: Final = (
    Gate("comment", "A reason is given.", "Say why.", _comment),
    Gate(
        "owner",
        "The owner is known: a person, and a team or a legal entity.",
        "Set `owner.person`, and `owner.team` or `owner.legal_entity`.",
        _owner,
    ),
    Gate("purpose", "Its purpose is said.", "Set `purpose`.", _purpose),
    Gate(
        "labels_complete",
        "Every tool that is offered has its operation, risk, data scope and reversibility.",
        "Set `operation`, `risk`, `data_scope` and `reversibility` of these tools.",
        _labels,
    ),
    Gate(
        "classified",
        "The classification and the jurisdictions are known.",
        "Set `classification` and `jurisdictions`.",
        _classified,
    ),
    Gate(
        "security_review",
        "The security review is in date: it was today or earlier, and the next one is later than today.",
        "Have its security reviewed, then set `security_review.date` and `security_review.next`.",
        _security,
    ),
    Gate(
        "inside",
        "Where tenants share the installation: what runs as a program on the gateway's machine, or may reach addresses "
        "inside, is let in by a reviewer or owner of the whole installation, or on the machine.",
        "Ask somebody whose role is not of one tenant (`tally role grant reviewer person=NAME`, without --tenant).",
        _inside,
    ),
    Gate(
        "four_eyes",
        "Who approves neither submitted it nor changed it since it was last approved, in whatever way.",
        "Ask somebody else to approve it.",
        _four_eyes,
    ),
    Gate(
        "definition",
        "The reviewer names the digest of the definition that was looked at, and it is the one that was seen last.",
        "Ask the server (`tally server scan NAME`), look at its definition, and approve with its digest.",
        _definition,
    ),
    Gate(
        "expiry",
        "If the approval is to end by itself, that is later than now.",
        "Give a later time (RFC 3339), or none.",
        _ends,
    ),
    Gate(
        "supply_chain",
        "What runs was checked: signed, with a bill of materials, without known holes.",
        "Nothing: no part of Tallystick gives this verdict yet.",
        None,
    ),
    Gate(
        "grant_expiry",
        f"The grant ends, later than now and within {LONGEST_GRANT_DAYS} days.",
        "Set `expires` to a time within the limit; ask again when it ends.",
        _grant_ends,
    ),
    Gate(
        "grant_approver",
        "Who approves owns the toolset or the server, or is a reviewer.",
        "Ask its owner or a reviewer.",
        _entitled,
    ),
)

GATES: Final[Mapping[str, Gate]] = {gate.code: gate for gate in _GATES}
"""Every gate by its code."""
