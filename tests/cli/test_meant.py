"""Where no log is named, that of the only tenant is meant; the platform's is read when it is named, or alone."""

from pathlib import Path

import pytest

from tallystick.cli.audit.group import meant


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ((), ()),
        (("bank/2026",), ("bank/2026",)),
        (("platform/2026", "bank/2026"), ("bank/2026",)),
        (("platform/2026",), ("platform/2026",)),
        (("bank/2026", "branch/2026", "platform/2026"), ("bank/2026", "branch/2026")),
    ],
)
def test_the_log_of_the_platform_is_meant_only_where_it_is_alone(
    there: tuple[str, ...], found: tuple[str, ...]
) -> None:
    assert meant([Path(log) / "checkpoint" for log in there]) == [Path(log) for log in found]
