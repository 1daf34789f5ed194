"""What one server is, in every era that it speaks: what `tally pin` and a reviewer see."""

from typing import Final

import anyio

from tallystick.gateway.definitions.observe import (
    LISTS,
    OWN,
    TOO_SLOW,
    Heard,
    View,
    declared,
    hear_lists,
    hear_opening,
    read,
    said_of,
)
from tallystick.gateway.upstream import Upstream
from tallystick.registry import definition
from tallystick.terms import Reason, Refusal, ServerId
from tallystick.wire import ERAS, MODERN

ASKED: Final = (MODERN, "2025-11-25")
"""The versions in which a server is asked: one of each kind of era."""

WHOLE: Final = 10
"""How much longer than one request all of it may take: a page after another, a slow server could go on for hours."""


async def ask(upstream: Upstream, server: ServerId, within_s: float = 60.0) -> definition.Definition | Refusal:
    """Return what a server is, asked over its one way out; refused where it answers in no era, or not its lists.

    Each request may take `within_s` seconds, and all of them together `WHOLE` times as much. What it does not list in
    an older era was never asked for there.
    """
    with anyio.move_on_after(within_s * WHOLE):
        return await _ask(upstream, server, within_s)
    return TOO_SLOW


async def _ask(upstream: Upstream, server: ServerId, within_s: float) -> definition.Definition | Refusal:
    eras: dict[str, definition.model.Said] = {}
    opened: dict[str, dict[str, object]] = {}
    refused = Refusal("upstream", (Reason.UPSTREAM_UNREACHABLE,), "The server does not answer.")
    try:
        for version in ASKED:
            view = View(ERAS[version])
            raw = await hear_opening(upstream, view, within_s)
            said = raw if isinstance(raw, Refusal) else read(raw)
            if isinstance(raw, Refusal) or isinstance(said, Refusal):
                refused = raw if isinstance(raw, Refusal) else refused
                continue
            found = await _listed(upstream, view, within_s, raw)
            if isinstance(found, Refusal) and not eras:
                return found
            opened[version] = said
            eras[version] = definition.model.Said(None, None, introduced=False) if isinstance(found, Refusal) else found
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(within_s):
            await upstream.forget(OWN)
    return definition.read.definition_of(server, eras, opened) if eras else refused


async def _listed(upstream: Upstream, view: View, within_s: float, opened: bytes) -> definition.model.Said | Refusal:
    said = read(opened)
    capabilities = None if isinstance(said, Refusal) else said.get("capabilities")
    lists = await hear_lists(upstream, view, within_s, declared(definition.plain.object_of(capabilities)))
    found = lists if isinstance(lists, Refusal) else said_of(Heard(opened, lists, b""))
    if isinstance(found, Refusal):
        return found
    # A list that is not declared was asked about all the same: there is nothing in it.
    whole = {part: found[0].items(part) or {} for part in LISTS}
    return definition.model.Said(found[0].instructions, whole["tools"], whole["prompts"], whole["resource_templates"])
