"""Steps of the lifecycle of servers and grants: submit, approve, reject, renew, suspend, reinstate, retire."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from tallystick.cli.branch import Branch
from tallystick.cli.connection import Connection, connected
from tallystick.cli.control.care import Care, careful
from tallystick.cli.control.kinds import Noun, name_of
from tallystick.cli.output import Shape, shaped

if TYPE_CHECKING:
    from tallystick.remote import messages


class Verb(NamedTuple):
    """One step at the command line. `is_yes`: somebody vouches for something, so it takes what an approval takes."""

    to: "messages.resources.State"
    says: str
    done: str
    is_yes: bool = False


VERBS: Final[Mapping[str, Verb]] = {
    "submit": Verb("in_review", "Ask for a review of a draft.", "waits for a review"),
    "approve": Verb("approved", "Let it have effect, if its gates are met.", "is approved", is_yes=True),
    "reject": Verb("draft", "Send it back with a reason, to be a draft again.", "is a draft again"),
    "renew": Verb("approved", "Approve again what is approved, without interruption.", "is renewed", is_yes=True),
    "suspend": Verb("suspended", "Take it out of use at once: needs a reason, and nothing else.", "is suspended"),
    "reinstate": Verb("approved", "Let it have effect again, if its gates are met.", "is approved", is_yes=True),
    "retire": Verb("retired", "Take it out of use for good.", "is retired"),
}
REVIEWS: Final = {
    "AT": "at",
    "ACTOR": "actor",
    "KIND": "kind",
    "NAME": "name",
    "FROM": "before",
    "TO": "to",
    "UNMET": "unmet",
    "COMMENT": "comment",
}


def steps(noun: Noun, names: Mapping[str, str]) -> Mapping[str, Branch]:
    """Return the branches of steps; `names` are commands -> verbs of the table."""
    return {name: Branch(VERBS[verb].says, partial(_step, noun, name, verb)) for name, verb in names.items()}


def _step(noun: Noun, name: str, verb: str) -> click.Command:
    return _vouching(noun, name, verb) if VERBS[verb].is_yes else _plain(noun, name, verb)


def _plain(noun: Noun, called: str, verb: str) -> click.Command:
    @click.command(called, help=VERBS[verb].says)
    @connected
    @careful
    @click.option("--comment", default="", help="Why; kept with the step, and needed by some.")
    @name_of(noun)
    def command(console: Connection, care: Care, name: str, comment: str) -> None:
        from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

        take(console, care, noun, name, messages.asked.Step(VERBS[verb].to, comment))
        care.tell(f"{noun.name} {name} {VERBS[verb].done}")

    return command


def _vouching(noun: Noun, called: str, verb: str) -> click.Command:
    @click.command(called, help=VERBS[verb].says)
    @connected
    @careful
    @click.option("--comment", default="", help="Kept with the step.")
    @click.option("--condition", "conditions", multiple=True, help="A condition, for people; several may be given.")
    @click.option("--expires", help="When it ends (RFC 3339, such as 2027-05-04T00:00:00Z).")
    @click.option("--definition", help="Digest of the definition that you have looked at.")
    @name_of(noun)
    def command(console: Connection, care: Care, name: str, conditions: tuple[str, ...], **given: str | None) -> None:
        from tallystick.remote import messages  # noqa: PLC0415 - loaded when it is asked

        comment = given.get("comment") or ""
        step = messages.asked.Step(
            VERBS[verb].to, comment, list(conditions), given.get("expires"), given.get("definition")
        )
        take(console, care, noun, name, step)
        care.tell(f"{noun.name} {name} {VERBS[verb].done}")

    return command


def take(console: Connection, care: Care, noun: Noun, name: str, step: "messages.asked.Step") -> None:
    """Take a step with the version that is there now; raises RemoteError with every gate that is not met."""
    from tallystick.remote import Sent, messages  # noqa: PLC0415 - loaded when it is asked

    client = console.client()
    etag = client.get(noun.kind, name).etag
    client.step(noun.kind, name, step, Sent(etag, None, messages.asked.Dry(dry_run=care.is_dry)))


def reviews(noun: Noun) -> Branch:
    """Return the branch that shows the steps of one resource."""
    says = f"Show every step that was taken or refused with a {noun.name}."

    def load() -> click.Command:
        @click.command("reviews", help=says)
        @connected
        @shaped
        @name_of(noun)
        def command(console: Connection, shape: Shape, name: str) -> None:
            from tallystick.remote import plain  # noqa: PLC0415 - loaded when it is asked

            shape.many([plain(one) for one in console.client().reviews(noun.kind, name)], REVIEWS)

        return command

    return Branch(says, load)
