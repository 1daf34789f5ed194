"""Where the configuration and the state live: the only reader of environment variables."""

import os
from collections.abc import Mapping
from pathlib import Path


def places(environment: Mapping[str, str] | None = None) -> tuple[Path, Path]:
    """Return (configuration directory, state directory).

    TALLY_CONFIG defaults to `config` and TALLY_STATE to `var`, both relative to the working directory, so that a first
    run needs no variable and writes nothing outside of the place where it was started.
    """
    variables = os.environ if environment is None else environment
    return Path(variables.get("TALLY_CONFIG") or "config"), Path(variables.get("TALLY_STATE") or "var")
