"""The keys of payloads: a keyring of data keys for each tenant, the keyring keys over them, and who wraps those.

A data key is wrapped by a keyring key, a keyring key by the master key of a key provider. Never in here: a payload, or
a key in clear in any file but the one of the file provider.
"""

from tallystick.audit.payload.keys.keyring import FileKeyring
from tallystick.audit.payload.keys.master import Master, MasterKey, open_master

__all__ = ["FileKeyring", "Master", "MasterKey", "open_master"]
