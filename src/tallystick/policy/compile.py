"""Policy texts and facts to a bundle: all or nothing, every problem named."""

from collections import Counter
from collections.abc import Iterator, Mapping

from tallystick.policy.argument_types import mapping
from tallystick.policy.bundle import PolicyBundle, build, possible
from tallystick.policy.cedar import Schema, parse_policies
from tallystick.policy.check import attribute_names, check_annotations, check_names, check_types, never
from tallystick.policy.model import Facts, Policy
from tallystick.policy.schema import known_ids, schema_json
from tallystick.settings import Problem


def compile_policies(sources: Mapping[str, str], facts: Facts) -> PolicyBundle | tuple[Problem, ...]:
    """Return the compiled policies of `sources` (file -> Cedar text), or every problem found.

    A policy must have an @id that no other one has, speak of things that exist, fit the schema that follows from
    `facts`, and be able to match something.
    """
    policies: list[Policy] = []
    problems: list[Problem] = []
    for file in sorted(sources):
        parsed = list(_parse(file, sources[file]))
        policies += [entry for entry in parsed if isinstance(entry, Policy)]
        problems += [entry for entry in parsed if isinstance(entry, Problem)]
    times = Counter(policy.id for policy in policies)
    problems += [
        Problem(*policy.place, "the id is used twice", "give each policy an id of its own")
        for policy in policies
        if times[policy.id] > 1
    ]
    known = known_ids(facts)
    for policy in policies:
        problems += check_annotations(policy)
        problems += check_names(policy, known)
    # A policy with a fault is not examined further: the engine would only repeat it in other words.
    faulty = {(problem.file, problem.field) for problem in problems}
    sound = [policy for policy in policies if policy.place not in faulty]
    document = schema_json(facts)
    schema = Schema(document)
    problems += check_types(sound, schema, attribute_names(document))
    faulty = {(problem.file, problem.field) for problem in problems}
    sound = [policy for policy in sound if policy.place not in faulty]
    able = possible(sound, facts)
    problems += [never(policy) for policy in sound if policy.id not in able]
    return tuple(problems) or build(policies, facts, schema)


def _parse(file: str, text: str) -> Iterator[Policy | Problem]:
    bodies = parse_policies(text)
    if isinstance(bodies, str):
        yield Problem(file, "", f"is not Cedar: {bodies}", "correct the syntax")
        return
    for position, body in enumerate(bodies, start=1):
        name = mapping(body.get("annotations")).get("id")
        if isinstance(name, str) and name:
            yield Policy(file, name, body)
        else:
            yield Problem(file, f"policy {position}", "has no @id", 'put @id("some-name") before it')
