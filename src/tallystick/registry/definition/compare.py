"""Whether a server still says what was approved: by digest, name by name. What a difference means is for `diff`."""

from tallystick.registry.definition.model import SERVER, Definition, Difference, Item, Said
from tallystick.registry.definition.read import PARTS
from tallystick.terms import Digest


def compare(pinned: Said, observed: Said, whole: Digest) -> Difference:
    """Compare what a server says in one era with what was pinned of it; `whole` names everything observed.

    What a server says to every client (instructions), and what cannot be hidden by the piece (prompts, resource
    templates), quarantines the server; a tool quarantines itself.
    """
    quarantine: dict[str, Digest] = {}
    new: list[str] = []
    gone: list[str] = []
    if pinned.introduced and observed.introduced and pinned.instructions != observed.instructions:
        quarantine[SERVER] = whole
    for part in PARTS:
        before, after = pinned.items(part), observed.items(part)
        if before is None or after is None:
            continue
        for name, item in after.items():
            known = before.get(name)
            if known is None:
                new.append(f"{part}/{name}")
            elif not same(known, item):
                quarantine[name if part == "tools" else SERVER] = item.digest if part == "tools" else whole
        gone.extend(f"{part}/{name}" for name in before if name not in after)
    return Difference(quarantine, tuple(new), tuple(gone))


def same(before: Item, after: Item) -> bool:
    """Tell whether two definitions are one. One with a flaw is like no other."""
    return not before.flaw and not after.flaw and before.digest == after.digest


def expected(pinned: Definition, version: str) -> Said | None:
    """Return what was pinned for a version: that version's own, else that of the newest; None where nothing was."""
    said = pinned.eras.get(version)
    return said if said is not None else next(iter(pinned.eras.values()), None)
