"""The official suite: what passes directly passes through the gateway, but for what the baseline explains."""

from pathlib import Path

import pytest

from conformance import baseline, suite
from conformance.legs import Leg, legs
from tests.requirements import requirement

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not suite.installed(), reason="the suite is not installed (scripts/conformance-setup)"),
]


@pytest.fixture(scope="module")
def every() -> dict[str, Leg]:
    """Return the legs, which share what the fixture passes directly."""
    return legs()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return where the legs keep their files."""
    return tmp_path_factory.mktemp("conformance")


@requirement("conformance:same-checks")
@pytest.mark.parametrize("leg", list(legs()))
def test_the_same_checks_pass_directly_and_through_the_gateway(leg: str, every: dict[str, Leg], folder: Path) -> None:
    found, known = every[leg](folder), baseline.read()
    assert found.direct.required_ok, f"a required scenario fails without the gateway: {sorted(found.direct.failed)}"
    assert baseline.unexplained(found.differences(), leg, known) == {}
    assert baseline.stale(found.differences(), leg, known) == []
