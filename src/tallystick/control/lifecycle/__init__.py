"""The lifecycle of what is reviewed, as a table: which step leads where, and what must be true for it.

Pure: the time and all facts come as values. It must never contain who may ask for a step (that is policy), nor store
anything: the store asks `judge` inside its transaction, and a console asks `due` what time alone has made necessary.
"""

from tallystick.control.lifecycle.clockwork import tick
from tallystick.control.lifecycle.due import CLOCKWORK, due
from tallystick.control.lifecycle.gates import GATES, Gate
from tallystick.control.lifecycle.judge import judge, verb
from tallystick.control.lifecycle.model import Facts, Unmet
from tallystick.control.lifecycle.page import page
from tallystick.control.lifecycle.standing import standing
from tallystick.control.lifecycle.table import TABLE

__all__ = [
    "CLOCKWORK",
    "GATES",
    "TABLE",
    "Facts",
    "Gate",
    "Unmet",
    "due",
    "judge",
    "page",
    "standing",
    "tick",
    "verb",
]
