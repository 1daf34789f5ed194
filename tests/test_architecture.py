"""The architecture's rules, applied to this repository. Layers and the pure core are contracts of `lint-imports`."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.rules import libraries, shape, words
from tests.rules.source import Violation

ROOT = Path(__file__).resolve().parent.parent

RULES: dict[str, Callable[[Path], Iterator[Violation]]] = {
    "a door says what the room is and shows few names": shape.doors,
    "a room is entered by its door": shape.closed_doors,
    "files and functions are short": shape.sizes,
    "packages are small": shape.packages,
    "every room has tests": shape.mirrors,
    "models are frozen": shape.frozen_models,
    "settings are few and explained": shape.settings_fields,
    "names come from the field": words.names,
    "a suppression has a code and a reason": words.suppressions,
    "no file names a machine, a registry or a ticket": words.forbidden_text,
    "a library has one door": libraries.doors,
    "dependencies, doors and docs agree": libraries.table,
    "locks have hashes and no addresses": libraries.locks,
}

# Key of the violation -> why it stays for now. The list may only shrink: whoever removes a line lowers the number too.
EXCEPTIONS: dict[str, str] = {}
EXCEPTIONS_AT_MOST = 0


@cache
def _found(rule: str) -> tuple[Violation, ...]:
    return tuple(RULES[rule](ROOT))


@pytest.mark.parametrize("rule", RULES)
def test_the_tree_keeps_the_rule(rule: str) -> None:
    broken = [str(violation) for violation in _found(rule) if violation.key not in EXCEPTIONS]
    if broken:
        pytest.fail("\n".join(broken), pytrace=False)


def test_every_exception_is_still_needed() -> None:
    needed = {violation.key for rule in RULES for violation in _found(rule)}
    assert set(EXCEPTIONS) <= needed, f"no longer needed: {sorted(set(EXCEPTIONS) - needed)}"


def test_the_exception_list_only_shrinks() -> None:
    assert len(EXCEPTIONS) == EXCEPTIONS_AT_MOST
    assert all(len(reason.split()) >= 4 for reason in EXCEPTIONS.values()), "each exception says why it stays"
