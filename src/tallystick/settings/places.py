"""Where the configuration, the state and the client's own files are: the only reader of environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Surroundings(NamedTuple):
    """What the environment says: places of an installation, and of the person at this terminal.

    `url` and `gateway` are empty where nobody named a console or a gateway. `client` is the folder that keeps who
    signed in.
    """

    config: Path
    state: Path
    url: str
    gateway: str
    client: Path


def places(environment: Mapping[str, str] | None = None) -> Surroundings:
    """Return the surroundings; the configuration and the state directory come first.

    TALLY_CONFIG defaults to `config` and TALLY_STATE to `var`, both relative to the working directory, so that a first
    run needs no variable and writes nothing outside of the place where it was started. TALLY_URL and TALLY_GATEWAY name
    a console and a gateway; XDG_CONFIG_HOME is where the client's folder is (XDG Base Directory Specification).
    """
    variables = os.environ if environment is None else environment
    home = variables.get("XDG_CONFIG_HOME") or f"{variables.get('HOME') or '.'}/.config"
    return Surroundings(
        Path(variables.get("TALLY_CONFIG") or "config"),
        Path(variables.get("TALLY_STATE") or "var"),
        variables.get("TALLY_URL") or "",
        variables.get("TALLY_GATEWAY") or "",
        Path(home) / "tallystick",
    )
