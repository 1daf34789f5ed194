"""May they: Cedar policies, compiled against what exists, and the one function that decides.

Pure: texts and facts in, a `Decision` out, the same one every time. It must never contain I/O, a clock, knowledge of
MCP messages beyond the names of methods, or a way to allow something without a policy that says so.
"""

from tallystick.policy import console
from tallystick.policy.bundle import PolicyBundle
from tallystick.policy.compile import PolicyCompiler, compile_policies
from tallystick.policy.decide import Slice, decide
from tallystick.policy.model import Facts, ServerFacts, TenantFacts, ToolFacts, ToolsetFacts

__all__ = [
    "Facts",
    "PolicyBundle",
    "PolicyCompiler",
    "ServerFacts",
    "Slice",
    "TenantFacts",
    "ToolFacts",
    "ToolsetFacts",
    "compile_policies",
    "console",
    "decide",
]
