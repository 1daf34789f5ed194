"""The command `tally`: reads arguments, calls the rooms, prints what they say, and turns errors into exit codes.

Must never contain a decision or a second way to do what a room does.
"""

from tallystick.cli import codes
from tallystick.cli.main import main, tally

__all__ = ["codes", "main", "tally"]
