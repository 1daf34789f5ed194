"""The configuration directory as an owner of control state: what its files say is brought in, what they drop goes."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tallystick.control import Control, declare
from tallystick.control.model import DIRECTORY, Actor, Committed, Put, Refused
from tallystick.registry import kinds
from tallystick.settings import Problem

_WHY = "the configuration directory changed"


class Bringer:
    """Brings one directory in, again and again: files that did not change are not read again."""

    def __init__(self, control: Control, operator: str) -> None:
        """Bring it into this control state, on behalf of an account of this machine."""
        self._control = control
        self._actor = Actor(DIRECTORY, operator)
        self._directory = declare.Directory()

    def bring(self, files: Mapping[str, bytes]) -> Committed | Refused | None:
        """Make control state say what the files say; None where it does already.

        A conflict names what another owner holds, or what others still refer to; problems name the file.
        """
        read = self._directory.read(files)
        problems = tuple(one for one in read if isinstance(one, Problem))
        if problems:
            return problems
        wanted = [one for one in read if isinstance(one, Put)]
        plan = declare.plan(self._control.all(), wanted, DIRECTORY, prune=True)
        if not plan.changes:
            return None
        made = self._control.commit(plan.changes, self._actor, _WHY)
        return tuple(_in_files(made, files, wanted)) if isinstance(made, tuple) else made


def _in_files(problems: Iterable[Problem], files: Mapping[str, bytes], wanted: Iterable[Put]) -> Iterable[Problem]:
    """Yield the problems with the names that the files have, which are known here by resource or canonical name."""
    named = {name.rpartition(".")[0]: name for name in files}
    for put in wanted:
        entry = kinds.KINDS[put.kind]
        named.setdefault(str(put.key), named.get(f"{entry.folder}/{put.name}", str(put.key)))
    for problem in problems:
        known = named.get(problem.file) or named.get(problem.file.rpartition(".")[0])
        yield replace(problem, file=known or problem.file)
