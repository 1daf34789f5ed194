"""The configuration directory as an owner of control state: what its files say is brought in, what they drop goes."""

from collections.abc import Mapping

from tallystick.control import Control, declare
from tallystick.control.model import DIRECTORY, Actor, Committed, Put, Refused
from tallystick.settings import Problem

_WHY = "the configuration directory changed"


def bring(control: Control, files: Mapping[str, bytes], operator: str) -> Committed | Refused | None:
    """Make control state say what the files say; None where it does already.

    A conflict names what another owner holds, or what others still refer to; problems name the file.
    """
    read = declare.from_directory(files)
    problems = tuple(one for one in read if isinstance(one, Problem))
    if problems:
        return problems
    wanted = [one for one in read if isinstance(one, Put)]
    plan = declare.plan(control.all(), wanted, DIRECTORY, prune=True)
    return control.commit(plan.changes, Actor("directory", operator), _WHY) if plan.changes else None
