"""Cutting results by declared rules: fields, rows, bytes.

Pure. Never in here: who is shown how much (a toolset's rules are the same for everybody), or what is kept on record.
"""

from tallystick.toolsets.trimming.trim import TRIMMED, trim_result, trim_task

__all__ = ["TRIMMED", "trim_result", "trim_task"]
