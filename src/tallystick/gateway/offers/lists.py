"""The lists of prompts, resources and resource templates that a toolset offers, as far as a caller may ask for them."""

from collections.abc import Iterable, Mapping
from typing import Literal

from tallystick import policy
from tallystick.gateway.rooms import Rooms
from tallystick.snapshot import Route
from tallystick.terms import Caller, ServerId
from tallystick.toolsets import PublishedResource
from tallystick.wire import Era

Offer = Literal["prompts", "resources", "templates"]


def list_offers(rooms: Rooms, found: Route, caller: Caller, era: Era, offer: Offer) -> dict[str, object]:
    """Return the result of one list."""
    admitted = found.admit(caller, rooms.clock())
    # Whoever was let in to single tools was let in to nothing else.
    seen = _Seen(rooms, found, caller, era) if admitted is not None and admitted.tools is None else None
    match offer:
        case "prompts":
            return {"prompts": [] if seen is None else seen.prompts()}
        case "resources":
            return {"resources": [] if seen is None else seen.resources(found.resources.listed, "resources/list")}
        case "templates":
            method = "resources/templates/list"
            templates = [] if seen is None else seen.resources(found.resources.templates, method)
            return {"resourceTemplates": templates}


class _Seen:
    """What one caller sees of a route."""

    def __init__(self, rooms: Rooms, found: Route, caller: Caller, era: Era) -> None:
        self._rooms = rooms
        self._found = found
        self._caller = caller
        self._era = era

    def prompts(self) -> list[Mapping[str, object]]:
        """Return the prompts that may be listed and asked for."""
        return [
            prompt.definition
            for prompt in self._found.prompts.values()
            if self._may(prompt.server, "prompts/list", {})
            and self._may(prompt.server, "prompts/get", {"name": prompt.prompt})
        ]

    def resources(self, listed: Iterable[PublishedResource], method: str) -> list[Mapping[str, object]]:
        """Return the resources, or the templates, that may be listed and read: a template if it may be somehow."""
        return [
            entry.definition
            for entry in listed
            if self._may(entry.server, method, {})
            and self._may(entry.server, "resources/read", {"uri": entry.uri} if "uri" in entry.definition else None)
        ]

    def _may(self, server: ServerId, method: str, arguments: Mapping[str, object] | None) -> bool:
        # INVARIANT: what is listed is what may be asked for, by the same decision.
        if self._rooms.holder.quarantined(server, None) is not None:
            return False
        part = self._found.bundle.method(server, method)
        return policy.decide(part, self._caller, arguments, self._era.version).effect == "allow"
