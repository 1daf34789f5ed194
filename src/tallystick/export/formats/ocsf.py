"""The canonical event of a leaf (OCSF 1.8.0), from which every other format is derived. Pure."""

from tallystick.export.formats import calls, changes
from tallystick.export.formats.leaf import OPEN, Entry, Event, Leaf, Masking, Skipped, masked, read
from tallystick.export.formats.parts import Draft

INTENT = "the leaf that closes the call tells all of it: outcome, or in_doubt"


def event(entry: Entry, masking: Masking = OPEN) -> Event | Skipped:
    """Return the event of a leaf, or why it has none."""
    leaf = read(entry.leaf)
    if leaf is None:
        return Skipped("these bytes are no JSON object", poison=True)
    if leaf.text("kind") == "intent":
        return Skipped(INTENT)
    draft = _draft(entry, masked(leaf, masking), masking)
    if draft is None:
        return Skipped("a leaf of no known kind", poison=True)
    return draft.event


def _draft(entry: Entry, leaf: Leaf, masking: Masking) -> Draft | None:
    match leaf.text("kind"):
        case "outcome":
            return calls.outcome(entry, leaf, masking)
        case "denial":
            return calls.denial(entry, leaf)
        case "in_doubt":
            return calls.in_doubt(entry, leaf, masking)
        case "approval":
            return changes.approval(entry, leaf, masking)
        case kind:
            build = changes.CHANGES.get(kind)
            return None if build is None else build(entry, leaf)
