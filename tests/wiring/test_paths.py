"""Which paths are MCP endpoints, and which keys are taken from disk."""

import os
import stat
from pathlib import Path

import pytest

from tallystick.terms import TallyError
from tallystick.wiring.app import route_of
from tallystick.wiring.keys import secret


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/servers/core/mcp", "servers/core"),
        ("/toolsets/desk/mcp", "toolsets/desk"),
        ("/servers/core/mcp/", None),
        ("/servers/core", None),
        ("/servers//mcp", None),
        ("/servers/core/../mcp", None),
        ("//servers/core/mcp", None),
        ("/Servers/core/mcp", None),
        ("/tools/core/mcp", None),
        ("/mcp", None),
        ("", None),
    ],
)
def test_only_an_exact_path_is_an_endpoint(path: str, route: str | None) -> None:
    assert route_of(path) == route


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "session.key"
    made = secret(file)
    assert len(made) == 32
    assert secret(file) == made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    secret(file)
    file.chmod(mode)
    with pytest.raises(TallyError, match=r"may be read by others\. Run: chmod 600"):
        secret(file)


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(mode=0o600)
    file.write_bytes(os.urandom(31))
    with pytest.raises(TallyError, match="31 bytes, not 32"):
        secret(file)
