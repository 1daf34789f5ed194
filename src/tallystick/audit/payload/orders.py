"""Orders about payloads and their keys, as the writer's clerk carries them out."""

import json
import os
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk, Fields, Order, tenant_of, text_of
from tallystick.audit.disk import sync_directory
from tallystick.audit.leaf import commit
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.payload.keys.choose import open_provider
from tallystick.audit.payload.keys.file import FileProvider
from tallystick.audit.payload.model import Gone, KeyProvider
from tallystick.audit.payload.vault import Vaults
from tallystick.terms import TallyError, TenantId

TOLD_BYTES: Final = 1 << 20
"""Largest payload that is told in an answer; a larger one goes to a file."""


class Orders:
    """The orders over the vaults of one state directory."""

    def __init__(self, vaults: Vaults) -> None:
        self._vaults = vaults

    def reveal(self, desk: Desk, fields: Fields) -> Fields:
        """`reveal`: tell the payload `field` of a `call`, or write it to a new `file`.

        INVARIANT: the `export` leaf is durable before anybody but this process has the content.
        """
        tenant, call_id, field = tenant_of(fields), text_of(fields, "call"), text_of(fields, "field")
        said = {name: text_of(fields, name) for name in ("why", "operator")}
        target = _target(fields)
        desk.standing(tenant)
        found = desk.vault(tenant).reveal(call_id, field)
        if isinstance(found, Gone):
            return {"gone": found.why} if found.leaf is None else {"gone": found.why, "leaf": found.leaf}
        if target is None and len(found) > TOLD_BYTES:
            message = f"the payload has {len(found)} bytes: name a file for it"
            raise TallyError(code="invalid", message=message)
        told = {"purpose": "payload", "records": 1, "call": call_id, "field": field, **said}
        index = desk.append(tenant, event(Event("export", desk.new_id(), desk.now(), tenant, told)))
        answer = {"leaf": index, "bytes": len(found), "commitment": commit(desk.commitment_key, call_id, field, found)}
        if target is not None:
            _write(target, found)
            return {**answer, "file": str(target)}
        return {**answer, "content": b64encode(found).decode()}

    def rotate(self, desk: Desk, fields: Fields) -> Fields:
        """`rotate-payload-keys`: a new keyring key for what comes; nothing is rewritten."""
        operator = text_of(fields, "operator")
        version = self._vaults.rotate()
        status = self._vaults.status()
        return {"keyring_key": version, "leaves": _record(desk, "introduced", [version], status.provider, operator)}

    def rewrap(self, desk: Desk, fields: Fields) -> Fields:
        """`rewrap-payload-keys`: wrap the keyring keys by the newest master key, or by the provider in `to`.

        `to` has the fields of `audit.keys`; afterwards the settings have to name that provider. A master key in a file
        is renewed, and destroyed where nothing is wrapped by it any more.
        """
        operator, provider = text_of(fields, "operator"), _provider(desk, fields)
        before = self._vaults.provider
        provider = provider or before
        if isinstance(provider, FileProvider) and provider.path.exists():
            provider.renew()
        self._vaults.rewrap(provider)
        if isinstance(provider, FileProvider):
            provider.retire()
        elif isinstance(before, FileProvider):
            before.forget()
        status = self._vaults.status()
        versions = [key.version for key in status.keyring_keys]
        leaves = _record(desk, "rewrapped", versions, status.provider, operator)
        return {"keyring_keys": len(versions), "provider": status.provider, "before": before.name, "leaves": leaves}

    def keys(self, desk: Desk, fields: Fields) -> Fields:
        """`payload-keys`: tell provider, keyring keys, live data keys and damage."""
        del desk, fields
        told = self._vaults.status()
        return {
            "provider": told.provider,
            "keyring_keys": [key._asdict() for key in told.keyring_keys],
            "live": told.live,
            "damaged": told.damaged,
        }


def payload_orders(vaults: Vaults) -> Mapping[str, Order]:
    """Every order about payloads, by name."""
    orders = Orders(vaults)
    return {
        "reveal": orders.reveal,
        "rotate-payload-keys": orders.rotate,
        "rewrap-payload-keys": orders.rewrap,
        "payload-keys": orders.keys,
    }


def _provider(desk: Desk, fields: Fields) -> KeyProvider | None:
    asked = fields.get("to")
    return None if asked is None else open_provider(desk.state, json.dumps(asked))


def _record(desk: Desk, action: str, versions: list[int], provider: str, operator: str) -> dict[TenantId, int]:
    """Write a `key` leaf to every log, since all tenants' keyrings are under these keys."""
    fields: dict[str, object] = {
        "purpose": "payload",
        "action": action,
        # The newest, where there are more than a leaf takes.
        "keys": [f"keyring key {version}" for version in versions[-4:]],
        "provider": provider,
        "operator": operator,
    }
    return {
        tenant: desk.append(tenant, event(Event("key", desk.new_id(), desk.now(), tenant, fields)))
        for tenant in desk.tenants()
    }


def _target(fields: Fields) -> Path | None:
    if fields.get("file") is None:
        return None
    path = Path(text_of(fields, "file"))
    if not path.is_absolute() or path.exists() or not path.parent.is_dir():
        message = f"{path}: name a file that does not exist yet, with its whole path, in a directory that does"
        raise TallyError(code="invalid", message=message)
    return path


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)
