"""Subject access: everything that is kept of one person, in one file (GDPR Art. 15)."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk, Fields
from tallystick.audit.leaf.event import event
from tallystick.audit.log.files import sync_directory
from tallystick.audit.model import Event
from tallystick.audit.payload import Gone
from tallystick.terms import TallyError, TenantId

_MODE: Final = 0o600


def subject_access(desk: Desk, tenant: TenantId, asked: Fields) -> Fields:
    """Write every payload of a subject to a new file, one JSON object a line; raises TallyError.

    The `export` leaf, with the digest of the file, is durable before the file has its name.
    """
    subject, target = str(asked["subject"]), Path(str(asked["file"]))
    beside = target.with_name(target.name + ".partial")
    if not target.is_absolute() or target.exists():
        message = f"{target}: name a file that does not exist yet, with its whole path"
        raise TallyError(code="invalid", message=message)
    digest, lines, gone = sha256(), 0, 0
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, _MODE)
        with os.fdopen(descriptor, "wb") as file:
            for line in _lines(desk, tenant, subject):
                gone += b'"gone":' in line
                digest.update(line)
                file.write(line)
                lines += 1
            file.flush()
            os.fsync(file.fileno())
        fields = {
            "digest": f"sha256:{digest.hexdigest()}",
            "operator": str(asked["operator"]),
            "purpose": "subject_access",
            "records": lines,
            "subject": subject,
            "why": str(asked["why"]),
        }
        # INVARIANT: nothing is readable under the name that was asked for before the record says so.
        index = desk.append(tenant, event(Event("export", desk.new_id(), desk.now(), tenant, fields)))
        beside.rename(target)
        sync_directory(target.parent)
    except OSError as error:
        beside.unlink(missing_ok=True)
        message = f"{target} cannot be written: {error.strerror}"
        raise TallyError(code="invalid", message=message) from error
    return {"file": str(target), "records": lines, "unreadable": gone, "digest": fields["digest"], "leaf": index}


def _lines(desk: Desk, tenant: TenantId, subject: str) -> Iterator[bytes]:
    vault = desk.vault(tenant)
    for entry in vault.entries(subject):
        found = vault.reveal(entry.call_id, entry.field)
        told: dict[str, object] = {
            "call": entry.call_id,
            "field": entry.field,
            "leaf_hash": entry.leaf,
            "retention": entry.retention,
            "ts": entry.ts,
        }
        yield json.dumps({**told, **_content(found)}, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _content(found: bytes | Gone) -> dict[str, object]:
    if isinstance(found, Gone):
        return {"gone": found.why}
    try:
        return {"text": found.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(found).decode()}
