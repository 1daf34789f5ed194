"""Running the MCP servers that speak over stdio: start, supervise, cap and reap their processes.

Commands come from the local configuration only. Must never contain MCP, policy, or a command that a request could
influence.
"""

from tallystick.runtime.model import Capped
from tallystick.runtime.process import Line, ServerProcess, start

__all__ = ["Capped", "Line", "ServerProcess", "start"]
