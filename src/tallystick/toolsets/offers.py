"""Prompts and resources of a toolset, from what was pinned of its servers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tallystick.registry import Registry, Server, Toolset
from tallystick.registry import toolset as nouns
from tallystick.terms import ServerId
from tallystick.toolsets.model import PublishedPrompt
from tallystick.toolsets.names import Settled, Wish, settle
from tallystick.toolsets.patterns import matches_any
from tallystick.toolsets.resources import PublishedResource, Reader, Resources
from tallystick.toolsets.select import Chosen, Selected, excludes_prompt

EVERYTHING = "*"
"""The entry of a pin's quarantine that stands for the whole server."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What a toolset offers besides tools; `names` and `uris` tell how the collisions ended."""

    prompts: tuple[PublishedPrompt, ...]
    resources: Resources
    names: Settled
    uris: Settled


def offer(toolset: Toolset, registry: Registry, selected: Selected) -> Offers:
    """Return the prompts and resources of a toolset."""
    prompts, names = _prompts(toolset, registry, selected.chosen)
    resources, uris = _resources(toolset, registry, selected)
    return Offers(prompts, resources, names, uris)


def is_available(server: Server, registry: Registry) -> bool:
    """Tell whether a server is approved, was pinned, and is not held back as a whole."""
    pin = registry.pins.get(server.name)
    return server.state == "approved" and pin is not None and EVERYTHING not in pin.quarantined


def _prompts(
    toolset: Toolset, registry: Registry, chosen: Mapping[ServerId, Chosen]
) -> tuple[tuple[PublishedPrompt, ...], Settled]:
    known: dict[tuple[ServerId, str], Mapping[str, object]] = {}
    for server, part in chosen.items():
        for name, definition in _pinned_prompts(registry, server).items():
            if matches_any(part.prompts, name) and not excludes_prompt(toolset, server, name):
                known[server, name] = definition
    overrides = toolset.overrides.prompts
    wishes = [Wish(server, name, overrides.get((server, name), nouns.PromptOverride()).name) for server, name in known]
    settled = settle(wishes, toolset.conflicts, toolset.priority)
    prompts = tuple(
        PublishedPrompt(name, server, own, _described(known[server, own], name, overrides.get((server, own))))
        for (server, own), name in settled.names.items()
        if is_available(registry.servers[server], registry)
    )
    return prompts, settled


def _resources(toolset: Toolset, registry: Registry, selected: Selected) -> tuple[Resources, Settled]:
    known: dict[tuple[ServerId, str], Mapping[str, object]] = {}
    readers: list[Reader] = []
    for server, part in selected.chosen.items():
        if not part.resources:
            continue
        excluded = tuple(_excluded(toolset, server))
        reader = Reader(
            server,
            tuple(dict.fromkeys(part.resources)),
            tuple(_templates(registry, server, part.resources, excluded)),
            excluded,
            is_available(part.server, registry),
        )
        readers.append(reader)
        # What is named in full is listed: nothing else is known of it, and nobody has to be asked.
        whole = (uri for uri in reader.patterns if "*" not in uri and "{" not in uri)
        known |= {(server, uri): {"uri": uri, "name": uri} for uri in whole if not matches_any(excluded, uri)}
        pinned = _pinned_templates(registry, server)
        known |= {(server, template): pinned[template] for template in reader.templates}
    settled = _settle_uris(toolset, list(known))
    offered = [
        PublishedResource(server, uri, _described(known[server, uri], None, toolset.overrides.resources.get(uri)))
        for server, uri in settled.names
        if is_available(registry.servers[server], registry)
    ]
    return Resources(
        tuple(entry for entry in offered if "uri" in entry.definition),
        tuple(entry for entry in offered if "uri" not in entry.definition),
        tuple(readers),
        toolset.priority,
        toolset.overrides.resources,
    ), settled


def _settle_uris(toolset: Toolset, known: Sequence[tuple[ServerId, str]]) -> Settled:
    """Settle whose each URI is: no prefix can part two of them, so `prefix` asks for an override as `manual` does."""
    rule, overrides = toolset.conflicts, toolset.overrides.resources
    owned = {uri: owner for uri, entry in overrides.items() if (owner := entry.server) is not None}
    left = [
        Wish(server, uri, uri)
        for server, uri in known
        if rule == "reject" or owned.get(uri, server) == server or (ServerId(owned[uri]), uri) not in known
    ]
    return settle(left, rule, toolset.priority)


def _templates(registry: Registry, server: ServerId, patterns: Sequence[str], excluded: Sequence[str]) -> Iterator[str]:
    for template in _pinned_templates(registry, server):
        if matches_any(patterns, template) and not matches_any(excluded, template):
            yield template


def _excluded(toolset: Toolset, server: ServerId) -> Iterator[str]:
    for rule in toolset.exclude:
        if matches_any(rule.servers, server):
            yield from rule.resources if rule.resources is not None else ("*",) if rule.is_about_all else ()


def _pinned_prompts(registry: Registry, server: ServerId) -> Mapping[str, Mapping[str, object]]:
    pin = registry.pins.get(server)
    return {} if pin is None or pin.prompts is None else pin.prompts


def _pinned_templates(registry: Registry, server: ServerId) -> Mapping[str, Mapping[str, object]]:
    pin = registry.pins.get(server)
    return {} if pin is None or pin.resource_templates is None else pin.resource_templates


def _described(
    definition: Mapping[str, object], name: str | None, override: nouns.PromptOverride | nouns.ResourceOverride | None
) -> dict[str, object]:
    changed = {**definition} if name is None else {**definition, "name": name}
    said = {} if override is None else {"title": override.title, "description": override.description}
    return changed | {key: text for key, text in said.items() if text is not None}
