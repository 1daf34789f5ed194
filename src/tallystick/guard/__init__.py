"""What may flow through: argument schemas, limits on calls in flight, and whether a failing server is left alone.

Pure. It must never contain a decision about who may call (that is `policy`), nor fetch anything: a schema that refers
to somewhere else is refused.
"""

from tallystick.guard.breaker import Breaker, BreakerState, Weight, weigh
from tallystick.guard.bulkhead import Admission, Bulkhead
from tallystick.guard.flood import Flood, Unrecorded
from tallystick.guard.schema import BadSchema, Validator, check_arguments, compile_schema

__all__ = [
    "Admission",
    "BadSchema",
    "Breaker",
    "BreakerState",
    "Bulkhead",
    "Flood",
    "Unrecorded",
    "Validator",
    "Weight",
    "check_arguments",
    "compile_schema",
    "weigh",
]
