"""Subject access: everything that is kept of one person, in one file (GDPR Art. 15)."""

import json
import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from tallystick.audit.desk import Desk, Fields
from tallystick.audit.disk import sync_directory
from tallystick.audit.leaf.event import event
from tallystick.audit.model import Event
from tallystick.audit.payload import Damaged, Gone, Vault
from tallystick.terms import TallyError, TenantId

_MODE: Final = 0o600
_CHANGED: Final = "a payload changed while it was read; nothing is written. Run `tally audit verify`"


def subject_access(desk: Desk, tenant: TenantId, asked: Fields) -> Fields:
    """Write every payload of a subject to a new file, one JSON object a line; raises TallyError."""
    subject, target = str(asked["subject"]), Path(str(asked["file"]))
    if not target.is_absolute() or os.path.lexists(target) or not target.parent.is_dir():
        message = f"{target}: name a file that does not exist yet, with its whole path, in a directory that does"
        raise TallyError(code="invalid", message=message)
    vault = desk.vault(tenant)
    entries = [(entry.call_id, entry.field, entry.retention, entry.leaf, entry.ts) for entry in vault.entries(subject)]
    digest, unreadable = sha256(), 0
    for line, whole in _lines(vault, entries):
        digest.update(line)
        unreadable += not whole
    fields = {
        "digest": f"sha256:{digest.hexdigest()}",
        "operator": str(asked["operator"]),
        "purpose": "subject_access",
        "records": len(entries),
        "subject": subject,
        "why": str(asked["why"]),
    }
    # INVARIANT: nothing is on any disk in clear before the record says so. Hence all is read twice, and not kept.
    index = desk.append(tenant, event(Event("export", desk.new_id(), desk.now(), tenant, fields)))
    try:
        _write(target, (line for line, _ in _lines(vault, entries)), digest.digest())
    except OSError as error:
        message = f"{target} cannot be written: {error.strerror or error}"
        raise TallyError(code="invalid", message=message) from error
    told = {"file": str(target), "records": len(entries), "unreadable": unreadable}
    return {**told, "digest": fields["digest"], "leaf": index}


_Entry = tuple[str, str, str, str, str]
"""Call id, field, retention class, leaf hash and time."""


def _lines(vault: Vault, entries: Iterable[_Entry]) -> Iterator[tuple[bytes, bool]]:
    """Each payload as a line, and whether it could be read."""
    for call_id, field, retention, leaf, ts in entries:
        told: dict[str, object] = {"call": call_id, "field": field, "leaf_hash": leaf, "retention": retention, "ts": ts}
        content = _content(vault, call_id, field)
        line = json.dumps({**told, **content}, sort_keys=True, separators=(",", ":"))
        yield line.encode() + b"\n", "gone" not in content


def _content(vault: Vault, call_id: str, field: str) -> dict[str, object]:
    try:
        found = vault.reveal(call_id, field)
    except Damaged:
        # One bad sector must not keep a person from all the rest; `tally audit verify` names it.
        return {"gone": "damaged"}
    if isinstance(found, Gone):
        return {"gone": found.why}
    try:
        return {"text": found.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(found).decode()}


def _write(target: Path, lines: Iterable[bytes], expected: bytes) -> None:
    """Write a new file, or none; raises OSError. After a crash in the middle the digest in the leaf tells that."""
    digest = sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            for line in lines:
                digest.update(line)
                file.write(line)
            file.flush()
            os.fsync(file.fileno())
        _check(digest.digest() == expected)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def _check(is_same: bool) -> None:  # noqa: FBT001 - its only argument
    if not is_same:
        raise TallyError(code="internal", message=_CHANGED)
