"""What may flow through: argument schemas and limits on calls in flight.

Pure. It must never contain a decision about who may call (that is `policy`), nor fetch anything: a schema that refers
to somewhere else is refused.
"""

from tallystick.guard.bulkhead import Admission, Bulkhead
from tallystick.guard.schema import BadSchema, Validator, check_arguments, compile_schema

__all__ = ["Admission", "BadSchema", "Bulkhead", "Validator", "check_arguments", "compile_schema"]
