"""Messages as plain JSON values, for whoever prints them or writes them to a file."""

import msgspec

from tallystick.remote.messages import resources


def plain(message: msgspec.Struct) -> dict[str, object]:
    """Return a message as it travels: objects, lists, texts, numbers."""
    return msgspec.convert(msgspec.to_builtins(message), dict[str, object])


def document_of(resource: resources.Resource) -> dict[str, object]:
    """Return a resource as the document that applying takes: what was declared, not what the console says of it."""
    metadata: dict[str, object] = {"name": resource.metadata.name}
    if resource.kind != "Tenant" and resource.metadata.tenant:
        metadata["tenant"] = resource.metadata.tenant
    if resource.metadata.labels:
        metadata["labels"] = dict(sorted(resource.metadata.labels.items()))
    spec = {} if resource.kind == "Secret" else dict(resource.spec)
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec}
