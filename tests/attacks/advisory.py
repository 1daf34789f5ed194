"""Ties a test to the advisories whose mistake it would find here; their ids stand in the test's own id."""

from collections.abc import Callable
from typing import TypeVar

import pytest

Test = TypeVar("Test", bound=Callable[..., object])


def holds(*advisories: str) -> Callable[[Test], Test]:
    """Name the advisories, as docs/security/advisories.md does; the test takes no argument for it."""
    told = " ".join(advisories)
    mark = pytest.mark.parametrize("advisory", [told], ids=[told], indirect=True)

    def tie(test: Test) -> Test:
        return mark(test)

    return tie
