"""What every test with a peer shares: a place for what was seen, written when the lane ends."""

from collections.abc import Iterator

import pytest

from tests.peers import seen
from tests.peers.places import RESULTS


@pytest.fixture(scope="session")
def seen_rows() -> Iterator[list[seen.Row]]:
    """Collect the lines of the tests that pass, and keep them for the support matrix."""
    rows: list[seen.Row] = []
    yield rows
    seen.write(RESULTS, seen.Record("", rows))
