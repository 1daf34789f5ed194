"""The record in PostgreSQL and S3-compatible storage: one writer per tenant by a fenced lease, tiles under Object Lock.

Needs the extra `scale` (psycopg, boto3), which is imported only when the store is opened.

Never in here: what a leaf says, how a tree is hashed, or a right to delete objects.
"""

from tallystick.audit.scale.opening import mirror, open_scale
from tallystick.audit.scale.options import Options, parse_options

__all__ = ["Options", "mirror", "open_scale", "parse_options"]
