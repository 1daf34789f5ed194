"""Policy texts and facts to a bundle: all or nothing, every problem named."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from tallystick.policy import console
from tallystick.policy.bundle import PolicyBundle
from tallystick.policy.check import check_names, never
from tallystick.policy.compiling import Able, Checker, Known, Rules, Study, World, bound_to, read_policies
from tallystick.policy.model import Facts
from tallystick.settings import Problem

_Read = tuple[Study | Problem, ...]


def compile_policies(sources: Mapping[str, str], facts: Facts) -> PolicyBundle | tuple[Problem, ...]:
    """Return the compiled policies of `sources` (file -> Cedar text), or every problem found.

    A policy must have an @id that no other one has, speak of things that exist, fit the schema that follows from
    `facts`, and be able to match something. Those of `policies/<tenant>/<name>.cedar` bind that one tenant only.
    """
    return PolicyCompiler().compile(sources, facts)


class PolicyCompiler:
    """Compiles policies again and again; what was found of a policy holds while what it can see stays the same.

    Not for several threads at once. Facts of a tool that did not change should be the same object as before.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._read: dict[tuple[str, str], _Read] = {}
        self._known: dict[int, Known] = {}
        self._rules: tuple[tuple[Study, ...], Rules] | None = None
        self._console: tuple[tuple[object, ...], console.Console] | None = None
        self._checker = Checker()
        self._able = Able()

    def compile(self, sources: Mapping[str, str], facts: Facts) -> PolicyBundle | tuple[Problem, ...]:
        """Return what `compile_policies` returns."""
        entries = self._parse(sources)
        problems = [entry for entry in entries if isinstance(entry, Problem)]
        world = World(facts, self._tools(facts))
        everything = [entry for entry in entries if isinstance(entry, Study)]
        problems += _unbound(everything, world)
        studies = tuple(study for study in everything if not study.is_about_console)
        rights = self._console_of(tuple(study for study in everything if study.is_about_console), world)
        problems += rights if isinstance(rights, tuple) else ()
        problems += _plain_faults(studies, world)
        # A policy with a fault is not examined further: the engine would only repeat it in other words.
        sound = _without(studies, problems)
        problems += self._checker.check(sound, world)
        problems += [never(study.policy) for study in self._able.unable(_without(sound, problems), world)]
        if problems or isinstance(rights, tuple):
            return tuple(problems)
        return PolicyBundle.of(self._rules_of(studies), world, rights)

    def _parse(self, sources: Mapping[str, str]) -> list[Study | Problem]:
        self._read = {
            (file, text): self._read.get((file, text)) or tuple(read_policies(file, text, bound_to(file)))
            for file, text in sorted(sources.items())
        }
        return [entry for read in self._read.values() for entry in read]

    def _tools(self, facts: Facts) -> tuple[Known, ...]:
        found: list[Known] = []
        for tool in facts.tools:
            known = self._known.get(id(tool))
            # The known one holds its facts, so an identity cannot have passed to others.
            found.append(known if known is not None and known.facts is tool else Known.of(tool))
        self._known = {id(known.facts): known for known in found}
        return tuple(found)

    def _rules_of(self, studies: tuple[Study, ...]) -> Rules:
        if self._rules is None or self._rules[0] != studies:
            self._rules = studies, Rules(studies)
        return self._rules[1]

    def _console_of(self, studies: tuple[Study, ...], world: World) -> console.Console | tuple[Problem, ...]:
        key = (*studies, *sorted(world.parents.items(), key=str))
        if self._console is None or self._console[0] != key:
            compiled = console.compile_console([study.policy for study in studies], world.parents)
            if isinstance(compiled, tuple):
                return compiled
            self._console = key, compiled
        return self._console[1]


def _unbound(studies: Sequence[Study], world: World) -> Iterator[Problem]:
    """Yield what is wrong between policies, and with the tenants that they are bound to."""
    times = Counter(study.policy.id for study in studies)
    for study in studies:
        policy = study.policy
        if times[policy.id] > 1:
            yield Problem(*policy.place, "the id is used twice", "give each policy an id of its own")
        if study.tenant is not None and study.tenant not in world.parents:
            yield Problem.unknown(policy.place, "tenant", study.tenant, world.parents)
        if study.tenant is not None and study.is_about_console:
            remedy = "move it to policies/: it is for the whole installation"
            yield Problem(*policy.place, "speaks of the console, and is bound to one tenant", remedy)


def _plain_faults(studies: Sequence[Study], world: World) -> Iterator[Problem]:
    for study in studies:
        yield from study.problems
        yield from check_names(study.policy, study.named, world.ids)


def _without(studies: Sequence[Study], problems: Sequence[Problem]) -> tuple[Study, ...]:
    faulty = {(problem.file, problem.field) for problem in problems}
    return tuple(study for study in studies if study.policy.place not in faulty) if faulty else tuple(studies)
