"""Resources to documents: as they would be applied again, and as canonical files whose digests make the state's."""

from collections.abc import Iterable, Mapping
from typing import Final

from tallystick.control.model import EVERYWHERE, REVIEWED, Resource
from tallystick.control.render import render
from tallystick.registry import kinds
from tallystick.settings import Problem

_ORDER: Final = {kind: number for number, kind in enumerate(kinds.KINDS)}


def to_documents(resources: Iterable[Resource]) -> tuple[Mapping[str, object], ...]:
    """Return the Kubernetes-style documents, in the order of kinds and names.

    They hold what was declared, not what Tallystick says of it: no status, no versions, and of secrets no value. Pins
    of which nothing is pinned yet are left out.
    """
    ordered = sorted(resources, key=lambda resource: (_ORDER[resource.kind], resource.name))
    return tuple(_document(resource) for resource in ordered if resource.kind != "Pin" or resource.spec)


def to_canonical_files(resources: Iterable[Resource]) -> Mapping[str, bytes] | tuple[Problem, ...]:
    """Return path -> content of the files that the digest of a snapshot is computed over, or what has no such form.

    `sha256sum` over them in order of path, and SHA-256 over its output, is that digest.
    """
    rendered = [document for resource in resources if (document := render(resource)) is not None]
    problems = tuple(document for document in rendered if isinstance(document, Problem))
    documents = [document for document in rendered if not isinstance(document, Problem)]
    return problems or {document.path: document.canonical() for document in sorted(documents)}


def _document(resource: Resource) -> Mapping[str, object]:
    metadata: dict[str, object] = {"name": resource.name}
    if resource.kind != "Tenant" and resource.tenant != EVERYWHERE:
        metadata["tenant"] = str(resource.tenant)
    if resource.labels:
        metadata["labels"] = dict(sorted(resource.labels.items()))
    spec = {} if resource.kind == "Secret" else dict(resource.spec)
    if resource.kind in REVIEWED and resource.state != "approved":
        spec["state"] = resource.state
    return {"apiVersion": kinds.API_VERSION, "kind": resource.kind, "metadata": metadata, "spec": spec}
