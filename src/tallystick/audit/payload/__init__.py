"""Payloads: what leaves only commit to, encrypted beside the log under a key per data subject, tenant and class.

`open_vaults` opens a state directory's payloads; a `Vault` seals, keeps, reveals, erases and expires those of a tenant.
Destroying a key makes its payloads unreadable and leaves every leaf and proof as it was.

Never in here: a payload in clear in any file, a decision whether something may be revealed or erased (that is keeping),
a data subject's name (references only), or a key provider that is asked while a call waits.
"""

from tallystick.audit.payload.keys.choose import open_provider
from tallystick.audit.payload.model import Damaged, Erased, Expired, Gone, KeyProvider, Locked, Unsealable
from tallystick.audit.payload.segments import read_records
from tallystick.audit.payload.vault import Vault, Vaults, open_vaults

__all__ = [
    "Damaged",
    "Erased",
    "Expired",
    "Gone",
    "KeyProvider",
    "Locked",
    "Unsealable",
    "Vault",
    "Vaults",
    "open_provider",
    "open_vaults",
    "read_records",
]
