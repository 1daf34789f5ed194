"""The shared words of Tallystick: callers, refusals, decisions, reasons and the clock.

Every room may import this one. It must never contain I/O, a clock, randomness, or anything that only one room needs.
"""

from tallystick.terms import strict_json
from tallystick.terms.caller import Caller
from tallystick.terms.clock import Clock
from tallystick.terms.decision import Decision, Obligation
from tallystick.terms.names import Digest, ServerId, TenantId, ToolId
from tallystick.terms.reason import Reason
from tallystick.terms.refusal import Refusal, TallyError

__all__ = [
    "Caller",
    "Clock",
    "Decision",
    "Digest",
    "Obligation",
    "Reason",
    "Refusal",
    "ServerId",
    "TallyError",
    "TenantId",
    "ToolId",
    "strict_json",
]
