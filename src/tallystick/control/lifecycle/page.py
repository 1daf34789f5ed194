"""The reference page of the lifecycle, written from the table."""

from collections.abc import Iterator

from tallystick.control.lifecycle.due import DAYS
from tallystick.control.lifecycle.gates import GATES, LONGEST_GRANT_DAYS
from tallystick.control.lifecycle.standing import DESCRIPTIVE
from tallystick.control.lifecycle.table import TABLE, Move
from tallystick.control.model import Kind

_INTRO = """# Lifecycle

Servers and grants are reviewed: each is a `draft`, `in_review`, `approved`, `suspended` or `retired`, and only what is
`approved` has any effect. A step that is not in the table cannot happen. A step whose gates are not all met is refused
with the code of each gate, and the attempt is kept among its reviews.
"""

_CHANGES = f"""## What a change does

An approval covers what was looked at. When the spec of an approved server changes in anything but {{descriptive}}, the
server goes back `in_review` and is out of use until it is approved again. When the spec of a grant changes that is
approved or in review, the grant is a draft again. What comes from the configuration directory has the state that its
file says, `approved` without one: whoever writes that directory is the reviewer. What a git repository owns is a change
like any other. To look at an approved server again without interruption, `renew` it.

## What time does

An approval that has an end, and a grant, become `suspended` by themselves when it is reached; `tallystick/clock` is
named as who did it. {{days}} days before the next security review, and before an approval ends, there is a reminder:
in the status of the resource and as the events `review.due` and `approval.expiring`, each once. A grant lasts
{LONGEST_GRANT_DAYS} days at most.
"""


def page() -> str:
    """Return the page, Markdown."""
    descriptive = ", ".join(f"`{name}`" for name in sorted(DESCRIPTIVE))
    days = ", ".join(str(count) for count in sorted(DAYS, reverse=True))
    said = _CHANGES.format(descriptive=descriptive, days=days)
    return "\n".join([_INTRO, *_steps(), *_gates(), said])


def _steps() -> Iterator[str]:
    yield "## Steps\n"
    yield "| step | from | to | | gates for a server | gates for a grant |\n| --- | --- | --- | --- | --- | --- |"
    for row in TABLE:
        gates = " | ".join(_codes(row, kind) for kind in ("Server", "Grant"))
        yield f"| {row.verb} | `{row.source}` | `{row.target}` | {row.says} | {gates} |"
    yield ""


def _codes(row: Move, kind: Kind) -> str:
    return ", ".join(f"[`{code}`](#{code})" for code in row.gates.get(kind, ())) or "none"


def _gates() -> Iterator[str]:
    yield "## Gates\n"
    for gate in GATES.values():
        yield f"### `{gate.code}`\n\n{gate.needs}\n"
        yield "Not in force yet: it is never asked.\n" if gate.met is None else f"What to do: {gate.remedy}\n"
