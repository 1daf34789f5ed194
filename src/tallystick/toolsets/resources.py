"""Resources of a toolset: those it lists, and whose a URI is that somebody reads.

A URI cannot be renamed, so it has no prefix: what two servers offer is a collision under every rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from tallystick.registry import toolset as nouns
from tallystick.terms import ServerId
from tallystick.toolsets.names import Wish, first
from tallystick.toolsets.patterns import climbs, fits_template, matches_any, readings

LONGEST: Final = 2_048
"""Characters of a URI that is looked up."""


@dataclass(frozen=True, slots=True)
class PublishedResource:
    """A resource or a template as a toolset lists it: `uri` is its URI or template, `definition` the MCP object."""

    server: ServerId
    uri: str
    definition: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Reader:
    """What may be read of one server: URIs by `patterns` and by chosen `templates`, but for what is `excluded`.

    One that is not `available` keeps what is its own, so that nobody else is asked for it meanwhile.
    """

    server: ServerId
    patterns: tuple[str, ...]
    templates: tuple[str, ...]
    excluded: tuple[str, ...]
    available: bool = True

    def may(self, uri: str) -> bool:
        """Tell whether the toolset has chosen this URI of the server, and leaves it out in no spelling."""
        # INVARIANT: where a path that climbs leads, no pattern can tell: it is chosen by its own full name only.
        chosen = uri in self.patterns if climbs(uri) else matches_any(self.patterns, uri) or self.offers(uri)
        return chosen and not any(matches_any(self.excluded, reading) for reading in readings(uri))

    def offers(self, uri: str) -> bool:
        """Tell whether the server is known to have it: it is named in full, or fits a template of its own."""
        return uri in self.patterns or any(fits_template(template, uri) for template in self.templates)


@dataclass(frozen=True, slots=True)
class Resources:
    """What a toolset offers to read. `priority` is empty where the rule for conflicts is another one."""

    listed: tuple[PublishedResource, ...] = ()
    templates: tuple[PublishedResource, ...] = ()
    readers: tuple[Reader, ...] = ()
    priority: tuple[ServerId, ...] = ()
    overrides: Mapping[str, nouns.ResourceOverride] = field(default_factory=dict[str, nouns.ResourceOverride])

    def find(self, uri: str) -> ServerId | None:
        """Return whose a URI is; None where it is nobody's, or where nothing says which of several it is."""
        if len(uri) > LONGEST:
            return None
        able = [reader for reader in self.readers if reader.may(uri)]
        able = [reader for reader in able if reader.offers(uri)] or able
        reader = able[0] if len(able) == 1 else self._chosen(uri, able)
        return reader.server if reader is not None and reader.available else None

    def _chosen(self, uri: str, able: Sequence[Reader]) -> Reader | None:
        by_name = {reader.server: reader for reader in able}
        for place, override in self.overrides.items():
            if override.server is not None and (place == uri or fits_template(place, uri)):
                return by_name.get(ServerId(override.server))
        if not able or not self.priority:
            return None
        winner = first([Wish(reader.server, uri, None) for reader in able], self.priority)
        return None if winner is None else by_name[winner.server]
