"""Resources as the documents that a snapshot is compiled from: the files of the spine, by name and content. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

from tallystick.control.model import EVERYWHERE, Key, Kind, Resource
from tallystick.settings import Problem
from tallystick.snapshot import Document

PLACES: Final[Mapping[Kind, tuple[str, str]]] = {
    "Tenant": ("tenants", ".yaml"),
    "Issuer": ("issuers", ".yaml"),
    "Server": ("servers", ".yaml"),
    "Pin": ("pins", ".json"),
    "Toolset": ("toolsets", ".yaml"),
    "Policy": ("policies", ".cedar"),
    "Grant": ("grants", ".yaml"),
    "Agent": ("agents", ".yaml"),
    "Role": ("roles", ".yaml"),
    "Webhook": ("webhooks", ".yaml"),
}
"""Folder and suffix of each kind that has a document. A `Secret` has none: no snapshot needs to know it."""

_NAMED_BY: Final[Mapping[str, str]] = {"Pin": "server"}
_TENANT_OF_ITS_OWN: Final[frozenset[Kind]] = frozenset({"Tenant", "Pin", "Policy"})
"""Kinds whose document has no field `tenant`: it is said by the name, by another document, or by nothing."""
_STATED: Final[frozenset[Kind]] = frozenset({"Server", "Grant"})
QUARANTINED: Final = "quarantined"


def document_name(resource: Resource) -> str | None:
    """Name of the document of a resource; None for one that has none (a secret, a pin with nothing pinned yet)."""
    place = PLACES.get(resource.kind)
    if place is None or (resource.kind == "Pin" and not resource.spec):
        return None
    folder, suffix = place
    within = f"{resource.tenant}/" if resource.kind == "Policy" and resource.tenant != EVERYWHERE else ""
    return f"{folder}/{within}{resource.name}{suffix}"


def content(resource: Resource) -> Mapping[str, object] | str:
    """Content of a resource's document: its spec with what its file would say beside, or the text of a policy."""
    if resource.kind == "Policy":
        return str(resource.spec.get("cedar", ""))
    # INVARIANT: what it is called and whose it is comes from the resource, whatever its spec says: that is what rights
    # were asked for.
    whole: dict[str, object] = {name: part for name, part in resource.spec.items() if name != "tenant"}
    whole[_NAMED_BY.get(resource.kind, "name")] = resource.name
    if resource.kind not in _TENANT_OF_ITS_OWN and resource.tenant != EVERYWHERE:
        whole["tenant"] = str(resource.tenant)
    # INVARIANT: a suspended or retired server is rendered too, with its state: policies and toolsets may go on naming
    # it. Only the snapshot decides that it gets no route.
    if resource.kind in _STATED and resource.state != "approved":
        whole["state"] = resource.state
    quarantined = resource.status.get(QUARANTINED)
    if resource.kind == "Pin" and quarantined:
        whole[QUARANTINED] = quarantined
    return whole


def render(resource: Resource) -> Document | Problem | None:
    """Document of one resource; None where it has none, a problem where it has no canonical form."""
    name = document_name(resource)
    return None if name is None else Document.of(name, content(resource))


class Renderer:
    """Renders whole states again and again. What is the same resource as before is the same document as before."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Resource, Document | Problem | None]] = {}

    def render(self, resources: Iterable[Resource]) -> Mapping[str, Document] | tuple[Problem, ...]:
        """Documents by name, or every resource that has none for a fault of its own."""
        known = self._known
        fresh: dict[Key, tuple[Resource, Document | Problem | None]] = {}
        documents: dict[str, Document] = {}
        problems: list[Problem] = []
        for resource in resources:
            found = known.get(resource.key)
            entry = found if found is not None and found[0] is resource else (resource, render(resource))
            fresh[resource.key] = entry
            if isinstance(entry[1], Document):
                documents[entry[1].name] = entry[1]
            elif entry[1] is not None:
                problems.append(entry[1])
        # Replaced as a whole: threads that render at the same time only lose a memory.
        self._known = fresh
        return tuple(problems) or documents
